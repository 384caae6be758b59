/** The inner loops: runs of bytes in one encoding, up to the end of their line, written as UTF-8. */
import { LF, utf8Length } from "./decide.ts";
import { fourByteCodePoint, gbTables } from "./gb-table.ts";
import { type C1, REPLACEMENT } from "./stream.ts";

/** Most bytes that one byte of input becomes: 80 is the euro sign in GBK, a bad one is U+FFFD. */
export const GROWTH = 3;

/** Where one piece of work is read and written. */
export interface Cursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  /** At least GROWTH times as long as the input. */
  readonly out: Uint8Array;
  at: number;
  used: number;
  /** A U+FFFD was written for bytes that are no text. */
  damaged: boolean;
}

/** Why a run ended: behind an LF; at bytes that are no text; with the input, where the rest of a character may miss. */
export type Stop = "line" | "broken" | "more";

export function asciiRun(cursor: Cursor): void {
  const { bytes, end, out } = cursor;
  let { at, used } = cursor;
  for (; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x80) break;
    out[used++] = byte;
  }
  cursor.at = at;
  cursor.used = used;
}

/** `lines` false: LF ends nothing. */
export function utf8Run(cursor: Cursor, c1: C1, lines: boolean): Stop {
  const { bytes, end, out } = cursor;
  let { at, used } = cursor;
  let stop: Stop = "more";
  while (at < end) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x80) {
      out[used++] = byte;
      at += 1;
      if (byte !== LF || !lines) continue;
      stop = "line";
      break;
    }
    const length = utf8Length(bytes, at, end);
    if (length <= 0) {
      if (length < 0) stop = "broken";
      break;
    }
    if (byte === 0xc2 && c1 === "replaced" && (bytes[at + 1] ?? 0) < 0xa0) {
      used = putPoint(out, used, REPLACEMENT);
    } else {
      for (let index = 0; index < length; index++) out[used++] = bytes[at + index] ?? 0;
    }
    at += length;
  }
  cursor.at = at;
  cursor.used = used;
  return stop;
}

/** GB18030, with 80 as the euro sign. What is no text becomes U+FFFD as the WHATWG's decoder has it. */
export function gbRun(cursor: Cursor, c1: C1): Stop {
  const { bytes, end, out } = cursor;
  const { pairs } = gbTables();
  let { at, used } = cursor;
  let stop: Stop = "more";
  while (at < end) {
    const lead = bytes[at] ?? 0;
    if (lead < 0x80) {
      out[used++] = lead;
      at += 1;
      if (lead !== LF) continue;
      stop = "line";
      break;
    }
    if (lead === 0x80 || lead === 0xff) {
      used = putPoint(out, used, lead === 0x80 ? 0x20ac : REPLACEMENT);
      cursor.damaged ||= lead === 0xff;
      at += 1;
      continue;
    }
    if (at + 1 >= end) break;
    const trail = bytes[at + 1] ?? 0;
    const unit = pairs[((lead & 0x7f) << 8) | trail] ?? 0;
    if (unit >= 0x800) {
      out[used] = 0xe0 | (unit >> 12);
      out[used + 1] = 0x80 | ((unit >> 6) & 0x3f);
      out[used + 2] = 0x80 | (unit & 0x3f);
      used += 3;
      at += 2;
    } else if (unit > 0) {
      used = putPoint(out, used, unit);
      at += 2;
    } else if (trail >= 0x30 && trail <= 0x39) {
      const length = fourLength(bytes, at, end);
      if (length === 0) break;
      const point = length === 4 ? pointAt(bytes, at) : -1;
      const hidden = point >= 0x80 && point < 0xa0 && c1 === "replaced";
      cursor.damaged ||= point < 0;
      used = putPoint(out, used, point < 0 || hidden ? REPLACEMENT : point);
      at += length;
    } else {
      // an ASCII byte is never lost to a lead byte before it
      used = putPoint(out, used, REPLACEMENT);
      cursor.damaged = true;
      at += trail < 0x80 ? 1 : 2;
    }
  }
  cursor.at = at;
  cursor.used = used;
  return stop;
}

/** Bytes of what begins like a four-byte sequence: 4, 1 where its third or fourth is wrong, 0 where they miss. */
function fourLength(bytes: Uint8Array, at: number, end: number): 0 | 1 | 4 {
  if (at + 2 >= end) return 0;
  const third = bytes[at + 2] ?? 0;
  if (third <= 0x80 || third === 0xff) return 1;
  if (at + 3 >= end) return 0;
  const fourth = bytes[at + 3] ?? 0;
  return fourth >= 0x30 && fourth <= 0x39 ? 4 : 1;
}

function pointAt(bytes: Uint8Array, at: number): number {
  const [first = 0, second = 0, third = 0, fourth = 0] = bytes.subarray(at, at + 4);
  return fourByteCodePoint(first, second, third, fourth);
}

/** Writes a code point as UTF-8; returns where the next one goes. */
export function putPoint(out: Uint8Array, at: number, point: number): number {
  let used = at;
  if (point < 0x80) {
    out[used++] = point;
    return used;
  }
  if (point < 0x800) {
    out[used++] = 0xc0 | (point >> 6);
  } else {
    if (point < 0x10000) {
      out[used++] = 0xe0 | (point >> 12);
    } else {
      out[used++] = 0xf0 | (point >> 18);
      out[used++] = 0x80 | ((point >> 12) & 0x3f);
    }
    out[used++] = 0x80 | ((point >> 6) & 0x3f);
  }
  out[used++] = 0x80 | (point & 0x3f);
  return used;
}
