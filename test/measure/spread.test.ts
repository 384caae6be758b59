import { expect, test } from "bun:test";
import fc from "fast-check";
import { Histogram } from "../../src/measure/histogram.ts";
import { Samples } from "../../src/measure/samples.ts";
import { spreadOf } from "../../src/measure/spread.ts";

function samplesOf(values: Iterable<number>): Samples {
  const samples = new Samples();
  for (const value of values) samples.record(value);
  return samples;
}

function total(counts: readonly number[]): number {
  return counts.reduce((all, one) => all + one, 0);
}

test("nothing has no bins; one value has one bin of many that is not empty", () => {
  expect(spreadOf(new Samples())).toEqual({ limits: [], counts: [] });
  const { limits, counts } = spreadOf(samplesOf([500]));
  expect(counts).toEqual([1, ...Array.from({ length: counts.length - 1 }, () => 0)]);
  expect(limits[0]).toBe(500);
});

test("each value lies in the bin that its limits say", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1e10), { minLength: 1, maxLength: 500 }), (values) => {
      const { limits, counts } = spreadOf(samplesOf(values));
      expect(limits).toHaveLength(counts.length + 1);
      const last = counts.length - 1;
      for (const [bin, count] of counts.entries()) {
        const [from, to] = [limits[bin] ?? 0, limits[bin + 1] ?? 0];
        expect(to).toBeGreaterThan(from);
        const inside = values.filter(
          (value) => (value >= from || bin === 0) && (value < to || (bin === last && value <= to)),
        );
        expect(count).toBe(inside.length);
      }
      expect(total(counts)).toBe(values.length);
    }),
  );
});

test("beyond a million samples they come from the histogram, none is lost, and the bins are few", () => {
  const count = 2 ** 20 + 5000;
  const samples = samplesOf(
    (function* () {
      for (let at = 1; at <= count; at++) yield at * 1000;
    })(),
  );
  const { limits, counts } = spreadOf(samples);
  expect(counts.length).toBeLessThan(100);
  expect(total(counts)).toBe(count);
  // evenly spread values: the top bin holds what lies between its limits, less what a bucket's width blurs
  const [from, to] = [limits.at(-2) ?? 0, limits.at(-1) ?? 0];
  expect(Math.abs((counts.at(-1) ?? 0) / ((to - from) / 1000) - 1)).toBeLessThan(0.02);
});

test("a histogram's values below limits: exact where each has a bucket, never more than there are", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2 ** 40)), fc.array(fc.nat(2 ** 40), { maxLength: 20 }), (values, marks) => {
      const histogram = new Histogram();
      for (const value of values) histogram.record(value);
      const limits = marks.toSorted((a, b) => a - b);
      for (const [at, below] of histogram.below(limits).entries()) {
        const limit = limits[at] ?? 0;
        expect(below).toBeLessThanOrEqual(values.filter((value) => value < limit).length);
        expect(below).toBeGreaterThanOrEqual(values.filter((value) => value < limit * (1 - 1 / 1024)).length);
      }
    }),
  );
  const small = new Histogram();
  for (const value of [1, 5, 5, 9]) small.record(value);
  expect(small.below([1, 2, 5, 6, 100])).toEqual([0, 1, 1, 3, 4]);
});
