import { describe, expect, test } from "bun:test";
import type { SockError } from "../../src/errors.ts";
import { TextLength } from "../../src/plain/text-length.ts";

const encoder = new TextEncoder();
const BODIES = ["", "hello", "7", "12345", "0", "00", "x".repeat(1024), "9".repeat(100), "1".repeat(11)];

/** Pushes the pieces; `paused`: it took a pause to know the end. */
function read(pieces: readonly Uint8Array[]): { body: string; paused: boolean } {
  const answer = new TextLength();
  const body: Uint8Array[] = [];
  for (const piece of pieces) {
    expect(answer.ended && !answer.empty).toBe(false);
    answer.push(piece);
    body.push(...answer.taken());
  }
  const paused = !answer.ended;
  if (paused) {
    expect(answer.mayEnd).toBe(true);
    body.push(answer.end());
  }
  return { body: Buffer.concat(body).toString(), paused };
}

describe.each(BODIES)("%p", (body) => {
  const bytes = encoder.encode(`${body.length}${body}`);

  test("cut at every split point", () => {
    for (let at = 1; at < bytes.length; at++) {
      expect(read([bytes.subarray(0, at), bytes.subarray(at)]).body).toBe(body);
    }
  });

  test("byte by byte, and in one piece", () => {
    expect(read(Array.from(bytes, (byte) => Uint8Array.of(byte))).body).toBe(body);
    expect(read([bytes]).body).toBe(body);
  });
});

test("a body that begins with no digit needs no pause", () => {
  expect(read([encoder.encode("5"), encoder.encode("hello")]).paused).toBe(false);
  expect(read([encoder.encode("0")]).paused).toBe(false);
  expect(read([encoder.encode("5"), encoder.encode("12345")]).paused).toBe(true);
});

test.each([
  ["hello", "protocol"],
  ["3hello", "protocol"],
])("%s is no answer", (text, code) => {
  const answer = new TextLength();
  expect(() => answer.push(encoder.encode(text))).toThrow(expect.objectContaining({ code }) as SockError);
});

test("what ends early is cut", () => {
  for (const text of ["10hello", "100", "99", "512"]) {
    const answer = new TextLength();
    answer.push(encoder.encode(text));
    for (const _body of answer.taken()) continue;
    expect(answer.mayEnd).toBe(false);
    expect(() => answer.end()).toThrow(expect.objectContaining({ code: "cut" }) as SockError);
  }
});

test("what comes behind the body in one segment with its end is not passed over", () => {
  const answer = new TextLength();
  answer.push(Buffer.from("10abcde"));
  expect(Buffer.concat([...answer.taken()]).toString()).toBe("abcde");
  answer.push(Buffer.from("fghij and more"));
  const pieces: Uint8Array[] = [];
  expect(() => {
    for (const piece of answer.taken()) pieces.push(piece);
  }).toThrow("more than the length");
  expect(Buffer.concat(pieces).toString()).toBe("fghij");
});
