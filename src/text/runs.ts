/** The inner loops: runs of bytes in one encoding, up to the end of their line, written as UTF-8. */
import { decideAtOnce, LF, utf8Length } from "./decide.ts";
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
  /** The encoding of the line at `at` is sure, and a U+FFFD was written in it for bytes that are no text. */
  evident: boolean;
  damaged: boolean;
  /** Lines that ended, were sure and not damaged. */
  sure: number;
}

/**
 * Why a run ended: in a line about which nothing is decided; at bytes that are no text; with the input, where the rest of
 * a character may miss. A run goes on into lines whose first characters say at once that they are of its kind.
 */
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
  let fresh = false;
  let stop: Stop = "more";
  while (at < end) {
    let lead = bytes[at] ?? 0;
    while (lead < 0x80) {
      out[used++] = lead;
      at += 1;
      if (lead === LF && lines && !fresh) {
        fresh = true;
        lineEnds(cursor);
      }
      if (at >= end) break;
      lead = bytes[at] ?? 0;
    }
    if (at >= end) break;
    if (fresh) {
      if (decideAtOnce(bytes, at, end) !== "utf-8") break;
      fresh = false;
    }
    // most characters have three bytes; E0 and ED are for the exact look
    while (at + 2 < end && lead > 0xe0 && lead < 0xf0 && lead !== 0xed) {
      const second = bytes[at + 1] ?? 0;
      const third = bytes[at + 2] ?? 0;
      if ((second & 0xc0) !== 0x80 || (third & 0xc0) !== 0x80) break;
      out[used] = lead;
      out[used + 1] = second;
      out[used + 2] = third;
      used += 3;
      at += 3;
      lead = at < end ? (bytes[at] ?? 0) : 0;
    }
    if (lead < 0x80) continue;
    const length = utf8Length(bytes, at, end);
    if (length <= 0) {
      if (length < 0) stop = "broken";
      break;
    }
    if (lead === 0xc2 && c1 === "replaced" && (bytes[at + 1] ?? 0) < 0xa0) {
      used = putPoint(out, used, REPLACEMENT);
    } else {
      for (let index = 0; index < length; index++) out[used++] = bytes[at + index] ?? 0;
    }
    at += length;
  }
  cursor.at = at;
  cursor.used = used;
  return fresh ? "line" : stop;
}

/** GB18030, with 80 as the euro sign. What is no text becomes U+FFFD as the WHATWG's decoder has it. */
export function gbRun(cursor: Cursor, c1: C1): Stop {
  const { bytes, end, out } = cursor;
  const { pairs } = gbTables();
  let { at, used } = cursor;
  let fresh = false;
  // one loop for characters of each kind: a branch that goes the same way each time costs almost nothing
  while (at < end) {
    let lead = bytes[at] ?? 0;
    while (lead < 0x80) {
      out[used++] = lead;
      at += 1;
      if (lead === LF && !fresh) {
        fresh = true;
        lineEnds(cursor);
      }
      if (at >= end) break;
      lead = bytes[at] ?? 0;
    }
    if (at >= end) break;
    if (fresh) {
      if (decideAtOnce(bytes, at, end) !== "legacy") break;
      fresh = false;
    }
    while (lead >= 0x80) {
      // a trail behind `end` is known all the same, where the input goes on there
      const unit = pairs[((lead & 0x7f) << 8) | (bytes[at + 1] ?? 0)] ?? 0;
      if (unit < 0x800) break;
      out[used] = 0xe0 | (unit >> 12);
      out[used + 1] = 0x80 | ((unit >> 6) & 0x3f);
      out[used + 2] = 0x80 | (unit & 0x3f);
      used += 3;
      at += 2;
      if (at >= end) break;
      lead = bytes[at] ?? 0;
    }
    if (at >= end || lead < 0x80) continue;
    cursor.at = at;
    cursor.used = used;
    if (!gbRare(cursor, c1)) return "more";
    at = cursor.at;
    used = cursor.used;
  }
  cursor.at = at;
  cursor.used = used;
  return fresh ? "line" : "more";
}

/** Whatever is not a pair of three bytes in UTF-8: 80, FF, four bytes, bytes that are no text. False where more must come first. */
function gbRare(cursor: Cursor, c1: C1): boolean {
  const { bytes, end, out, at } = cursor;
  const lead = bytes[at] ?? 0;
  let point = -1;
  let length = 1;
  if (lead === 0x80) {
    point = 0x20ac;
  } else if (lead !== 0xff) {
    if (at + 1 >= end) return false;
    const trail = bytes[at + 1] ?? 0;
    if (trail >= 0x30 && trail <= 0x39) {
      length = fourLength(bytes, at, end);
      if (length === 0) return false;
      if (length === 4) point = pointAt(bytes, at);
    } else {
      const unit = gbTables().pairs[((lead & 0x7f) << 8) | trail] ?? 0;
      if (unit > 0) point = unit;
      if (unit > 0 || trail >= 0x80) length = 2; // an ASCII byte is never lost to a lead byte before it
    }
  }
  cursor.damaged ||= point < 0;
  const hidden = point < 0 || (point >= 0x80 && point < 0xa0 && c1 === "replaced");
  cursor.used = putPoint(out, cursor.used, hidden ? REPLACEMENT : point);
  cursor.at += length;
  return true;
}

export function lineEnds(cursor: Cursor): void {
  if (cursor.evident && !cursor.damaged) cursor.sure += 1;
  cursor.evident = true;
  cursor.damaged = false;
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
