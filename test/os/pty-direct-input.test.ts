import { expect, test } from "bun:test";
import { PtyDirectInput } from "../../src/os/pty-direct-input.ts";
import { until } from "../helpers/until.ts";

/** A terminal with room for so many bytes. */
function terminal(room: number) {
  const seen = { bytes: Buffer.alloc(0), given: 0, room };
  const input = new PtyDirectInput(
    (bytes) => {
      const taken = Math.min(bytes.length, seen.room);
      seen.bytes = Buffer.concat([seen.bytes, bytes.subarray(0, taken)]);
      seen.room -= taken;
      return taken;
    },
    (bytes) => {
      seen.given += bytes;
    },
  );
  return { input, seen };
}

const SENT = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, at) => (at * 7) % 251));

test("what there is room for is given at once, in its order", () => {
  const { input, seen } = terminal(Number.POSITIVE_INFINITY);
  for (let at = 0; at < SENT.length; at += 9_999) input.push(SENT.subarray(at, at + 9_999));
  expect(seen.bytes.equals(SENT)).toBe(true);
  expect([seen.given, input.waiting]).toEqual([SENT.length, 0]);
});

test("the rest waits for room, without a byte lost or doubled", async () => {
  const { input, seen } = terminal(5_000);
  for (let at = 0; at < SENT.length; at += 9_999) input.push(SENT.subarray(at, at + 9_999));
  expect([seen.given, input.waiting]).toEqual([5_000, SENT.length - 5_000]);
  for (let room = 5_000; room < SENT.length; room += 4_095) {
    seen.room = Math.min(4_095, SENT.length - room);
    await until(() => seen.room === 0, "the next try");
  }
  expect(seen.bytes.equals(SENT)).toBe(true);
  expect([seen.given, input.waiting]).toEqual([SENT.length, 0]);
});

test("what is cleared is not given later, and what comes then is", async () => {
  const { input, seen } = terminal(1_000);
  input.push(SENT);
  expect(input.clear()).toBe(SENT.length - 1_000);
  seen.room = 10_000;
  input.push(Buffer.from("x"));
  expect([seen.given, input.waiting]).toEqual([1_001, 0]);
  expect(seen.bytes.subarray(1_000).toString()).toBe("x");
});
