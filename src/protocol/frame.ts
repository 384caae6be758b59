/**
 * The frame codec, the same on every connection and in both directions:
 *
 *     0        4                4 + length            4 + length + size
 *     +--------+----------------+---------------------+
 *     | length | header         | body                |
 *     | u32 LE | UTF-8 JSON     | raw bytes           |
 *     +--------+----------------+---------------------+
 *
 * `length` counts the header alone. `size` is the header's key of that name; without the key there is no body.
 */
import { SockError } from "../errors.ts";
import { LENGTH_BYTES, MAX_BODY_BYTES, MAX_FIRST_HEADER_BYTES, MAX_HEADER_BYTES } from "./constants.ts";
import { type Header, parseHeader, requireHeader } from "./json.ts";

export type { Header, Json } from "./json.ts";

export interface Frame {
  readonly header: Header;
  /** Undefined where the header has no `size`; empty where it is 0. */
  readonly body: Uint8Array | undefined;
}

export interface FrameDecoderOptions {
  /** Gives a buffer of at least that many bytes for a body that comes in pieces; asked only once its size is accepted. */
  readonly allocate?: (bytes: number) => Uint8Array;
  /**
   * Frames whose body is a stretch of a stream, where it does not matter how it is cut: what has come of it is given at
   * once, as views of what was pushed, each with the same header.
   */
  readonly isStream?: (header: Header) => boolean;
  /**
   * Reads a header in place of `parseHeader`: that of a peer which speaks no sock. Its `size` is the body's. The bytes are
   * its own only until it returns.
   */
  readonly parse?: (bytes: Uint8Array) => Header;
  /** What comes is in the middle of a session: no first frame, and bodies from the beginning. */
  readonly inside?: boolean;
  /** Longest first header, bytes. */
  readonly firstHeaderLimit?: number;
  /** Longest header once the decoder is open, bytes. */
  readonly headerLimit?: number;
  /** Longest body once the decoder is open, bytes. */
  readonly bodyLimit?: number;
}

/** Up to this a loop copies faster than a view is made of memory that had none yet, bytes. */
const COPIED_BYTES = 128;
const encoder = new TextEncoder();
const scratch = new Uint8Array(MAX_HEADER_BYTES);

/**
 * Length and header; the caller sends `header.size` bytes after it. `limit` is the longest header that the peer takes,
 * bytes. Throws `protocol` for what a decoder would refuse.
 */
export function encodeHeader(header: Header, limit = MAX_HEADER_BYTES): Uint8Array {
  return encode(header, limit, 0);
}

/** One frame in one buffer, `size` set from the body. Throws `protocol` for what a decoder would refuse. */
export function encodeFrame(header: Header, body?: Uint8Array, limit = MAX_HEADER_BYTES): Uint8Array {
  const size = header.size ?? body?.length;
  if (size !== body?.length) throw new SockError("protocol", "the size in a header is not its body's");
  if (body === undefined) return encode(header, limit, 0);
  const frame = encode(
    header.size === undefined ? { ...header, size: body.length } : header,
    limit,
    body.length,
  );
  frame.set(body, frame.length - body.length);
  return frame;
}

function encode(header: Header, limit: number, room: number): Uint8Array {
  return encodePrefixed(JSON.stringify(requireHeader(header)), limit, room);
}

/** The length of a text in UTF-8, the text, and so much room behind it. Throws `protocol` above `limit` bytes. */
export function encodePrefixed(text: string, limit: number, room = 0): Uint8Array {
  const { read, written } = encoder.encodeInto(text, scratch);
  if (read < text.length || written > limit)
    throw new SockError("protocol", "the header of a frame is too long");
  const out = new Uint8Array(LENGTH_BYTES + written + room);
  out[0] = written & 0xff;
  out[1] = (written >>> 8) & 0xff;
  out[2] = (written >>> 16) & 0xff;
  copy(out, LENGTH_BYTES, scratch, 0, written);
  return out;
}

/**
 * Throws `version` where the header's `must` lists a key that is not in `known` (its sender can't be served by ignoring
 * that key), and `protocol` where `must` is not a list of strings.
 */
export function checkMust(header: Header, known: readonly string[]): void {
  const must = header["must"];
  if (must === undefined) return;
  if (!Array.isArray(must)) throw new SockError("protocol", "the key must is not a list");
  for (const key of must as readonly unknown[]) {
    if (typeof key !== "string") throw new SockError("protocol", "the key must is not a list of strings");
    if (!known.includes(key)) {
      throw new SockError(
        "version",
        "the peer needs a feature that this version does not have",
        "update sock here",
      );
    }
  }
}

/**
 * Turns the bytes of one direction of a connection into frames, however they are cut.
 *
 * The first frame has a short header and no body but an empty one. So has every later one until `open` is called, which
 * the owner does when the peer is authorised. Length and size are judged as soon as they are known, before memory is
 * taken; at most one header and one body are held. After its first error a decoder repeats that error.
 */
export class FrameDecoder {
  readonly #allocate: (bytes: number) => Uint8Array;
  readonly #isStream: (header: Header) => boolean;
  readonly #parse: (bytes: Uint8Array) => Header;
  readonly #firstHeaderLimit: number;
  readonly #headerLimit: number;
  readonly #bodyLimit: number;
  #opened = false;
  #first = true;
  #failure: { readonly thrown: unknown } | undefined;

  // The part that is under way: `#filled` bytes of the length, else of the header, else of the body are there.
  #filled = 0;
  #length = 0;
  #lengthKnown = false;
  #headerBytes: Uint8Array | undefined;
  #header: Header | undefined;
  #size = 0;
  #body: Uint8Array | undefined;

  constructor(options: FrameDecoderOptions = {}) {
    this.#allocate = options.allocate ?? ((bytes) => new Uint8Array(bytes));
    this.#isStream = options.isStream ?? (() => false);
    this.#parse = options.parse ?? parseHeader;
    this.#opened = options.inside ?? false;
    this.#first = !this.#opened;
    this.#firstHeaderLimit = options.firstHeaderLimit ?? MAX_FIRST_HEADER_BYTES;
    this.#headerLimit = options.headerLimit ?? MAX_HEADER_BYTES;
    this.#bodyLimit = options.bodyLimit ?? MAX_BODY_BYTES;
  }

  /** Raises the limits for every frame after the first; may be called from within `onFrame`, for the very next one. */
  open(): void {
    this.#opened = true;
  }

  /** Whether the bytes so far end inside a frame: a connection that closes now was cut. */
  get midFrame(): boolean {
    return this.#filled > 0 || this.#lengthKnown || this.#header !== undefined;
  }

  /**
   * Takes the next bytes and calls `onFrame` for each frame that they complete, so that frames before an error are seen
   * however the bytes were cut. A body that lies within `bytes` is a view of it, or a copy where it is short; others are in a
   * buffer from `allocate`.
   * Throws `protocol`, or what `onFrame` threw, now and at each later call.
   */
  push(bytes: Uint8Array, onFrame: (frame: Frame) => void): void {
    if (this.#failure !== undefined) throw this.#failure.thrown;
    try {
      let at = 0;
      while (at < bytes.length) {
        if (this.#header !== undefined) at = this.#takeBody(this.#header, bytes, at, onFrame);
        else if (this.#lengthKnown) at = this.#takeHeader(bytes, at, onFrame);
        else at = this.#takeLength(bytes, at);
      }
    } catch (thrown) {
      this.#failure = { thrown };
      this.#headerBytes = undefined;
      this.#body = undefined;
      throw thrown;
    }
  }

  #takeLength(bytes: Uint8Array, from: number): number {
    let at = from;
    while (this.#filled < LENGTH_BYTES) {
      const byte = bytes[at];
      if (byte === undefined) return at;
      this.#length += byte * 2 ** (8 * this.#filled);
      this.#filled++;
      at++;
    }
    const limit = this.#opened && !this.#first ? this.#headerLimit : this.#firstHeaderLimit;
    if (this.#length === 0) throw new SockError("protocol", "the peer sent a frame without a header");
    if (this.#length > limit) throw new SockError("protocol", "the peer sent a frame with too long a header");
    this.#lengthKnown = true;
    this.#filled = 0;
    return at;
  }

  #takeHeader(bytes: Uint8Array, from: number, onFrame: (frame: Frame) => void): number {
    const missing = this.#length - this.#filled;
    const here = Math.min(missing, bytes.length - from);
    const at = from + here;
    let whole: Uint8Array;
    if (here === this.#length && here <= COPIED_BYTES) {
      copy(scratch, 0, bytes, from, here);
      whole = scratch.subarray(0, here);
    } else if (here === this.#length) {
      whole = bytes.subarray(from, at);
    } else {
      this.#headerBytes ??= new Uint8Array(this.#length);
      copy(this.#headerBytes, this.#filled, bytes, from, here);
      this.#filled += here;
      if (here < missing) return at;
      whole = this.#headerBytes;
      this.#headerBytes = undefined;
    }
    const header = this.#parse(whole);
    const size = header.size ?? 0;
    if (size > (this.#opened && !this.#first ? this.#bodyLimit : 0)) {
      throw new SockError("protocol", "the peer sent a frame with too long a body");
    }
    this.#first = false;
    this.#lengthKnown = false;
    this.#length = 0;
    this.#filled = 0;
    if (size === 0) {
      onFrame({ header, body: header.size === undefined ? undefined : new Uint8Array(0) });
    } else {
      this.#header = header;
      this.#size = size;
    }
    return at;
  }

  #takeBody(header: Header, bytes: Uint8Array, from: number, onFrame: (frame: Frame) => void): number {
    const missing = this.#size - this.#filled;
    const here = Math.min(missing, bytes.length - from);
    const at = from + here;
    let body: Uint8Array;
    if (here < this.#size && this.#isStream(header)) {
      body = bytes.subarray(from, at);
      if (here < missing) {
        this.#filled += here;
        onFrame({ header, body });
        return at;
      }
    } else if (here === this.#size && here <= COPIED_BYTES) {
      body = new Uint8Array(here);
      copy(body, 0, bytes, from, here);
    } else if (here === this.#size) {
      body = bytes.subarray(from, at);
    } else {
      this.#body ??= this.#allocate(this.#size);
      copy(this.#body, this.#filled, bytes, from, here);
      this.#filled += here;
      if (here < missing) return at;
      body = this.#body.length === this.#size ? this.#body : this.#body.subarray(0, this.#size);
    }
    this.#header = undefined;
    this.#body = undefined;
    this.#filled = 0;
    onFrame({ header, body });
    return at;
  }
}

function copy(to: Uint8Array, at: number, source: Uint8Array, from: number, count: number): void {
  if (count > COPIED_BYTES) {
    to.set(source.subarray(from, from + count), at);
    return;
  }
  for (let index = 0; index < count; index++) to[at + index] = source[from + index] ?? 0;
}
