import { expect, test } from "bun:test";
import { DatagramRun } from "../../src/client/udp-run.ts";
import { PlainWire } from "../../src/client/udp-wire.ts";
import { DatagramSocket, type Sent } from "../../src/transport/datagrams.ts";

const SIZE = 64;

/** A run whose datagrams are given back by the event loop alone, as where nothing goes past it. */
async function run(
  intervalNs: number,
  drop: (number: number) => boolean,
  { waitMs = 100, awayMs = 1 }: { waitMs?: number; awayMs?: number } = {},
) {
  let at = 0;
  const peer = { address: "192.0.2.1", port: 7 };
  const socket = {
    drops: () => null,
    send(bytes: Uint8Array): Sent {
      if (drop(at++)) return "sent";
      const copy = Buffer.from(bytes);
      setTimeout(() => datagrams.datagram(copy, peer.port, peer.address), awayMs);
      return "sent";
    },
  };
  const options = { count: 60, intervalNs, waitMs, signal: undefined };
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

test("a wait that is longer than any timer is a long one, and not none", async () => {
  const waits = { waitMs: 1000 * 3600 * 1000, awayMs: 30 };
  const { trips, failure } = await run(100_000, () => false, waits);
  expect(failure).toBeUndefined();
  expect([trips.sent, trips.received]).toEqual([60, 60]);
});

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
