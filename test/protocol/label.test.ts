import { expect, test } from "bun:test";
import fc from "fast-check";
import { MAX_LABEL_CHARS } from "../../src/protocol/constants.ts";
import { numbered, parseLabel, toLabel } from "../../src/protocol/label.ts";
import { codeOf } from "../helpers/codes.ts";

test("whatever a peer calls itself becomes a name that its owner could have typed", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string({ unit: "binary" }),
        fc.constantFrom("..", "a/../b", "NUL", "com1.x", "local"),
      ),
      (text) => {
        const label = toLabel(text, "server");
        expect(parseLabel(label)).toBe(label);
        expect(toLabel(label, "server")).toBe(label);
      },
    ),
  );
});

test.each([
  "",
  "w",
  "local",
  "FILE",
  "con",
  "lpt1.json",
  "-x",
  ".x",
  "x.",
  "a b",
  "a/b",
  "a:b",
  "ä1",
  "x".repeat(64),
])("%p is refused", (text) => {
  expect(codeOf(() => parseLabel(text))).toBe("usage");
});

test.each([
  ["Kai-Laptop", "kai-laptop"],
  ["  web1 ", "web1"],
  ["locals", "locals"],
  ["a..b", "a..b"],
  ["x".repeat(63), "x".repeat(63)],
])("%p is fine", (text, label) => {
  expect(parseLabel(text)).toBe(label);
});

test("numbered names are names, however long the first", () => {
  const names = numbered("x".repeat(MAX_LABEL_CHARS));
  const first = Array.from({ length: 12 }, () => names.next().value ?? "");
  expect(new Set(first).size).toBe(12);
  for (const name of first) expect(parseLabel(name)).toBe(name);
});
