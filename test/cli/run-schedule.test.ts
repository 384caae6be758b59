import { describe, expect, test } from "bun:test";
import { scheduleOf, type ScheduleValues } from "../../src/cli/run-schedule.ts";

const LIMITS = { count: 100, intervalMs: 10, minIntervalNs: 5000, maxCount: 1e8, what: "datagrams" };
const NONE = {
  count: undefined,
  duration: undefined,
  interval: undefined,
  rate: undefined,
  warmup: undefined,
};

function count(given: Partial<ScheduleValues>): number | undefined {
  return scheduleOf({ ...NONE, ...given }, LIMITS).count;
}

describe("how many fit into a time", () => {
  test.each([
    [1, 3, 3],
    [1, 7, 7],
    [0.1, 30, 3],
    [10, 30_000, 300_000],
    [16.1, 100, 1610],
    [0.25, 3, 1],
  ])("%p s at %p a second: %p", (seconds, rate, expected) => {
    expect(count({ duration: seconds * 1000, rate })).toBe(expected);
  });

  test.each([
    [1000, 10, 100],
    [16.1 * 1000, 10, 1610],
    [1005, 10, 101],
    [0.001, 3_600_000, 1],
  ])("%p ms, one every %p ms: %p", (duration, interval, expected) => {
    expect(count({ duration, interval })).toBe(expected);
  });
});
