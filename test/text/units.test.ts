import { describe, expect, test } from "bun:test";
import { SockError } from "../../src/errors.ts";
import { formatBytes, formatDuration, formatRate, parseBytes, parseDuration } from "../../src/text/units.ts";

function code(action: () => unknown): string {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof SockError) return thrown.code;
    throw thrown;
  }
  return "none";
}

test("bytes as text", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [1, "1 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [9_949, "9.9 kB"],
    [9_951, "10 kB"],
    [412_000_000, "412 MB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [1_500_000_000, "1.5 GB"],
    [5 * 10 ** 18, "5000 PB"],
  ];
  for (const [bytes, text] of cases) expect(formatBytes(bytes)).toBe(text);
  expect(formatRate(98_000_000)).toBe("98 MB/s");
  expect(formatRate(0.4)).toBe("0 B/s");
  expect(formatRate(1 / 0)).toBe("- B/s");
  expect(formatRate(0 / 0)).toBe("- B/s");
});

test("durations as text", () => {
  const cases: [number, string][] = [
    [0, "0 ms"],
    [180, "180 ms"],
    [999.4, "999 ms"],
    [999.6, "1.0 s"],
    [4_200, "4.2 s"],
    [42_400, "42 s"],
    [59_499, "59 s"],
    [59_500, "1 min"],
    [192_000, "3 min 12 s"],
    [3_599_499, "59 min 59 s"],
    [3_599_500, "1 h"],
    [7_500_000, "2 h 5 min"],
    [86_399_999, "1 d"],
    [608_400_000, "7 d 1 h"],
  ];
  for (const [ms, text] of cases) expect(formatDuration(ms)).toBe(text);
});

describe("bytes read", () => {
  const good: [string, number][] = [
    ["0", 0],
    ["64", 64],
    ["64B", 64],
    ["10k", 10_000],
    ["10K", 10_000],
    ["10kB", 10_000],
    ["4KiB", 4096],
    ["4Ki", 4096],
    ["1.5MB", 1_500_000],
    ["1.5MiB", 1_572_864],
    ["1.1k", 1100],
    ["0.000000001GB", 1],
    ["2 GB", 2e9],
    [" 7 ", 7],
    ["1TiB", 2 ** 40],
  ];
  for (const [text, bytes] of good) test(text, () => expect(parseBytes(text)).toBe(bytes));

  const bad = [
    "",
    "k",
    "-1",
    "+1",
    "1.5",
    "1.0001k",
    "1e3",
    "1 000",
    "1,5MB",
    "0x10",
    "10kb/s",
    "1.",
    ".5k",
    "8PiB",
    "9999999999999999P",
    "4KiBi",
    "10 k b",
    "１",
    "Infinity",
  ];
  for (const text of bad)
    test(`${text || "nothing"} is refused`, () => expect(code(() => parseBytes(text))).toBe("usage"));
});

describe("durations read", () => {
  const good: [string, number][] = [
    ["0", 0],
    ["200ms", 200],
    ["0.5ms", 0.5],
    ["250us", 0.25],
    ["250µs", 0.25],
    ["1.1s", 1100],
    ["30s", 30_000],
    ["30 S", 30_000],
    ["2 min", 120_000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["7d", 604_800_000],
  ];
  for (const [text, ms] of good) test(text, () => expect(parseDuration(text)).toBe(ms));

  const bad = ["", "30", "s", "-1s", "1e3s", "1h30m", "1 hour", "1,5s", "1.s", "999999999999d", "5 months"];
  for (const text of bad)
    test(`${text || "nothing"} is refused`, () => expect(code(() => parseDuration(text))).toBe("usage"));
});
