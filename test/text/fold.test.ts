import { describe, expect, test } from "bun:test";
import { fold } from "../../src/text/fold.ts";

describe("fold", () => {
  const LINES: [string, string[]][] = [
    ["", [""]],
    ["one two", ["one two"]],
    ["one two three", ["one two", "three"]],
    ["a-word-that-is-longer one", ["a-word-that-is-longer", "one"]],
    ["one a-word-that-is-longer", ["one", "a-word-that-is-longer"]],
    ["a   b", ["a   b"]],
  ];
  for (const [text, lines] of LINES) {
    test(JSON.stringify(text), () => expect(fold(text, 7)).toEqual(lines));
  }
});
