/**
 * What all codes share: a prefix, base 62, a checksum, and reading one out of whatever was pasted.
 *
 *     prefix  base62( payload | CRC-32 of the payload, 4 bytes, big-endian )
 */
import { SockError } from "../errors.ts";
import { decodeBase62, encodeBase62 } from "./base62.ts";
import { MAX_CODE_CHARS, MAX_PASTE_CHARS } from "./constants.ts";
import { crc32 } from "./crc32.ts";

const CHECKSUM_BYTES = 4;
/** Line breaks, spaces and what chat programs and shells put where they break a long word. */
const BREAKS = /[\s\\>\u00ad\u200b-\u200d\u2060\ufeff]+/;
/** Pieces into which a code may have been broken; each one more costs one more attempt. */
const MAX_PIECES = 32;

export function sealCode(prefix: string, payload: Uint8Array): string {
  const sealed = new Uint8Array(payload.length + CHECKSUM_BYTES);
  sealed.set(payload);
  new DataView(sealed.buffer).setUint32(payload.length, crc32(payload));
  return prefix + encodeBase62(sealed);
}

/**
 * The payload of the first code with this prefix in a pasted text: bare, in quotes, in a whole command line, or broken
 * by spaces and line breaks, as long as the checksum proves that the pieces are the whole.
 * @throws SockError `usage`; its words never hold any of the text, which may be a secret
 */
export function openCode(prefix: string, text: string): Uint8Array {
  if (text.length > MAX_PASTE_CHARS) throw new SockError("usage", "this is too long for a code");
  const start = findPrefix(prefix, text);
  if (start === undefined) {
    throw new SockError(
      "usage",
      `no code in this text: it starts with ${prefix}`,
      "copy the whole line that the server printed",
    );
  }
  const pieces = text.slice(start, start + MAX_PASTE_CHARS).split(BREAKS, MAX_PIECES);
  let word = "";
  for (const piece of pieces) {
    const run = /^[0-9A-Za-z]*/.exec(piece)?.[0] ?? "";
    word += run;
    if (word.length > MAX_CODE_CHARS) break;
    const payload = run === "" ? undefined : verified(word);
    if (payload !== undefined) return payload;
    if (run !== piece) break;
  }
  throw new SockError(
    "usage",
    "the code is damaged or cut: its checksum is wrong",
    "copy it again, all of it",
  );
}

/** Where the digits of the code start; the prefix itself may have been broken, too. */
function findPrefix(prefix: string, text: string): number | undefined {
  const whole = text.indexOf(prefix);
  if (whole >= 0) return whole + prefix.length;
  const broken = new RegExp([...prefix].join(`(?:${BREAKS.source})?`)).exec(text);
  return broken === null ? undefined : broken.index + broken[0].length;
}

function verified(word: string): Uint8Array | undefined {
  const sealed = decodeBase62(word);
  if (sealed === undefined || sealed.length <= CHECKSUM_BYTES) return undefined;
  const payload = sealed.subarray(0, -CHECKSUM_BYTES);
  const view = new DataView(sealed.buffer, sealed.byteOffset + payload.length);
  return view.getUint32(0) === crc32(payload) ? payload : undefined;
}

/** Reads a payload from its start; every read past the end says that the code is damaged. */
export class PayloadReader {
  #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed();
    const taken = this.#bytes.slice(this.#at, end);
    this.#at = end;
    return taken;
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  uint16(): number {
    return (this.byte() << 8) | this.byte();
  }

  text(length: number): string {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(this.take(length));
    } catch (cause) {
      throw cause instanceof SockError ? cause : malformed();
    }
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed();
  }
}

/** The checksum is right and the contents are not: nobody's typing error. */
export function malformed(): SockError {
  return new SockError("usage", "the code is malformed", "make a new one with sock invite on the server");
}

export function joinBytes(parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
