import { expect, test } from "bun:test";
import { Progress } from "../../src/cli/progress.ts";
import type { Ui } from "../../src/cli/ui.ts";

function recorder() {
  const frames: string[] = [];
  let cleared = 0;
  const ui = { live: (line: string) => frames.push(line), clearLive: () => (cleared += 1) };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the two methods that Progress calls
  return { ui: ui as unknown as Ui, frames, cleared: () => cleared };
}

test("what is done at once shows nothing", () => {
  const { ui, frames } = recorder();
  const progress = new Progress(ui, "a", 100, () => 0);
  progress.update(100);
  progress.done();
  expect(frames).toEqual([]);
});

test("frames are throttled and tell the time left", () => {
  const { ui, frames, cleared } = recorder();
  let now = 0;
  const progress = new Progress(ui, "a", 10_000_000, () => now);
  for (; now < 1000; now += 1) progress.update(now * 1000); // 1 MB/s
  progress.done();
  expect(frames.length).toBeGreaterThanOrEqual(6);
  expect(frames.length).toBeLessThanOrEqual(10);
  expect(frames.at(-1)).toMatch(/^a .* 9 % .*1\.0 MB\/s .*9\.\d s left/);
  expect(cleared()).toBe(1);
});

test("an unknown total has no share and no time left", () => {
  const { ui, frames } = recorder();
  let now = 0;
  const progress = new Progress(ui, "a", null, () => now);
  now = 500;
  progress.update(5000);
  expect(frames).toEqual(["a  5.0 kB  10 kB/s"]);
});

test("what is not bytes has a rate that is not bytes either", () => {
  const { ui, frames } = recorder();
  let now = 0;
  const progress = new Progress(ui, "a", null, () => now, String);
  now = 500;
  progress.update(10_001);
  expect(frames).toEqual(["a  10001  20002/s"]);
});
