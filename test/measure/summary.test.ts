import { expect, test } from "bun:test";
import { percent } from "../../src/measure/summary.ts";

test.each<[part: number, whole: number, expected: number | null]>([
  [0, 0, null],
  [0, 7, 0],
  [7, 7, 100],
  [1, 3, 33.3333],
  [1, 200, 0.5],
])("%p of %p: %p", (part, whole, expected) => {
  expect(percent(part, whole)).toBe(expected);
});

test("little is not nothing, and nearly all is not all", () => {
  expect(percent(1, 100_000_000)).toBeCloseTo(1e-6, 9);
  expect(percent(99_999_999, 100_000_000)).toBeLessThan(100);
});
