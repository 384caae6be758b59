import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeText, textEncoding } from "../../src/text/encoder.ts";
import { decoderOf, encodingName } from "../../src/text/encoding.ts";

const read = (bytes: Uint8Array, encoding: string): string | undefined => decoderOf(encoding)?.decode(bytes);

describe("known bytes", () => {
  const CASES: [text: string, encoding: string, hex: string][] = [
    ["中文\r\n", "gbk", "d6d0cec40d0a"],
    ["中文", "gb18030", "d6d0cec4"],
    ["€", "gbk", "80"],
    ["€", "gb18030", "a2e3"],
    ["😀", "gb18030", "9439fc36"],
    ["😀é\0", "gbk", "3fa8a600"],
    ["ï", "gb18030", "81308a37"],
    ["ï", "gbk", "3f"],
    ["　", "gbk", "a1a1"],
    ["中", "utf-16le", "2d4e"],
    ["中😀", "utf-16be", "4e2dd83dde00"],
    ["中", "big5", "a4a4"],
    ["中", "shift_jis", "9286"],
    ["Ж€", "windows-1251", "c688"],
    ["中", "utf-8", "e4b8ad"],
  ];
  for (const [text, encoding, hex] of CASES) {
    test(`${text} in ${encoding}`, () => expect(encodeText(text, encoding).toHex()).toBe(hex));
  }
});

test("every character of GB18030 and back; GBK has its pairs and no more", () => {
  let pairs = 0;
  const without: number[] = [];
  for (let point = 0; point <= 0x10ffff; point += point < 0x10000 ? 1 : 257) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const text = String.fromCodePoint(point);
    const bytes = encodeText(text, "gb18030");
    if (read(bytes, "gb18030") !== text) without.push(point);
    const short = encodeText(text, "gbk");
    if (short.length === 2) pairs += 1;
    if (point !== 0x3f && short.toHex() !== "3f") expect(read(short, "gbk")).toBe(text);
  }
  // private characters that GB18030 left out, or gave up for real ones in 2022; U+FFFD is a damage
  const gone = [0xe5e5, ...Array.from({ length: 10 }, (_, at) => 0xe78d + at)];
  gone.push(0xe81e, 0xe826, 0xe82b, 0xe82c, 0xe832, 0xe843, 0xe854, 0xe864, 0xfffd);
  expect(without).toEqual(gone);
  expect(pairs).toBe(23_939 - 1); // A1A1 twice; the euro sign is 80
});

test("any text, cut anywhere", () => {
  const encodings = ["gbk", "gb18030", "utf-16le", "utf-8", "big5", "windows-1252"];
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom(...encodings),
      fc.array(fc.nat(50)),
      (text, encoding, cuts) => {
        const utf8 = new TextEncoder().encode(text);
        const at = [
          0,
          ...cuts.map((cut) => Math.min(cut, utf8.length)).toSorted((a, b) => a - b),
          utf8.length,
        ];
        const stream = textEncoding(encoding);
        const out = at
          .slice(1)
          .map((end, index) => new Uint8Array(stream.push(utf8.subarray(at[index], end))));
        expect(Buffer.concat([...out, stream.end()]).toHex()).toBe(encodeText(text, encoding).toHex());
        if (encoding === "gb18030" || encoding.startsWith("utf")) {
          expect(read(Buffer.concat([...out, stream.end()]), encoding)).toBe(text);
        }
      },
    ),
  );
});

test("a character that is cut off is one question mark; an encoding with states is refused", () => {
  const stream = textEncoding("gbk");
  expect(stream.push(Uint8Array.of(0x61, 0xe4, 0xb8)).toHex()).toBe("61");
  expect(stream.end().toHex()).toBe("3f");
  expect(() => textEncoding(encodingName("iso-2022-jp"))).toThrow(expect.objectContaining({ code: "usage" }));
});
