import { expect, test } from "bun:test";
import { textStream } from "../../src/text/decoder.ts";
import { giveBack } from "../../src/text/slab.ts";

const LINE = Uint8Array.fromHex("D6D0CEC40A"); // 中文
const gbk = { kind: "text", encoding: "gbk", stated: true } as const;
const lines = (count: number): Uint8Array => new Uint8Array(Buffer.alloc(count * LINE.length, LINE));
const show = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test("what nobody gave back stays as it was, however much follows", () => {
  const stream = textStream(gbk, { clock: () => 0 });
  const kept = Array.from({ length: 400 }, (_, at) => stream.push(lines(at + 20)));
  for (const [at, piece] of kept.entries()) expect(show(piece)).toBe("中文\n".repeat(at + 20));
});

test("memory is used again only when the last piece of it was given back", () => {
  const stream = textStream(gbk, { clock: () => 0 });
  const first = stream.push(lines(20));
  const second = stream.push(lines(20));
  giveBack(first);
  const third = stream.push(lines(20));
  expect(third.byteOffset).toBeGreaterThan(second.byteOffset);
  giveBack(second);
  giveBack(third);
  // those of other tests may still hold pieces of the same memory: one that is new is nobody's
  const large = stream.push(lines(800_000));
  giveBack(large);
  const again = stream.push(lines(800_000));
  expect(again.buffer).toBe(large.buffer);
  expect(again.byteOffset).toBe(large.byteOffset);
  expect(show(again)).toBe("中文\n".repeat(800_000));
});

test("two streams never share what they have lent, and foreign memory is let be", () => {
  const [out, err] = [textStream(gbk, { clock: () => 0 }), textStream(gbk, { clock: () => 0 })];
  const pieces: Uint8Array[] = [];
  for (let round = 1; round < 300; round++) {
    giveBack(Uint8Array.of(1));
    const mine = out.push(lines(round + 20));
    const other = err.push(lines(20));
    expect(show(mine)).toBe("中文\n".repeat(round + 20));
    giveBack(mine);
    pieces.push(other);
  }
  for (const piece of pieces) expect(show(piece)).toBe("中文\n".repeat(20));
});
