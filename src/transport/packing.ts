/**
 * Compression of the line: some frames together, or one large one, as the body of a `packed` frame (zstd, RFC 8878). Each
 * stands for itself, so that nothing has to be kept between them.
 */
import { constants, zstdDecompressSync } from "node:zlib";
import { SockError } from "../errors.ts";
import { MAX_BODY_BYTES, MAX_PACKED_BYTES, MAX_PACKED_WINDOW_BYTES } from "../protocol/constants.ts";

export type { Compress } from "../protocol/file-messages.ts";

const LEVEL = 3;
/** How often the speed of the line is looked at, ms. */
const WINDOW_MS = 250;
/** A line that takes more than this a second is faster than it is to compress, bytes. */
const FAST = 40_000_000;
/** With so much waiting for the line, there is time to compress, bytes. */
const WAITING = 64 * 1024;
/** Where nothing waits, and more than this a second goes in, compressing is what holds it up, bytes. */
const HURRIED = 60_000_000;
/** Less than this is sent as it is, bytes. */
const LEAST = 512;
/** The beginning of a piece that tells whether it can be compressed, bytes. */
const SAMPLE = 32 * 1024;
/** Compressed it must be at most this part of what it was. */
const WORTH = 0.9;
/** What could not be compressed is followed by more of its kind: so much is not looked at, twice as much each time, bytes. */
const FIRST_SKIP = 1024 * 1024;
const LONGEST_SKIP = 64 * 1024 * 1024;

export class Packer {
  readonly #always: boolean;
  readonly #clock: () => number;
  #since: number;
  #taken = 0;
  #given = 0;
  /** Bytes a second that came to be packed. */
  #input = 0;
  /** Bytes a second; undefined as long as nobody knows. */
  #rate: number | undefined;
  #skip = 0;
  #nextSkip = FIRST_SKIP;

  constructor(mode: "auto" | "always", clock: () => number = () => performance.now()) {
    this.#always = mode === "always";
    this.#clock = clock;
    this.#since = clock();
  }

  /** Whether bytes like these are to be packed. `taken` and `waiting` are the line's bytes so far, sent and not. */
  mayPack(bytes: Uint8Array, taken: number, waiting: number): boolean {
    this.#given += bytes.length;
    if (bytes.length < LEAST) return false;
    if (!this.#always && !this.#isSlow(taken, waiting)) return false;
    if (this.#skip > 0) {
      this.#skip -= bytes.length;
      return false;
    }
    const sample = bytes.subarray(0, SAMPLE);
    const { length } = Bun.zstdCompressSync(sample, { level: LEVEL });
    if (length <= sample.length * WORTH) {
      this.#nextSkip = FIRST_SKIP;
      return true;
    }
    this.#skip = this.#nextSkip;
    this.#nextSkip = Math.min(this.#nextSkip * 2, LONGEST_SKIP);
    return false;
  }

  /** The bytes compressed; undefined where that does not make them less. */
  pack(bytes: Uint8Array): Uint8Array | undefined {
    if (bytes.length > MAX_PACKED_BYTES) return undefined;
    const packed = Bun.zstdCompressSync(bytes, { level: LEVEL });
    return packed.length < Math.min(bytes.length, MAX_BODY_BYTES) ? packed : undefined;
  }

  #isSlow(taken: number, waiting: number): boolean {
    const now = this.#clock();
    const passed = now - this.#since;
    if (passed >= WINDOW_MS) {
      this.#rate = ((taken - this.#taken) / passed) * 1000;
      this.#input = (this.#given / passed) * 1000;
      this.#since = now;
      this.#taken = taken;
      this.#given = 0;
    }
    // what the kernel takes at first says nothing about the line: until it is known to be fast, it may be slow
    if (this.#rate === undefined) return true;
    return this.#rate < FAST && (waiting >= WAITING || this.#input < HURRIED);
  }
}

/** What was packed; never more than `raw` bytes, whatever it claims. Throws `protocol`. */
export function unpack(body: Uint8Array, raw: number): Uint8Array {
  try {
    if (frameLength(body) === body.length) {
      const bytes = zstdDecompressSync(body, { maxOutputLength: raw, params: WINDOW });
      if (bytes.length === raw) return bytes;
    }
  } catch {
    // damaged, or a bomb
  }
  throw new SockError("protocol", "the peer sent what can't be unpacked");
}

const WINDOW = { [constants.ZSTD_d_windowLogMax]: Math.log2(MAX_PACKED_WINDOW_BYTES) };
const ZSTD_MAGIC = 0xfd2fb528;

/**
 * Bytes of the zstd frame at the beginning, by its headers (RFC 8878, section 3.1.1): zlib goes on with whatever follows,
 * and nothing may. Throws RangeError where it is cut in one of them; undefined for what is no zstd frame.
 */
function frameLength(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== ZSTD_MAGIC) return undefined;
  const descriptor = view.getUint8(4);
  const single = (descriptor >> 5) & 1;
  const contentSize = [single, 2, 4, 8][descriptor >> 6] ?? 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  let at = 5 + (1 - single) + dictionary + contentSize;
  for (let last = false; !last;) {
    const block = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    last = (block & 1) === 1;
    // a block of the second type is one byte, however often that is repeated
    at += 3 + (((block >> 1) & 3) === 1 ? 1 : block >> 3);
  }
  const checksum = (descriptor >> 2) & 1;
  return at + 4 * checksum;
}
