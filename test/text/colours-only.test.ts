import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ColoursOnly } from "../../src/text/colours-only.ts";
import { allCuts } from "./streams.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What is left of these chunks; also that none is changed. */
function left(chunks: readonly Uint8Array[]): string {
  const filter = new ColoursOnly();
  const out = chunks.map((chunk) => {
    const given = chunk.slice();
    const passed = filter.push(given).slice();
    expect(Buffer.compare(given, chunk)).toBe(0);
    return passed;
  });
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat([...out, filter.end()]));
}

const RED = "\x1b[31m";
const OFF = "\x1b[0m";

/** What it is, what the program prints, what is left. */
const CASES: [why: string, printed: string, passed: string][] = [
  ["text, line ends, tabs and backspace", "a\tb\r\nc\bd é 中文 😀 — ’", "a\tb\r\nc\bd é 中文 😀 — ’"],
  [
    "colours",
    `${RED}a${OFF}b\x1b[1;38;2;1;2;3mc\x1b[4:3md\x1b[m`,
    `${RED}a${OFF}b\x1b[1;38;2;1;2;3mc\x1b[4:3md\x1b[m`,
  ],
  ["a colour that is left on goes off at the end", `${RED}a`, `${RED}a${OFF}`],
  ["cursor, erase, scroll", "a\x1b[2J\x1b[H\x1b[10;20Hb\x1b[K\x1b[3A\x1b[Sc", "abc"],
  ["modes: the other screen, mouse, paste", "a\x1b[?1049h\x1b[?1000h\x1b[?2004hb\x1b[!pc", "abc"],
  ["what only looks like a colour", "a\x1b[>4;2mb\x1b[?4mc\x1b[1 md", "abcd"],
  ["questions that a terminal answers", "a\x1b[6n\x1b[c\x1b[>q\x1bZ\x05b", "ab"],
  ["title by BEL and by ST", "a\x1b]0;title\x07b\x1b]2;title\x1b\\c", "abc"],
  ["clipboard", "a\x1b]52;c;cm0gLXJm\x07b", "ab"],
  ["links: their text stays", "a\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\b", "alinkb"],
  [
    "device control, message, command, string",
    "a\x1bPq#0\x1b\\b\x1b^x\x1b\\c\x1b_y\x1b\\d\x1bXz\x1b\\e",
    "abcde",
  ],
  ["character sets, save and restore, reset", "a\x1b(0\x1b7b\x1b8\x1bcc\x1b#8d\x1b%Ge", "abcde"],
  ["bell, shift out, NUL, DEL, vertical tab, form feed", "a\x07b\x0e\x0fc\0d\x7fe\v\ff", "abcdef"],
  ["C1: CSI, OSC, NEL", "a\u009b2Jb\u009d0;t\x07c\u0085d\u009b31me", `abcd${RED}e${OFF}`],
  ["writing directions turned", "a\u202eb\u2066c\u2069d\u202ce", "abcde"],
  ["a sequence within another", `a\x1b[3\x1b[2Jb\x1b]0;t\x1b[31mc`, `ab${RED}c${OFF}`],
  ["CAN and SUB end one", "a\x1b[3\x18b\x1b]0;t\x1ac", "abc"],
  ["controls within one", "a\x1b[3\r1mb", `a\r${RED}b${OFF}`],
  ["no more than a line is lost to one that has no end", "a\x1b]0;t\nb\x1b[1;\nc\x1bP\nd", "a\nb\nc\nd"],
  ["a character ends one", "a\x1b[1é\x1b中b", "aé中b"],
  ["cut off by the end", "a\x1b[3", "a"],
  ["too long for a colour", `a\x1b[${"1;".repeat(40)}mb`, "ab"],
];

describe("each kind of sequence, whole, cut once and twice anywhere, byte by byte", () => {
  for (const [why, printed, passed] of CASES) {
    test(why, () => {
      const bytes = bytesOf(printed);
      expect(left([bytes])).toBe(passed);
      for (const chunks of allCuts(bytes)) expect(left(chunks)).toBe(passed);
    });
  }
});

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const COLOUR = /\x1b\[[0-9:;]*m/g;
// oxlint-disable-next-line no-control-regex -- the same
const OTHERS = /[\0-\x07\x0b\x0c\x0e-\x1f\x7f-\u009f\u202a-\u202e\u2066-\u2069]/;

test("of any bytes only text and colours are left, every line end, and cuts change nothing", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "\x1b",
      "[",
      "]",
      "3",
      ";",
      "m",
      "H",
      "\n",
      "\x07",
      "\x1b[31m",
      "\u009b",
      "\u202e",
      "中",
      "é",
      "x",
      "?",
    ),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 40 }),
      fc.array(fc.nat({ max: 200 }), { maxLength: 4 }),
      (pieces, cuts) => {
        const bytes = bytesOf(pieces.join(""));
        const whole = left([bytes]);
        expect(whole.replace(COLOUR, "")).not.toMatch(OTHERS);
        expect(whole.split("\n").length).toBe(pieces.join("").split("\n").length);
        const at = [
          0,
          ...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b),
          bytes.length,
        ];
        expect(left(at.slice(1).map((end, index) => bytes.subarray(at[index], end)))).toBe(whole);
      },
    ),
    { numRuns: 4000 },
  );
});
