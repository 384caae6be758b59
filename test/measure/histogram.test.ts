import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { SockError } from "../../src/errors.ts";
import { Histogram } from "../../src/measure/histogram.ts";

const PERCENTS = [0, 0.1, 1, 25, 50, 90, 99, 99.9, 100];

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

/** Nearest rank by its definition, in whole numbers: percents come in tenths. */
function nearestRank(values: readonly number[], percent: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (BigInt(Math.round(percent * 10)) * BigInt(sorted.length) + 999n) / 1000n;
  return sorted[Math.max(0, Number(rank) - 1)];
}

test("nothing recorded", () => {
  const empty = new Histogram();
  expect([empty.count, empty.min, empty.max, empty.mean, empty.percentile(50)]).toEqual([
    0,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("small values are exact", () => {
  const values = Array.from({ length: 1000 }, (_, index) => index + 1);
  const histogram = histogramOf(values);
  for (const percent of PERCENTS)
    expect(histogram.percentile(percent)).toBe(nearestRank(values, percent) ?? -1);
  expect(histogram.percentile(99.9)).toBe(999);
  expect([histogram.count, histogram.min, histogram.max, histogram.mean]).toEqual([1000, 1, 1000, 500.5]);
});

test("a product that floating point puts above a whole number is that number", () => {
  const histogram = histogramOf(Array.from({ length: 41_000 }, (_, index) => index + 1));
  expect(histogram.percentile(99.9)).toBe(40_959); // the last of its bucket
});

test("each value is kept to three digits, never below itself", () => {
  const around = Array.from({ length: 53 }, (_, bit) => [2 ** bit - 1, 2 ** bit, 2 ** bit + 1]).flat();
  for (const value of around.filter((each) => each < 2 ** 43)) {
    // The higher one keeps the maximum from answering for the bucket.
    const found = histogramOf([value, value, 2 ** 50]).percentile(60) ?? -1;
    expect(found).toBeGreaterThanOrEqual(value);
    expect(found - value).toBeLessThanOrEqual(value / 1024);
  }
});

test("percentiles, extremes and mean of any values", () => {
  const value = fc.oneof(
    fc.integer({ min: 0, max: 5000 }),
    fc.integer({ min: 0, max: 2 ** 42 }),
    fc.integer({ min: 2 ** 31, max: 2 ** 33 }),
  );
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 200 }), (values) => {
      const histogram = histogramOf(values);
      for (const percent of PERCENTS) {
        const exact = nearestRank(values, percent) ?? -1;
        const found = histogram.percentile(percent) ?? -1;
        expect(found).toBeGreaterThanOrEqual(exact);
        expect(found - exact).toBeLessThanOrEqual(exact / 1024);
      }
      expect(histogram.min).toBe(Math.min(...values));
      expect(histogram.max).toBe(Math.max(...values));
      expect(histogram.mean).toBeCloseTo(values.reduce((sum, each) => sum + each, 0) / values.length, 3);
    }),
  );
});

test("merged is the same as recorded together", () => {
  const one = [5, 70_000, 2 ** 35];
  const two = [1, 70_001, 2 ** 50];
  const merged = histogramOf(one);
  merged.merge(histogramOf(two));
  merged.merge(new Histogram());
  const together = histogramOf([...one, ...two]);
  for (const percent of PERCENTS) expect(merged.percentile(percent)).toBe(together.percentile(percent) ?? -1);
  expect([merged.count, merged.min, merged.max, merged.mean]).toEqual([6, 1, 2 ** 50, together.mean]);
});

test("values beyond the last bucket count, and the maximum stays exact", () => {
  const histogram = histogramOf([1, 2 ** 44, Number.MAX_SAFE_INTEGER]);
  expect(histogram.percentile(100)).toBe(Number.MAX_SAFE_INTEGER);
  expect(histogram.count).toBe(3);
});

test("a fraction is dropped; what is no such value is refused and not counted", () => {
  const histogram = histogramOf([1.9]);
  expect(histogram.max).toBe(1);
  for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    expect(() => histogram.record(value)).toThrow(SockError);
  }
  expect(histogram.count).toBe(1);
});
