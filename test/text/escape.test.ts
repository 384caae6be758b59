import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { escapeBytes, escapeForDisplay } from "../../src/text/escape.ts";

const cases: [string, string][] = [
  ["", ""],
  ["plain text, café, 你好, 😀", "plain text, café, 你好, 😀"],
  ["\x1b[2J", "\\x1b[2J"],
  ["\x1b]52;c;AAAA\x07", "\\x1b]52;c;AAAA\\x07"],
  ["a\r\nb\tc\0", "a\\x0d\\x0ab\\x09c\\x00"],
  ["\x7f\x80\x9b\x9f\xa0", "\\x7f\\x80\\x9b\\x9f\xa0"],
  ["\u202egnp.exe", "\\u202egnp.exe"],
  ["\u061c\u200e\u200f\u202a\u2066\u2069\u206a", "\\u061c\\u200e\\u200f\\u202a\\u2066\\u2069\u206a"],
  ["\u2028\u2029", "\\u2028\\u2029"],
  ["\ud800 \udc00 \ud83d\ude00", "\\ud800 \\udc00 \ud83d\ude00"],
  ["C:\\temp\\new", "C:\\temp\\new"],
  ["C:\\temp\n", "C:\\\\temp\\x0a"],
  ["\\x1b", "\\\\x1b"],
  ["\\u202e", "\\\\u202e"],
  ["\\x1", "\\x1"],
  ["\\\\x1b", "\\\\\\\\x1b"],
];
for (const [text, shown] of cases) {
  test(JSON.stringify(text), () => expect(escapeForDisplay(text)).toBe(shown));
}

test("bytes in no known charset", () => {
  expect(escapeBytes(Buffer.from([0xc4, 0xe3, 0x2e, 0x74, 0x1b, 0x5c, 0x7f, 0x20]))).toBe(
    "\\xc4\\xe3.t\\x1b\\\\\\x7f ",
  );
});

const anything = fc.string({
  unit: fc.oneof(
    fc.constantFrom("\\", "x", "u", "1", "b", "\x1b", "\u202e", "\ud800", "\udc00", "0"),
    fc.string({ unit: "binary", maxLength: 1 }),
  ),
});

test("what is shown gives the text back, so no two texts look the same", () => {
  const escaped = /\\(?:x[0-9a-f]{2}|u[0-9a-f]{4})/;
  const unescape = (shown: string) =>
    escaped.test(shown)
      ? shown.replace(/\\(?:(\\)|x([0-9a-f]{2})|u([0-9a-f]{4}))/g, (_, backslash, two, four) =>
          backslash === undefined ? String.fromCharCode(Number.parseInt(two ?? four, 16)) : "\\",
        )
      : shown;
  fc.assert(
    fc.property(anything, (text) => {
      expect(unescape(escapeForDisplay(text))).toBe(text);
    }),
    { numRuns: 2000 },
  );
});

test("nothing that a terminal would act on is left", () => {
  fc.assert(
    fc.property(anything, (text) => {
      const shown = escapeForDisplay(text);
      expect(shown.isWellFormed()).toBe(true);
      for (const character of shown) expect(isHostile(character.codePointAt(0) ?? 0)).toBe(false);
    }),
    { numRuns: 2000 },
  );
  for (let unit = 0; unit <= 0xffff; unit++) {
    const character = String.fromCharCode(unit);
    expect(escapeForDisplay(character) !== character).toBe(isHostile(unit));
  }
});

function isHostile(point: number): boolean {
  const between = (low: number, high: number) => point >= low && point <= high;
  return (
    between(0, 0x1f) ||
    between(0x7f, 0x9f) ||
    between(0x2028, 0x202e) ||
    between(0x2066, 0x2069) ||
    between(0xd800, 0xdfff) ||
    [0x61c, 0x200e, 0x200f].includes(point)
  );
}
