/**
 * UTF-8 or GB18030? The decision about the bytes from the first one above 7F in a line up to its LF: a strict UTF-8
 * validator and a GB18030 range validator side by side, as a pure function of those bytes, so that cuts change nothing.
 */

/** Most bytes that wait for a decision. */
export const MAX_UNDECIDED_BYTES = 64;
/** Longest time that bytes wait for more of their line, ms. */
export const UNDECIDED_MS = 30;

export const LF = 0x0a;
const LOWEST_USUAL_TRAIL = 0xa1;

/** More bytes are needed; the encoding by evidence; the encoding because nothing speaks against the prior. */
export type Verdict = "open" | "utf-8" | "legacy" | "utf-8 by prior" | "legacy by prior";

/** Why it must be decided with what there is; `none` where more may come. */
export type Force = "none" | "timeout" | "end";

export interface Circumstances {
  readonly force: Force;
  /** The other encoding is GB18030, whose ranges are known. */
  readonly gb: boolean;
  readonly priorGb: boolean;
  /** The byte before, 0 where the line begins. */
  readonly before: number;
  /** In a UTF-8 line: length of the broken character that asks again; 0 in a line that has nothing decided yet. */
  readonly broken: number;
}

/**
 * Length of the UTF-8 character at `at`; 0 where it is whole only with more bytes; where it is none, minus the bytes
 * that stand for one U+FFFD.
 */
export function utf8Length(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return -1;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + 1 >= end) return 0;
  const second = bytes[at + 1] ?? 0;
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return -1;
  for (let index = 2; index < length; index++) {
    if (at + index >= end) return 0;
    if (((bytes[at + index] ?? 0) & 0xc0) !== 0x80) return -index;
  }
  return length;
}

/**
 * The same for lines that say it with their first characters, which are most, without a state for each byte. Whatever
 * is more than characters of two bytes, which both encodings have, before the first one that UTF-8 hasn't, is "open".
 */
export function decideAtOnce(bytes: Uint8Array, start: number, end: number): "utf-8" | "legacy" | "open" {
  const limit = Math.min(end, start + MAX_UNDECIDED_BYTES);
  let long = 0;
  for (let at = start; at < limit;) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x80) {
      if (byte === LF) return "open";
      at += 1;
      continue;
    }
    if (byte < 0xe0 && long === 0) {
      if (byte < 0xc2) return "legacy";
      if (at + 1 >= limit) return "open";
      if (((bytes[at + 1] ?? 0) & 0xc0) !== 0x80) return "legacy";
      at += 2;
      continue;
    }
    const length = utf8Length(bytes, at, limit);
    if (length === -1 && long === 0) return "legacy";
    if (length <= 0) return "open";
    if (length > 2 && (long += 1) === 2) return "utf-8";
    at += length;
  }
  return "open";
}

/** Decides on what begins at `start`; looks at no byte from `end` on, nor at more than MAX_UNDECIDED_BYTES. */
export function decide(bytes: Uint8Array, start: number, end: number, given: Circumstances): Verdict {
  const limit = Math.min(end, start + MAX_UNDECIDED_BYTES);
  const ranges = new GbRanges();
  let long = 0; // whole characters of three or more bytes
  let size = 0; // of the character that ends at `next`, 0 where it is not whole
  let next = start + given.broken;
  let at = start;
  for (let over = false; at < limit && !over; at++) {
    const byte = bytes[at] ?? 0;
    over = byte === LF;
    if (at >= next) {
      size = utf8Length(bytes, at, limit);
      if (size < 0) {
        if (byte < 0xc2 || byte > 0xf4) return "legacy";
        // it fails at the byte behind `-size` good ones; GB18030 may be impossible before that
        for (let index = 0; index < -size; index++) {
          if (given.gb && !ranges.take(bytes[at + index] ?? 0)) return "utf-8";
        }
        return "legacy";
      }
      next = size === 0 ? limit + 1 : at + size;
    }
    if (given.gb && !ranges.take(byte)) return "utf-8";
    if (at + 1 === next && size >= 3) long += 1;
    if (long >= 2) return "utf-8";
  }
  const over = at > start && bytes[at - 1] === LF;
  if (!over && at - start < MAX_UNDECIDED_BYTES) {
    if (given.force === "none") return "open";
    // one byte is no character of either kind: nothing could be shown yet
    if (given.force === "timeout" && at - start === 1) return "open";
  }
  if (long > 0) return "utf-8";
  if (given.broken > 0) return given.broken > 1 ? "utf-8 by prior" : "legacy by prior";
  if (!given.priorGb) return "utf-8 by prior";
  return ofPairs(bytes, start, at, given.before);
}

/** GB is expected, and all there is are pairs that both encodings have. */
function ofPairs(bytes: Uint8Array, start: number, end: number, before: number): Verdict {
  let latin = 0;
  let pairs = 0;
  for (let at = start; at < end; at++) {
    const lead = bytes[at] ?? 0;
    if (lead < 0x80 || at + 1 >= end) continue;
    const trail = bytes[at + 1] ?? 0;
    if (trail < LOWEST_USUAL_TRAIL) return "utf-8";
    const left = at > start ? (bytes[at - 1] ?? 0) : before;
    const right = at + 2 < end ? (bytes[at + 2] ?? 0) : 0;
    const alone = left < 0x80 && right < 0x80;
    if (alone && (lead === 0xc2 || lead === 0xc3) && (isWord(left) || isWord(right))) latin += 1;
    pairs += 1;
    at += 1;
  }
  return pairs > 0 && latin === pairs ? "utf-8 by prior" : "legacy by prior";
}

function isWord(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a);
}

/** GB18030 by its ranges alone. 80 (the euro sign of code page 936) is not counted as text: too much looks like it. */
class GbRanges {
  #state = 0;

  /** False where no GB18030 text goes on so. */
  take(byte: number): boolean {
    switch (this.#state) {
      case 0:
        if (byte >= 0x80) this.#state = 1;
        return byte < 0x80 || (byte > 0x80 && byte < 0xff);
      case 1:
        this.#state = byte >= 0x30 && byte <= 0x39 ? 2 : 0;
        return this.#state === 2 || (byte >= 0x40 && byte !== 0x7f && byte < 0xff);
      case 2:
        this.#state = 3;
        return byte > 0x80 && byte < 0xff;
      default:
        this.#state = 0;
        return byte >= 0x30 && byte <= 0x39;
    }
  }
}
