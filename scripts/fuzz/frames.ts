/**
 * Hostile bytes for the frame decoder and the message readers: `bun scripts/fuzz/frames.ts [count] [seed]`.
 *
 * Each input is a mutated vector, a mutated message, or noise, pushed in random pieces. A finding is: a throw that is no
 * SockError `protocol` or `version`; a failed decoder that goes on; a buffer above the limit; a different result when the
 * same input comes byte by byte; an input that takes over half a second; memory that grows. Status 1 on a finding, which
 * is printed with its seed and bytes.
 */
import { asSockError, SockError } from "../../src/errors.ts";
import { MAX_BODY_BYTES } from "../../src/protocol/constants.ts";
import { checkMust, encodeFrame, type Frame, FrameDecoder, type Header } from "../../src/protocol/frame.ts";
import { parseClientMessage, parseServerMessage } from "../../src/protocol/messages.ts";
import { clientSamples, serverSamples } from "../../test/helpers/messages.ts";
import vectors from "../../test/vectors/frames.json";

const MAX_INPUT_MS = 500;
const MAX_RSS_GROWTH = 256 * 1024 * 1024;
const BYTE_BY_BYTE_EVERY = 16;

// Half of the inputs are refused, and nobody reads those stacks.
Error.stackTraceLimit = 0;

const count = Number(process.argv[2] ?? 1e7);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 32);

/** mulberry32, by T. Ettinger (public domain). */
let state = seed >>> 0;
function random(below: number): number {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
}

function pick<T>(values: readonly T[]): T {
  const value = values[random(values.length)];
  if (value === undefined) throw new Error("nothing to pick from");
  return value;
}

const hello = encodeFrame({ type: "hello" });
const seeds = [
  ...vectors.vectors.map((vector) => Uint8Array.fromHex(vector.hex)),
  ...[...clientSamples, ...serverSamples].map((header: Header) =>
    encodeFrame(header, header.size === undefined ? undefined : new Uint8Array(header.size)),
  ),
  encodeFrame({ type: "x", must: ["a"] }),
].filter((bytes) => bytes.length > 0);
const tokens = [
  "{",
  "}",
  "[",
  "]",
  '"',
  "\\u",
  "\\ud800",
  "-",
  "1e309",
  ".5",
  "null",
  '"size":',
  '"__proto__":',
  "9".repeat(17),
].map((text) => new TextEncoder().encode(text));

const room = new Uint8Array(8192);

/** Writes the next input to `room` and says how long it is. */
function nextInput(): number {
  let length = 0;
  const append = (bytes: Uint8Array) => {
    room.set(bytes, length);
    length += bytes.length;
  };
  if (random(2) === 0) append(hello);
  const start = length;
  if (random(8) === 0) {
    for (const end = length + random(64); length < end; length++) room[length] = random(256);
    return length;
  }
  for (let more = random(3); more >= 0; more--) append(pick(seeds));
  for (let edits = random(5); edits > 0; edits--) {
    const at = start + random(length - start);
    const token = pick(tokens);
    switch (random(6)) {
      case 0:
        room[at] = random(256);
        break;
      case 1:
        room[at] = (room[at] ?? 0) ^ (1 << random(8));
        break;
      case 2:
        room.set(token, at);
        length = Math.max(length, at + token.length);
        break;
      case 3: // one byte out
        room.copyWithin(at, at + 1, length);
        length = Math.max(start + 1, length - 1);
        break;
      case 4: // a token in, and the first length made to fit, so that the header is read
        room.copyWithin(at + token.length, at, length);
        room.set(token, at);
        length += token.length;
        room[start] = (room[start] ?? 0) + token.length;
        break;
      default:
        length = Math.max(start + 1, at);
    }
  }
  return length;
}

function allocate(bytes: number): Uint8Array {
  if (bytes > MAX_BODY_BYTES || bytes <= 0) throw new RangeError(`a buffer of ${bytes} bytes was asked for`);
  return new Uint8Array(bytes);
}

let frames = 0;
let messages = 0;

/** Both readers, whichever side the frame is from. */
function readMessages(header: Header): void {
  for (const read of [parseClientMessage, parseServerMessage, checkEmptyMust]) {
    try {
      read(header);
      messages++;
    } catch (thrown) {
      requireHarmless(thrown);
    }
  }
}

function checkEmptyMust(header: Header): void {
  checkMust(header, []);
}

function requireHarmless(thrown: unknown): void {
  if (!(thrown instanceof SockError) || (thrown.code !== "protocol" && thrown.code !== "version"))
    throw thrown;
}

/** How many frames came out, and the error's code. */
function run(input: Uint8Array, opened: boolean, pieceLength: () => number): string {
  const decoder = new FrameDecoder({ allocate });
  let seen = 0;
  const onFrame = ({ header, body }: Frame) => {
    if (opened) decoder.open();
    seen += 1 + (body?.length ?? 0);
    frames++;
    readMessages(header);
  };
  try {
    for (let at = 0; at < input.length;) {
      const length = pieceLength();
      decoder.push(input.subarray(at, at + length), onFrame);
      at += length;
    }
  } catch (thrown) {
    requireHarmless(thrown);
    let again: unknown;
    try {
      decoder.push(hello, onFrame);
    } catch (repeated) {
      again = repeated;
    }
    if (again !== thrown) throw new Error("a failed decoder went on", { cause: thrown });
    return `${seen} ${asSockError(thrown).code}`;
  }
  return `${seen} ${decoder.midFrame}`;
}

let peak = process.memoryUsage.rss();
const limit = peak + MAX_RSS_GROWTH;
const start = performance.now();
for (let index = 0; index < count; index++) {
  const input = room.slice(0, nextInput());
  const opened = random(4) !== 0;
  const began = performance.now();
  try {
    const outcome = run(input, opened, random(2) === 0 ? () => input.length : () => 1 + random(40));
    if (index % BYTE_BY_BYTE_EVERY === 0 && outcome !== run(input, opened, () => 1))
      throw new Error("cuts matter");
    if (performance.now() - began > MAX_INPUT_MS) throw new Error("an input took too long");
    if (index % 100_000 === 0) peak = Math.max(peak, process.memoryUsage.rss());
    if (peak > limit) throw new Error(`memory grew to ${peak} bytes`);
  } catch (thrown) {
    console.log(
      `finding: ${String(thrown)}\nseed ${seed}, input ${index}, opened ${opened}: ${input.toHex()}`,
    );
    process.exit(1);
  }
}
const seconds = (performance.now() - start) / 1000;
peak = Math.max(peak, process.memoryUsage.rss());
console.log(
  `fuzz frames: ${count} inputs, no finding; ${frames} frames, ${messages} messages; ` +
    `${Math.round(count / seconds)} inputs/s, peak ${Math.round(peak / 1e6)} MB, seed ${seed}`,
);
