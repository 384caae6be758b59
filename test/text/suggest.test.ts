import { expect, test } from "bun:test";
import fc from "fast-check";
import { editDistance, nearest } from "../../src/text/suggest.ts";

test("distances", () => {
  expect(editDistance("", "abc")).toBe(3);
  expect(editDistance("kitten", "sitting")).toBe(3);
  expect(editDistance("hlep", "help")).toBe(1);
});

test("a distance is symmetric and 0 only for equals", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      return distance === editDistance(b, a) && (distance === 0) === (a === b);
    }),
  );
});

test("only what is near is suggested", () => {
  const commands = ["serve", "put", "get", "hosts"];
  expect(nearest("sevre", commands)).toBe("serve");
  expect(nearest("putt", commands)).toBe("put");
  expect(nearest("xyz", commands)).toBeUndefined();
});
