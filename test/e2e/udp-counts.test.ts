/** Every figure of a run against what the relay in between did, each way: equal, not about the same. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { codeAt } from "../helpers/child.ts";
import type { DatagramCounts, DatagramFaults, Direction } from "../helpers/datagrams.ts";
import { Relay } from "../helpers/relay.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";

let server: Serving;
beforeAll(async () => {
  server = await serve();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const COUNT = 400;
const RUN = ["--count", String(COUNT), "--interval", "1ms", "--size", "200", "--fill", "random", "--json"];

async function through(
  faults: Partial<Record<Direction, Partial<DatagramFaults>>>,
  args: readonly string[] = RUN,
  seed = 1,
) {
  await using relay = await Relay.withDatagrams(server.port, seed);
  const { datagrams } = relay;
  Object.assign(datagrams.faults.up, faults.up);
  Object.assign(datagrams.faults.down, faults.down);
  const ran = await sock(["udp", ...args], { env: { SOCK_JOIN: codeAt(server.join, relay.port) } });
  const replied = datagrams.log.down.reduce((sum, { length }) => sum + length, 0);
  expect(replied).toBeLessThanOrEqual(datagrams.counts.up.bytes);
  return { result: resultOf(ran.stdout), counts: datagrams.counts, status: ran.status };
}

/** The relay's counts as a result says them. */
function way(counts: DatagramCounts) {
  const { dropped, doubled, reordered, corrupted } = counts;
  return { lost: dropped, duplicates: doubled, reordered, corrupt: corrupted };
}

function expectEqual({ result, counts }: Awaited<ReturnType<typeof through>>): void {
  const { up, down } = counts;
  expect(result).toMatchObject({
    complete: true,
    sent: COUNT,
    up: way(up),
    down: way(down),
    received: down.seen - down.dropped - down.corrupted,
    loss_percent: Math.round((1e6 * (up.dropped + down.dropped)) / COUNT) / 1e4,
    delayed: 0,
    rate_limited: 0,
    own_drops: 0,
    rtt_us: { n: down.seen - down.dropped - down.corrupted },
  });
  const { sent, received, delayed, rate_limited } = result as Record<string, number>;
  const fates = up.dropped + up.corrupted + down.dropped + down.corrupted;
  expect(fates + Number(received) + Number(delayed) + Number(rate_limited)).toBe(Number(sent));
}

const WAYS: [string, Direction[]][] = [
  ["up", ["up"]],
  ["down", ["down"]],
  ["both ways", ["up", "down"]],
];

for (const [name, directions] of WAYS) {
  const on = (faults: Partial<DatagramFaults>) =>
    Object.fromEntries(directions.map((direction) => [direction, faults]));

  describe(name, () => {
    for (const share of [0.01, 0.1]) {
      test(`${share * 100} % each dropped, doubled, reordered, corrupted`, async () => {
        expectEqual(
          await through(on({ drop: share, double: share, reorder: share, corrupt: share }), RUN, 7),
        );
      });
    }
    for (const fault of ["drop", "double", "reorder", "corrupt"] as const) {
      test(`50 % of ${fault}`, async () => {
        const ran = await through(on({ [fault]: 0.5 }), RUN, 3);
        expectEqual(ran);
        const done = directions.map((direction) => Object.values(way(ran.counts[direction])).join());
        // the relay has done it, or this shows nothing
        for (const counts of done) expect(counts).toMatch(/\d{2}/);
      });
    }
  });
}

test("nothing on the way: nothing is found", async () => {
  const ran = await through({});
  expectEqual(ran);
  expect(ran.result).toMatchObject({ received: COUNT, loss_percent: 0, longest_burst: 0 });
});

test("late is not lost: it is delayed, and in no round trip", async () => {
  const decide = (index: number) => (index % 10 === 0 && index < 200 ? "late" : "pass");
  const { result, counts } = await through({ down: { decide, lateMs: 150 } }, [...RUN, "--wait", "100ms"]);
  expect(counts.down.late).toBe(20);
  expect(result).toMatchObject({ delayed: 20, received: 380, loss_percent: 0, down: { lost: 0 } });
  expect((result["rtt_us"] as { max: number }).max).toBeLessThan(100_000);
});

test("bursts: how many, and the longest", async () => {
  const decide = (index: number) =>
    (index >= 10 && index < 15) || index === 30 || (index >= 50 && index < 62) ? "drop" : "pass";
  const { result } = await through({ up: { decide } });
  expect(result).toMatchObject({ bursts: 3, longest_burst: 12, up: { lost: 18 } });
});

test("a damaged header is a lost datagram, counted apart as foreign down and not at all up", async () => {
  await using relay = await Relay.withDatagrams(server.port);
  const damage = (index: number, bytes: Buffer) => {
    if (index % 20 === 0) bytes[20 + (index % 44)]! ^= 1;
    return "pass" as const;
  };
  relay.datagrams.faults.up.decide = damage;
  relay.datagrams.faults.down.decide = damage;
  const ran = await sock(["udp", ...RUN], { env: { SOCK_JOIN: codeAt(server.join, relay.port) } });
  expect(resultOf(ran.stdout)).toMatchObject({
    sent: COUNT,
    up: { lost: 20 },
    down: { lost: 19 },
    foreign: 19,
  });
});

test("--samples has a line for each, and its fates are the result's", async () => {
  await using relay = await Relay.withDatagrams(server.port, 5);
  Object.assign(relay.datagrams.faults.up, { drop: 0.1, corrupt: 0.1 });
  Object.assign(relay.datagrams.faults.down, { drop: 0.1, corrupt: 0.1 });
  const path = `${server.home}/samples.ndjson`;
  const ran = await sock(["udp", ...RUN, "--samples", path], {
    env: { SOCK_JOIN: codeAt(server.join, relay.port) },
  });
  const result = resultOf(ran.stdout);
  const samples = (await Bun.file(path).text())
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { number: number; fate: string; rtt_us: number | null });
  expect(samples.map(({ number }) => number)).toEqual(Array.from({ length: COUNT }, (_, index) => index));
  const times = samples.flatMap(({ fate, rtt_us }) => (fate === "received" ? [Number(rtt_us)] : []));
  const sorted = times.toSorted((a, b) => a - b);
  const rank = (percent: number): number => sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? 0;
  expect(result).toMatchObject({
    received: times.length,
    rtt_us: { min: sorted[0], p50: rank(50), p90: rank(90), p99: rank(99), max: sorted.at(-1) },
  });
  expect(samples.filter(({ fate }) => fate === "corrupt")).toHaveLength(
    relay.datagrams.counts.down.corrupted,
  );
});
