import { expect, test } from "bun:test";
import { DatagramRun } from "../../src/client/udp-run.ts";
import { PlainWire } from "../../src/client/udp-wire.ts";
import { DatagramSocket, type Sent } from "../../src/transport/datagrams.ts";

const SIZE = 64;

/** A run whose datagrams are given back by the event loop alone, as where nothing goes past it. */
async function run(intervalNs: number, drop: (number: number) => boolean) {
  let at = 0;
  const peer = { address: "192.0.2.1", port: 7 };
  const socket = {
    drops: () => null,
    send(bytes: Uint8Array): Sent {
      if (drop(at++)) return "sent";
      const copy = Buffer.from(bytes);
      setTimeout(() => datagrams.datagram(copy, peer.port, peer.address), 1);
      return "sent";
    },
  };
  const options = { count: 60, intervalNs, waitMs: 100, signal: undefined };
  const datagrams: DatagramRun = new DatagramRun(socket, peer, new PlainWire(SIZE, "zero"), options);
  await datagrams.go();
  return datagrams;
}

for (const intervalNs of [0, 500_000, 3_000_000]) {
  test(`without a way past the event loop, every ${intervalNs / 1e6} ms: each is sent, timed and counted`, async () => {
    const { trips, failure, foreign } = await run(intervalNs, (number) => number === 20);
    expect(failure).toBeUndefined();
    expect([trips.sent, trips.received, trips.duplicates, foreign]).toEqual([60, 59, 0, 0]);
    expect(trips.bursts()).toEqual({ count: 1, longest: 1 });
    expect(trips.rtt.min ?? 0).toBeGreaterThan(0.9e6);
  });
}

test("an interval of 50 us is kept on average past the event loop, and the thread does not forget its timers", async () => {
  const echo: DatagramSocket = await DatagramSocket.bind("127.0.0.1", 0, {
    datagram: (bytes, port, address) => void echo.send(bytes, port, address),
  });
  const peer = { address: "127.0.0.1", port: echo.port };
  const line: { run?: DatagramRun } = {};
  const socket = await DatagramSocket.bind("127.0.0.1", 0, {
    datagram: (bytes, port, address) => line.run?.datagram(bytes, port, address),
  });
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  line.run = new DatagramRun(socket, peer, new PlainWire(SIZE, "count"), {
    count: 4000,
    intervalNs: 50_000,
    waitMs: undefined,
    signal: undefined,
  });
  await line.run.go();
  clearInterval(timer);
  socket.close();
  echo.close();
  expect(line.run.trips.sent).toBe(4000);
  expect(line.run.trips.back).toBe(4000);
  expect(turns).toBeGreaterThan(10);
});
