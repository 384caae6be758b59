/** What the first bytes of a stream say about all of it: a byte order mark, or the NULs of UTF-16. */
import { type Force, LF, utf8Length } from "./decide.ts";

/** The NULs of UTF-16 are looked for in this many bytes. */
export const OPENING_BYTES = 64;

export type Opening =
  /** Not known yet; bytes up to `plain` are ASCII in every case. */
  | { readonly kind: "open"; readonly plain: number }
  /** The stream's text begins at `from`. */
  | { readonly kind: "lines" | "utf-8" | "utf-16le"; readonly from: number };

const LINES: Opening = { kind: "lines", from: 0 };
const CR = 0x0d;
const ESC = 0x1b;

/** `bytes` are all that have come so far, up to `end`. */
export function opening(bytes: Uint8Array, end: number, force: Force): Opening {
  const marked = byteOrderMark(bytes, end, force);
  if (marked !== undefined) return marked;
  const limit = Math.min(end, OPENING_BYTES);
  const wide = { nuls: 0, ascii: 0, odd: limit >> 1 };
  let plain = -1;
  for (let at = 0; at < limit; at++) {
    const byte = bytes[at] ?? 0;
    if ((at & 1) === 0 ? byte === 0 : byte === LF || byte === CR || byte === ESC) return LINES;
    if ((at & 1) === 1) {
      if (byte === 0) wide.nuls += 1;
      else if (isPrintable(byte) && isPrintable(bytes[at - 1] ?? 0)) wide.ascii += 1;
    }
    if (plain < 0 && isNoAscii(byte)) {
      plain = at;
      if (isUtf8(bytes, at, limit)) return LINES;
    }
  }
  if (limit < OPENING_BYTES && force === "none") return { kind: "open", plain: plain < 0 ? limit : plain };
  // names with NULs between them have them at odd offsets too, but whole pairs of letters before
  const wideText = wide.nuls > 0 && wide.nuls * 3 >= wide.odd && wide.ascii < wide.nuls;
  return wideText ? { kind: "utf-16le", from: 0 } : LINES;
}

function byteOrderMark(bytes: Uint8Array, end: number, force: Force): Opening | undefined {
  const [first, second, third] = [0, 1, 2].map((at) => (at < end ? bytes[at] : undefined));
  if (first === 0xff && second === 0xfe) return { kind: "utf-16le", from: 2 };
  if (first === 0xef && second === 0xbb && third === 0xbf) return { kind: "utf-8", from: 3 };
  const begun =
    (first === 0xff && second === undefined) ||
    (first === 0xef && (second === undefined || (second === 0xbb && third === undefined)));
  return begun && force === "none" ? { kind: "open", plain: 0 } : undefined;
}

/** Two whole characters of three or more bytes, without a NUL before: no UTF-16. */
function isUtf8(bytes: Uint8Array, at: number, end: number): boolean {
  const first = utf8Length(bytes, at, end);
  return first >= 3 && utf8Length(bytes, at + first, end) >= 3;
}

/** Control characters that texts don't have count too: 02 90 is a Chinese character in UTF-16. */
function isNoAscii(byte: number): boolean {
  return byte >= 0x80 || byte < 0x07 || (byte > CR && byte < ESC) || (byte > ESC && byte < 0x20);
}

function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f;
}
