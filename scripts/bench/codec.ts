/** Frames a second through the codec: header of 200 B, body of 4 KiB, in pieces that fit no frame. Median of 5. */
import { encodeFrame, FrameDecoder, type Header } from "../../src/protocol/frame.ts";

const HEADER_BYTES = 200;
const BODY_BYTES = 4096;
const PIECE_BYTES = 65_521;
const FRAMES = 100_000;
const ROUNDS = 5;

const bare = { type: "data", size: BODY_BYTES, entry: 123_456, pad: "" } satisfies Header;
const header = { ...bare, pad: "x".repeat(HEADER_BYTES - JSON.stringify(bare).length) };
const frame = encodeFrame(header, new Uint8Array(BODY_BYTES).fill(0xa5));
const hello = encodeFrame({ type: "hello" });
// A prime number of frames in a ring, so that the cuts fall elsewhere each time round.
const ring = new Uint8Array(frame.length * 997);
for (let at = 0; at < ring.length; at += frame.length) ring.set(frame, at);

function decode(): number {
  const seen = { frames: 0, bytes: 0 };
  const decoder = new FrameDecoder();
  decoder.open();
  decoder.push(hello, () => undefined);
  const start = performance.now();
  for (let at = 0; seen.frames < FRAMES; at = at >= ring.length ? 0 : at) {
    decoder.push(ring.subarray(at, at + PIECE_BYTES), ({ body }) => {
      seen.frames++;
      seen.bytes += body?.length ?? 0;
    });
    at += PIECE_BYTES;
  }
  const seconds = (performance.now() - start) / 1000;
  if (seen.bytes !== seen.frames * BODY_BYTES) throw new Error("the decoder lost bytes");
  return seen.frames / seconds;
}

function encode(): number {
  const body = new Uint8Array(BODY_BYTES);
  const start = performance.now();
  let bytes = 0;
  for (let count = 0; count < FRAMES; count++) bytes += encodeFrame(header, body).length;
  if (bytes !== FRAMES * frame.length) throw new Error("the encoder lost bytes");
  return FRAMES / ((performance.now() - start) / 1000);
}

function median(measure: () => number): string {
  measure();
  const results = Array.from({ length: ROUNDS }, measure).toSorted((a, b) => a - b);
  return Math.round(results[ROUNDS >> 1] ?? 0).toLocaleString("en-US");
}

console.log(
  `codec: decode ${median(decode)} frames/s, encode ${median(encode)} frames/s ` +
    `(header ${HEADER_BYTES} B, body ${BODY_BYTES} B, pieces of ${PIECE_BYTES} B, median of ${ROUNDS})`,
);
