import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeBase62, encodeBase62 } from "../../src/protocol/base62.ts";

test("every byte string has one text, and every text one byte string", () => {
  const zeros = fc.array(fc.constant(0), { maxLength: 4 });
  const bytes = fc
    .tuple(zeros, fc.uint8Array({ maxLength: 80 }))
    .map(([head, tail]) => Uint8Array.from([...head, ...tail]));
  fc.assert(
    fc.property(bytes, (value) => {
      expect(decodeBase62(encodeBase62(value))).toEqual(value);
    }),
  );
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9A-Za-z]{0,80}$/), (text) => {
      expect(encodeBase62(decodeBase62(text) ?? new Uint8Array(0))).toBe(text);
    }),
  );
});

test("known values", () => {
  expect(encodeBase62(Uint8Array.of())).toBe("");
  expect(encodeBase62(Uint8Array.of(0, 0))).toBe("00");
  expect(encodeBase62(Uint8Array.of(61))).toBe("z");
  expect(encodeBase62(Uint8Array.of(62))).toBe("10");
  expect(encodeBase62(Uint8Array.of(1, 0))).toBe("48");
  expect(decodeBase62("a-b")).toBeUndefined();
  expect(decodeBase62("ä")).toBeUndefined();
});
