import { describe, expect, test } from "bun:test";
import { type Escape, Keys } from "../../src/cli/keys.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What goes on, as text, and the words for us as `<word>`, in their order. */
function read(keys: Keys, pieces: readonly string[]): string {
  const parts = pieces.flatMap((piece) => keys.feed(encoder.encode(piece)));
  return parts
    .map((part: Uint8Array | Escape) => (typeof part === "string" ? `<${part}>` : decoder.decode(part)))
    .join("");
}

const CASES: [typed: string, seen: string][] = [
  ["", ""],
  ["ls\r", "ls\r"],
  ["~.", "<end>"],
  ["~d", "<stay>"],
  ["~?", "<help>"],
  ["~\x1a", "<suspend>"],
  ["~~", "~"],
  ["~~.", "~."],
  ["~~~.", "~~."],
  ["a~.", "a~."],
  ["a\r~.", "a\r<end>"],
  ["a\n~.", "a\n<end>"],
  ["a\r\n~.", "a\r\n<end>"],
  ["~x", "~x"],
  ["~x~.", "~x~."],
  ["~\r~.", "~\r<end>"],
  ["~\r", "~\r"],
  ["~?~?", "<help><help>"],
  ["~?~.", "<help><end>"],
  ["~?a~.", "<help>a~."],
  ["\r~", "\r"],
  ["~é", "~é"],
  ["你~.", "你~."],
  ["\x03~.", "\x03~."],
  ["x\r~~ y\r~d", "x\r~ y\r<stay>"],
];

describe("~ after a newline", () => {
  for (const [typed, seen] of CASES) {
    test(`${JSON.stringify(typed)} is ${JSON.stringify(seen)}, however it is cut`, () => {
      expect(read(new Keys(), [typed])).toBe(seen);
      expect(read(new Keys(), [...typed])).toBe(seen);
      for (let at = 1; at < typed.length; at++) {
        expect(read(new Keys(), [typed.slice(0, at), typed.slice(at)])).toBe(seen);
      }
    });
  }

  test("what was held back comes with the next key", () => {
    const keys = new Keys();
    expect(read(keys, ["~"])).toBe("");
    expect(read(keys, ["l"])).toBe("~l");
  });

  test("long input goes on in one piece", () => {
    const bytes = encoder.encode("x".repeat(100_000));
    expect(new Keys().feed(bytes)).toEqual([bytes]);
  });
});
