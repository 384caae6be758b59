/** Sources that no test can send from, handed to the server's runs as if they had come. */
import { expect, setSystemTime, test } from "bun:test";
import { readFileSync } from "node:fs";
import { SockWire } from "../../src/client/udp-wire.ts";
import { SockError } from "../../src/errors.ts";
import { MAX_UDP_RUNS_PER_ADDRESS } from "../../src/protocol/constants.ts";
import { UdpRuns } from "../../src/server/udp-runs.ts";
import { Listener } from "../helpers/udp-session.ts";
import { until } from "../helpers/until.ts";

const ASKED = { type: "udp", count: 100, interval: 1_000_000, bytes: 64 } as const;

async function begin(runs: UdpRuns, mayComeFrom: (address: string) => boolean = () => true) {
  using free = await Listener.open();
  const { port } = free.socket;
  free.socket.close();
  const client = { address: "127.0.0.1", localAddress: "127.0.0.1", localPort: port };
  const begun = await runs.begin(ASKED, client, mayComeFrom);
  const wire = new SockWire(begun, 64);
  const counts = () => begun.run.counts();
  return { begun, counts, port, probe: (number: number) => Buffer.from(wire.probe(number)) };
}

const NOBODY: [string, number][] = [
  ["127.0.0.1", 0],
  ["127.0.0.1", 7],
  ["127.0.0.1", 19],
  ["127.0.0.1", 53],
  ["127.0.0.1", 123],
  ["255.255.255.255", 4000],
  ["224.0.0.1", 4000],
  ["239.255.255.250", 4000],
  ["0.0.0.0", 4000],
  ["ff02::1", 4000],
  ["::", 4000],
];

for (const [address, port] of NOBODY) {
  test(`a valid probe from ${address} port ${port}: silence, and the run is still to be had`, async () => {
    const runs = new UdpRuns();
    const { counts, probe } = await begin(runs);
    runs.receive(probe(0), port, address);
    expect(counts()).toMatchObject({ answered: 0, peer: null });
    runs.receive(probe(1), 4000, "127.0.0.1");
    expect(counts()).toMatchObject({ answered: 1, peer: "127.0.0.1:4000" });
    runs.close();
  });
}

test("the server itself, and an address outside the key's ranges: silence", async () => {
  const runs = new UdpRuns();
  const { counts, port, probe } = await begin(runs, (address) => address.startsWith("127."));
  runs.receive(probe(0), port, "127.0.0.1");
  runs.receive(probe(1), 4000, "192.0.2.7");
  expect(counts()).toMatchObject({ answered: 0, peer: null });
  runs.close();
});

test("the wall clock moved by an hour: nothing changes", async () => {
  const runs = new UdpRuns();
  const { counts, probe, port } = await begin(runs);
  using client = await Listener.open();
  const now = Date.now();
  try {
    for (const [at, hours] of [0, 1, -1].entries()) {
      setSystemTime(new Date(now + hours * 3_600_000));
      client.socket.send(probe(at), port, "127.0.0.1");
      await until(() => client.received.length === at + 1, "a reply");
    }
  } finally {
    setSystemTime();
  }
  expect(counts()).toMatchObject({ answered: 3, limited: 0 });
  runs.close();
});

test("runs of one address are limited, and make room when they end", async () => {
  const runs = new UdpRuns();
  const first = await begin(runs);
  const client = { address: "127.0.0.1", localAddress: "127.0.0.1", localPort: first.port };
  const slow = { ...ASKED, interval: 1_000_000_000 };
  for (let made = 1; made < MAX_UDP_RUNS_PER_ADDRESS; made++) await runs.begin(slow, client, () => true);
  const refused = await runs.begin(slow, client, () => true).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(SockError);
  expect((refused as SockError).code).toBe("busy");
  await runs.begin(slow, { ...client, address: "127.0.0.9" }, () => true);
  first.begun.end();
  first.begun.end();
  await runs.begin(slow, client, () => true);
  expect(await runs.begin(slow, client, () => true).catch(() => "busy")).toBe("busy");
  runs.close();
});

/** What the system threw away at that port, of whatever reason. */
function thrownAway(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const line = readFileSync("/proc/net/udp", "latin1")
    .split("\n")
    .find((one) => one.includes(` ${local} `));
  return Number(line?.trim().split(/\s+/).at(-1));
}

test.if(process.platform === "linux")(
  "while a socket has no run, the system throws away what comes: no flood keeps the event loop from all else",
  async () => {
    const runs = new UdpRuns();
    using noise = await Listener.open();
    const first = await begin(runs);
    const { port } = first;
    const shout = (text: string): void => {
      for (let sent = 0; sent < 100; sent++) noise.socket.send(Buffer.from(text), port, "127.0.0.1");
    };
    first.begun.end();
    shout("to no run");
    await until(() => thrownAway(port) === 100);
    const client = { address: "127.0.0.1", localAddress: "127.0.0.1", localPort: port };
    const next = await runs.begin(ASKED, client, () => true);
    shout("beside a run");
    noise.socket.send(Buffer.from(new SockWire(next, 64).probe(0)), port, "127.0.0.1");
    await until(() => noise.received.length === 1);
    expect(next.run.counts()).toMatchObject({ answered: 1, drops: 0 });
    next.end();
    shout("to no run");
    await until(() => thrownAway(port) === 200);
    runs.close();
  },
);
