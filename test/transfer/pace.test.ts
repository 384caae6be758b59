import { afterEach, expect, spyOn, test } from "bun:test";
import { Pace } from "../../src/transfer/pace.ts";

const clock = { now: 0 };
const spy = spyOn(performance, "now").mockImplementation(() => clock.now);
afterEach(() => {
  spy.mockRestore();
});

const over = (): boolean => true;

test("a pause that was too long is made up for, but not an idle time", () => {
  const pace = new Pace(1_000_000);
  expect(pace.took(10_000, over)).toBeInstanceOf(Promise);
  // 20 ms late: what takes 20 ms need not wait
  clock.now += 30;
  expect(pace.took(20_000, over)).toBeUndefined();
  expect(pace.took(10_000, over)).toBeInstanceOf(Promise);
  clock.now += 60_000;
  expect(pace.took(100_000, over)).toBeUndefined();
  expect(pace.took(10_000, over)).toBeInstanceOf(Promise);
});
