import { expect, test } from "bun:test";
import { crc32 } from "../../src/protocol/crc32.ts";

const check = new TextEncoder().encode("123456789");

test("the check value of CRC-32/ISO-HDLC", () => {
  expect(crc32(check)).toBe(0xcbf43926);
});

test("no bytes, and bytes in two parts", () => {
  expect(crc32(new Uint8Array(0))).toBe(0);
  for (let cut = 0; cut <= check.length; cut++) {
    expect(crc32(check.subarray(cut), crc32(check.subarray(0, cut)))).toBe(0xcbf43926);
  }
});

test("the same as zlib's", () => {
  for (let length = 1; length < 600; length += 37) {
    const bytes = new Uint8Array(length).map((_, at) => at * 131 + length);
    expect(crc32(bytes)).toBe(Bun.hash.crc32(bytes));
  }
});
