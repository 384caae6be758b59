import { expect, test } from "bun:test";
import { PtyInput } from "../../src/os/pty-input.ts";
import { until } from "../helpers/until.ts";

const KIB = 1024;

/** A terminal that says `drained` when it is told to, or by itself at once. */
function terminal(atOnce: boolean) {
  const seen = { bytes: Buffer.alloc(0), largest: 0, given: 0 };
  const input: PtyInput = new PtyInput(
    (bytes) => {
      seen.bytes = Buffer.concat([seen.bytes, bytes]);
      seen.largest = Math.max(seen.largest, bytes.length);
      if (atOnce) input.drained();
    },
    (bytes) => {
      seen.given += bytes;
    },
  );
  return { input, seen };
}

test("what is taken at once is given at once, in its order and in small pieces", () => {
  const { input, seen } = terminal(true);
  const sent = Buffer.from(Uint8Array.from({ length: 1000 * KIB }, (_, at) => (at * 7) % 251));
  for (let at = 0; at < sent.length; at += 99_999) input.push(sent.subarray(at, at + 99_999));
  expect(seen.bytes.equals(sent)).toBe(true);
  expect(seen.largest).toBeLessThanOrEqual(4 * KIB);
  expect([seen.given, input.waiting]).toEqual([sent.length, 0]);
});

test("a program that does not read: the terminal gets 64 KiB, and then hardly more", async () => {
  const { input, seen } = terminal(false);
  input.push(Buffer.alloc(1000 * KIB));
  expect(seen.given).toBe(64 * KIB);
  await until(() => seen.given > 64 * KIB, "the question");
  expect(seen.given).toBeLessThan(65 * KIB);
  expect(input.waiting).toBe(1000 * KIB - seen.given);
  // it reads again
  input.drained();
  expect(seen.given).toBeGreaterThan(100 * KIB);
  input.clear();
  expect(input.waiting).toBe(0);
});

test("a terminal that forgot to say that it is drained says so when it is asked", async () => {
  const { input, seen } = terminal(false);
  input.push(Buffer.alloc(65 * KIB));
  const before = seen.given;
  await until(() => seen.given > before, "the question");
  input.drained();
  expect([seen.given, input.waiting]).toEqual([65 * KIB, 0]);
});

test("what is cleared is not given later", async () => {
  const { input, seen } = terminal(false);
  input.push(Buffer.alloc(100 * KIB));
  expect(input.clear()).toBe(36 * KIB);
  input.drained();
  input.push(Buffer.from("x"));
  expect(seen.given).toBe(64 * KIB + 1);
});
