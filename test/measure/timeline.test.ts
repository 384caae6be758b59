import { expect, test } from "bun:test";
import fc from "fast-check";
import { FATES } from "../../src/measure/round-trips.ts";
import { randomFrom } from "../../src/measure/random.ts";
import { coarser, MOST_POINTS, type Point, Timeline } from "../../src/measure/timeline.ts";

function sum(points: readonly Point[], key: keyof Point): number {
  return points.reduce((total, point) => total + (point[key] ?? 0), 0);
}

/** Those that are there. */
function known(points: readonly Point[], key: "min" | "max"): number[] {
  return points.flatMap((point) => point[key] ?? []);
}

test("a point for each while there is room, then each for two, then for four", () => {
  const timeline = new Timeline();
  for (let number = 0; number < MOST_POINTS; number++) timeline.send(number * 10);
  expect(timeline.points()).toHaveLength(MOST_POINTS);
  timeline.send(MOST_POINTS * 10);
  expect(timeline.points()).toHaveLength(MOST_POINTS / 2 + 1);
  expect(timeline.points().at(1)).toMatchObject({ at: 20, sent: 2 });
  expect(timeline.points().at(-1)).toMatchObject({ at: MOST_POINTS * 10, sent: 1 });
  for (let number = MOST_POINTS + 1; number <= 2 * MOST_POINTS; number++) timeline.send(number * 10);
  expect(timeline.width).toBe(4);
  expect(timeline.points()).toHaveLength(MOST_POINTS / 2 + 1);
  expect(timeline.points().at(1)).toMatchObject({ at: 40, sent: 4 });
});

test("what is recorded lies at the point of its number, before and after thinning", () => {
  const timeline = new Timeline();
  for (let number = 0; number < 8; number++) timeline.send(number);
  timeline.reply(3, 500);
  timeline.copy(3);
  timeline.overtaken(2);
  const none = { received: 0, min: null, mean: null, max: null, copies: 0, overtaken: 0 };
  expect(timeline.points()).toMatchObject([
    none,
    none,
    { ...none, overtaken: 1 },
    { received: 1, min: 500, mean: 500, max: 500, copies: 1, overtaken: 0 },
    none,
    none,
    none,
    none,
  ]);
  for (let number = 8; number <= MOST_POINTS; number++) timeline.send(number);
  timeline.reply(2, 100);
  expect(timeline.points()[1]).toEqual({
    at: 2,
    sent: 2,
    received: 2,
    min: 100,
    mean: 300,
    max: 500,
    lost: 0,
    corrupt: 0,
    delayed: 0,
    copies: 1,
    overtaken: 1,
  });
});

test("a reply to what was not sent is a mistake of ours", () => {
  const timeline = new Timeline();
  timeline.send(0);
  expect(() => timeline.reply(1, 10)).toThrow("not sent");
});

test("of any run, in any order: every datagram is in one point, with its fate; extremes and sums are kept", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5 * MOST_POINTS }),
      fc.integer(),
      fc.integer({ min: 1, max: 40 }),
      (count, seed, most) => {
        const random = randomFrom(seed);
        const fates = Array.from({ length: count }, () => FATES[Math.floor(random() * 4)] ?? "lost");
        const trips = new Map<number, number>();
        const timeline = new Timeline();
        let waiting: number[] = [];
        const answer = (): void => {
          for (const number of waiting.sort(() => random() - 0.5)) {
            if (random() < 0.1) timeline.copy(number);
            if (random() < 0.1) timeline.overtaken(number);
            if (fates[number] !== "received") continue;
            const rtt = Math.floor(random() * 1e6);
            trips.set(number, rtt);
            timeline.reply(number, rtt);
          }
          waiting = [];
        };
        for (let number = 0; number < count; number++) {
          timeline.send(number * 7);
          waiting.push(number);
          if (random() < 0.01) answer();
        }
        answer();
        const points = timeline.points((number) => fates[number] ?? "lost");
        expect(points.length).toBeLessThanOrEqual(MOST_POINTS);
        for (const row of [points, coarser(points, most)]) {
          expect(sum(row, "sent")).toBe(count);
          for (const fate of FATES) {
            expect(sum(row, fate)).toBe(fates.filter((one) => one === fate).length);
          }
          const times = [...trips.values()];
          expect(Math.min(...known(row, "min"))).toBe(Math.min(...times));
          expect(Math.max(...known(row, "max"))).toBe(Math.max(...times));
          const total = row.reduce((all, { mean, received }) => all + (mean ?? 0) * received, 0);
          expect(Math.abs(total - times.reduce((all, one) => all + one, 0))).toBeLessThan(1);
        }
        expect(coarser(points, most).length).toBeLessThanOrEqual(most);
        for (const [place, point] of points.entries()) {
          const first = place * timeline.width;
          const own = [...trips].filter(([number]) => Math.floor(number / timeline.width) === place);
          expect(point.at).toBe(first * 7);
          expect(point.max).toBe(own.length === 0 ? null : Math.max(...own.map(([, rtt]) => rtt)));
          if (place > 20) break;
        }
      },
    ),
    { numRuns: 40 },
  );
});
