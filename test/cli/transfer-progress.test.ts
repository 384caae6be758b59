import { expect, test } from "bun:test";
import { TransferProgress } from "../../src/cli/transfer-progress.ts";
import type { Ui } from "../../src/cli/ui.ts";
import { SockError } from "../../src/errors.ts";

function recorder(terminal: boolean) {
  const lines: string[] = [];
  const frames: string[] = [];
  const ui = {
    terminal,
    report: (line: string) => lines.push(line),
    info: (line: string) => lines.push(line),
    live: (line: string) => frames.push(line),
    clearLive: () => undefined,
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what TransferProgress calls
  return { ui: ui as unknown as Ui, lines, frames };
}

/** 1 MB/s for so many seconds, in steps of 100 ms. */
function move(progress: TransferProgress, clock: { now: number }, seconds: number, files = 0): void {
  for (let step = 0; step < seconds * 10; step++) {
    clock.now += 100;
    progress.update(100_000, "a.bin", files);
  }
}

test("without a terminal: a line each 10 s, with what, how much, how fast", () => {
  const { ui, lines } = recorder(false);
  const clock = { now: 0 };
  const progress = new TransferProgress(ui, 100_000_000, () => clock.now);
  move(progress, clock, 9.9);
  expect(lines).toEqual([]);
  move(progress, clock, 25);
  expect(lines).toEqual([
    "a.bin  10 MB of 100 MB, 1.0 MB/s",
    "a.bin  20 MB of 100 MB, 1.0 MB/s",
    "a.bin  30 MB of 100 MB, 1.0 MB/s",
  ]);
  progress.done();
});

test("of many files: how many are done; on a terminal no lines", () => {
  const { ui, lines } = recorder(false);
  const clock = { now: 0 };
  move(new TransferProgress(ui, null, () => clock.now), clock, 10, 7);
  expect(lines).toEqual(["7 files  a.bin  10 MB, 1.0 MB/s"]);
  const other = recorder(true);
  move(new TransferProgress(other.ui, null, () => clock.now), clock, 30);
  expect(other.lines).toEqual([]);
  expect(other.frames.length).toBeGreaterThan(10);
});

test("what was there already counts for the share, not for the rate", () => {
  const { ui, lines, frames } = recorder(false);
  const clock = { now: 0 };
  const progress = new TransferProgress(ui, null, () => clock.now);
  progress.begin(100_000_000);
  progress.goOn(60_000_000);
  move(progress, clock, 10);
  expect(lines).toEqual(["goes on at 60 MB of 100 MB", "a.bin  70 MB of 100 MB, 1.0 MB/s"]);
  expect(progress.there).toBe(60_000_000);
  expect(frames.at(-1)).toMatch(/ 7\d % .* 1\.0 MB\/s /);
});

test("where a signal stopped it", () => {
  const { ui } = recorder(false);
  const stopped = (
    code: "interrupted" | "timeout",
    total: number | null,
    bytes: number,
    files: number,
  ): unknown => {
    const progress = new TransferProgress(ui, total, () => 0);
    if (bytes > 0) progress.update(bytes, "a", files);
    return progress.stopped("thrown", AbortSignal.abort(new SockError(code, "stopped")), files, "go on");
  };
  expect(stopped("interrupted", 100, 63, 0)).toMatchObject({
    code: "interrupted",
    message: "stopped at 63 % of 100 B; go on",
  });
  expect(stopped("interrupted", 100, 100, 0)).toMatchObject({ message: "stopped at 99 % of 100 B; go on" });
  expect(stopped("interrupted", null, 5000, 1)).toMatchObject({
    message: "stopped after 1 file, 5.0 kB; go on",
  });
  expect(stopped("interrupted", null, 0, 0)).toBe("thrown");
  expect(stopped("timeout", 100, 63, 0)).toMatchObject({
    code: "timeout",
    message: "stopped at 63 % of 100 B",
    hint: "go on",
  });
  expect(stopped("timeout", 100, 0, 0)).toBe("thrown");
  expect(new TransferProgress(ui, 1).stopped("thrown", new AbortController().signal, 3, "go on")).toBe(
    "thrown",
  );
});
