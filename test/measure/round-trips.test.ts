import { expect, test } from "bun:test";
import { Jitter } from "../../src/measure/jitter.ts";
import { type Reply, RoundTrips } from "../../src/measure/round-trips.ts";
import { Samples } from "../../src/measure/samples.ts";
import { summaryUs } from "../../src/measure/summary.ts";
import { udpFigures } from "../../src/measure/udp-figures.ts";

const MS = 1e6;

function sent(count: number, lateMs = 100): RoundTrips {
  const trips = new RoundTrips(lateMs * MS);
  for (let number = 0; number < count; number++) trips.send(true);
  return trips;
}

function reply(number: number, changes: Partial<Reply> = {}): Reply {
  return { number, intact: true, rtt: MS, fromSchedule: MS, held: 1000, place: number, ...changes };
}

test("percentiles are nearest rank on the samples themselves; p99.9 of few is unknown", () => {
  const samples = new Samples();
  for (let value = 999; value >= 1; value--) samples.record(value * 1000);
  expect(summaryUs(samples)).toEqual({
    min: 1,
    mean: 500,
    p50: 500,
    p90: 900,
    p99: 990,
    p99_9: null,
    max: 999,
    n: 999,
  });
  samples.record(1_000_000);
  expect(summaryUs(samples)).toMatchObject({ p50: 500, p99_9: 999, n: 1000 });
  expect(summaryUs(new Samples())).toMatchObject({ min: null, mean: null, p50: null, max: null, n: 0 });
});

test("beyond a million samples: within a thousandth, and extremes exact", () => {
  const samples = new Samples();
  const count = 2 ** 20 + 1000;
  for (let value = 1; value <= count; value++) samples.record(value);
  expect(samples).toMatchObject({ count, min: 1, max: count });
  const half = samples.percentile(50) ?? 0;
  expect(Math.abs(half / (count / 2) - 1)).toBeLessThan(0.001);
});

test("jitter: neighbours that both came, in whatever order; RFC 3550 in the order of arrival", () => {
  const jitter = new Jitter();
  for (const [number, delay] of [
    [0, 10],
    [2, 30],
    [1, 15],
    [5, 100],
  ] as const) {
    jitter.record(number, delay);
  }
  // 0-1: 5, 1-2: 15; 5 has no neighbour
  expect([jitter.ipdv.count, jitter.ipdv.min, jitter.ipdv.max]).toEqual([2, 5, 15]);
  let expected = 0;
  for (const difference of [20, 15, 85]) expected += (difference - expected) / 16;
  expect(jitter.rfc3550).toBeCloseTo(expected, 9);
});

test("each number has one fate; the best of its copies counts, until it was late", () => {
  const trips = sent(8);
  trips.reply(reply(0));
  trips.reply(reply(0));
  trips.reply(reply(1, { intact: false }));
  trips.reply(reply(2, { intact: false }));
  trips.reply(reply(2));
  trips.reply(reply(3, { rtt: 200 * MS }));
  trips.reply(reply(3, { rtt: 201 * MS }));
  expect(trips.reply(reply(8))).toBe(false);
  expect(trips).toMatchObject({ received: 2, corrupt: 1, delayed: 1, duplicates: 3, sent: 8 });
  expect([0, 1, 2, 3, 4].map((number) => trips.fate(number))).toEqual([
    ...(["received", "corrupt", "received", "delayed", "lost"] as const),
  ]);
  expect(trips.rtt.count).toBe(2);
  expect(trips.bursts()).toEqual({ count: 1, longest: 4 });
});

test("order on the way back is the order that the server sent in", () => {
  const trips = sent(4);
  // 1 and 0 were swapped on the way there, nothing on the way back
  for (const [place, number] of [1, 0, 2, 3].entries()) trips.reply(reply(number, { place }));
  expect(trips.order.reordered).toBe(0);
});

const COUNTS = { answered: 5, corrupt: 1, limited: 1, duplicates: 2, reordered: 3, extent: 1 };

test("figures: all fates add up to what was sent", () => {
  const trips = sent(10);
  for (const number of [0, 1]) trips.reply(reply(number));
  trips.reply(reply(2, { intact: false }));
  trips.reply(reply(3, { rtt: 500 * MS }));
  const figures = udpFigures(trips, COUNTS, true);
  expect(figures).toMatchObject({
    up: { lost: 3, corrupt: 1, duplicates: 2, reordered: 3 },
    down: { lost: 1, corrupt: 1, duplicates: 0, reordered: 0 },
    rate_limited: 1,
    delayed: 1,
    received: 2,
    loss_percent: 40,
  });
  const { up, down, rate_limited, delayed, received } = figures;
  const all = [up.lost, up.corrupt, rate_limited, down.lost, down.corrupt, delayed, received];
  expect(all.reduce<number>((sum, part) => sum + (part ?? Number.NaN), 0)).toBe(10);
});

test("figures: what only the server knows is null when it is gone, never 0", () => {
  const trips = sent(10);
  trips.reply(reply(0));
  const unknown = { lost: null, duplicates: null, reordered: null, corrupt: null };
  expect(udpFigures(trips, null, true)).toMatchObject({
    up: unknown,
    down: { lost: null, duplicates: 0 },
    loss_percent: null,
    rate_limited: null,
    received: 1,
  });
  expect(udpFigures(trips, null, false)).toMatchObject({
    up: unknown,
    down: unknown,
    both: { lost: 9, duplicates: 0 },
    loss_percent: 90,
  });
});
