/** The inner loops: runs of bytes in one encoding, up to the end of their line, written as UTF-8. */
import { decideAtOnce, LF, utf8Length } from "./decide.ts";
import { fourByteCodePoint, gbTables } from "./gb-table.ts";
import { type C1, REPLACEMENT } from "./stream.ts";

/** Most bytes that one byte of input becomes: 80 is the euro sign in GBK, a bad one is U+FFFD. */
export const GROWTH = 3;

/** Where one piece of work is read and written. */
export interface Cursor {
  readonly bytes: Uint8Array;
  /** The same, to be read by words. */
  readonly words: DataView;
  /** Room for at least GROWTH times as much as there is to be read, and a word. */
  readonly out: Uint8Array;
  readonly outWords: DataView;
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

/** The top bits of four bytes, where those above 7F have it. */
const HIGH = 0x80808080 | 0;
const FEEDS = 0x0a0a0a0a;
const ONES = 0x01010101;

export function asciiRun(cursor: Cursor): void {
  const { bytes, words, out, outWords } = cursor;
  const end = bytes.length;
  let { at, used } = cursor;
  for (; at + 4 <= end; at += 4, used += 4) {
    const word = words.getInt32(at, true);
    if ((word & HIGH) !== 0) break;
    outWords.setInt32(used, word, true);
  }
  for (; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x80) break;
    out[used++] = byte;
  }
  cursor.at = at;
  cursor.used = used;
}

/*
 * Both loops read four bytes at a time, the first of them lowest, and write four, of which those that are too many are written
 * over next. `feeds` has one of the HIGH bits since a LF; it is looked at where the next character above 7F comes.
 */

/** `lines` false: LF ends nothing. */
export function utf8Run(cursor: Cursor, c1: C1, lines: boolean): Stop {
  const { bytes, words, out, outWords } = cursor;
  const end = bytes.length;
  const watched = lines ? HIGH : 0;
  const last = end - 4;
  let { at, used } = cursor;
  let feeds = 0;
  while (at < end) {
    while (at <= last) {
      let word = words.getInt32(at, true);
      if ((word & HIGH) === 0) {
        const other = word ^ FEEDS;
        feeds |= (other - ONES) & ~other;
        outWords.setInt32(used, word, true);
        used += 4;
        at += 4;
        continue;
      }
      for (; (word & 0x80) === 0; word >>= 8) {
        const byte = word & 0x7f;
        if (byte === LF) feeds = -1;
        out[used++] = byte;
        at += 1;
      }
      if ((feeds & watched) !== 0) {
        lineEnds(cursor);
        feeds = 0;
        if (decideAtOnce(bytes, at, end) !== "utf-8") return stopAt(cursor, at, used, "line");
      }
      const begun = at;
      while (at <= last) {
        word = words.getInt32(at, true);
        // most characters have three bytes; E0 and ED are for the exact look
        const lead = word & 0xff;
        if ((word & 0xc0c0f0) !== 0x8080e0 || lead === 0xe0 || lead === 0xed) break;
        outWords.setInt32(used, word, true);
        used += 3;
        at += 3;
      }
      if (at === begun) break;
    }
    if (at >= end) break;
    const lead = bytes[at] ?? 0;
    if (lead < 0x80) {
      if (lead === LF) feeds = -1;
      out[used++] = lead;
      at += 1;
      continue;
    }
    if ((feeds & watched) !== 0) {
      lineEnds(cursor);
      feeds = 0;
      if (decideAtOnce(bytes, at, end) !== "utf-8") return stopAt(cursor, at, used, "line");
    }
    const length = utf8Length(bytes, at, end);
    if (length <= 0) return stopAt(cursor, at, used, length < 0 ? "broken" : "more");
    if (lead === 0xc2 && c1 === "replaced" && (bytes[at + 1] ?? 0) < 0xa0) {
      used = putPoint(out, used, REPLACEMENT);
    } else {
      for (let index = 0; index < length; index++) out[used++] = bytes[at + index] ?? 0;
    }
    at += length;
  }
  if ((feeds & watched) === 0) return stopAt(cursor, at, used, "more");
  lineEnds(cursor);
  return stopAt(cursor, at, used, "line");
}

/** GB18030, with 80 as the euro sign. What is no text becomes U+FFFD as the WHATWG's decoder has it. */
export function gbRun(cursor: Cursor, c1: C1): Stop {
  const { bytes, words, out, outWords } = cursor;
  const end = bytes.length;
  const { utf8 } = gbTables();
  const last = end - 4;
  let { at, used } = cursor;
  let feeds = 0;
  while (at < end) {
    while (at <= last) {
      let word = words.getInt32(at, true);
      if ((word & HIGH) === 0) {
        const other = word ^ FEEDS;
        feeds |= (other - ONES) & ~other;
        outWords.setInt32(used, word, true);
        used += 4;
        at += 4;
        continue;
      }
      for (; (word & 0x80) === 0; word >>= 8) {
        const byte = word & 0x7f;
        if (byte === LF) feeds = -1;
        out[used++] = byte;
        at += 1;
      }
      if ((feeds & HIGH) !== 0) {
        lineEnds(cursor);
        feeds = 0;
        if (decideAtOnce(bytes, at, end) !== "legacy") return stopAt(cursor, at, used, "line");
      }
      const begun = at;
      while (at <= last) {
        word = words.getInt32(at, true);
        if ((word & 0x80) === 0) break;
        const first = utf8[((word & 0x7f) << 8) | ((word >>> 8) & 0xff)] ?? 0;
        if (first === 0) break;
        outWords.setInt32(used, first, true);
        used += 3;
        at += 2;
        if ((word & 0x800000) === 0) break;
        const second = utf8[((word >>> 8) & 0x7f00) | (word >>> 24)] ?? 0;
        if (second === 0) break;
        outWords.setInt32(used, second, true);
        used += 3;
        at += 2;
      }
      if (at === begun) break;
    }
    if (at >= end) break;
    const lead = bytes[at] ?? 0;
    if (lead < 0x80) {
      if (lead === LF) feeds = -1;
      out[used++] = lead;
      at += 1;
      continue;
    }
    if ((feeds & HIGH) !== 0) {
      lineEnds(cursor);
      feeds = 0;
      if (decideAtOnce(bytes, at, end) !== "legacy") return stopAt(cursor, at, used, "line");
    }
    const pair = utf8[((lead & 0x7f) << 8) | (bytes[at + 1] ?? 0)] ?? 0;
    if (pair !== 0) {
      outWords.setInt32(used, pair, true);
      used += 3;
      at += 2;
      continue;
    }
    stopAt(cursor, at, used, "more");
    if (!gbRare(cursor, c1)) return "more";
    ({ at, used } = cursor);
  }
  if ((feeds & HIGH) === 0) return stopAt(cursor, at, used, "more");
  lineEnds(cursor);
  return stopAt(cursor, at, used, "line");
}

function stopAt(cursor: Cursor, at: number, used: number, stop: Stop): Stop {
  cursor.at = at;
  cursor.used = used;
  return stop;
}

/** Whatever is not a pair of three bytes in UTF-8: 80, FF, four bytes, bytes that are no text. False where more must come first. */
function gbRare(cursor: Cursor, c1: C1): boolean {
  const { bytes, out, at } = cursor;
  const end = bytes.length;
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
