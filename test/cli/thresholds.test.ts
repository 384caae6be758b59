import { expect, test } from "bun:test";
import { shown, thresholdLines } from "../../src/cli/thresholds.ts";

test("shares have no more digits than are worth reading, and small ones keep theirs", () => {
  expect([10.333_333, 0.001, 100, 0].map((value) => shown(value, "%"))).toEqual([
    "10.33 %",
    "0.001 %",
    "100 %",
    "0 %",
  ]);
});

test("why a p99.9 is unknown is said, others are unknown without any reply", () => {
  const unknown = (name: string) => thresholdLines([{ name, limit: 1000, value: null, unit: "us" }]);
  expect(unknown("max-p99.9")).toEqual(["MISSED  max-p99.9  1.00 ms  unknown: needs 1,000 round trips"]);
  expect(unknown("max-p99")).toEqual(["MISSED  max-p99  1.00 ms  unknown"]);
});
