/** Text whose lines are each in one of two encodings: UTF-8, or the legacy one, which is GB18030 where nothing else is said. */
import { decide, decideAtOnce, type Force, LF, UNDECIDED_MS, utf8Length, type Verdict } from "./decide.ts";
import { asciiRun, type Cursor, GROWTH, gbRun, lineEnds, putPoint, type Stop, utf8Run } from "./runs.ts";
import { lend, room, wordsOf } from "./slab.ts";
import { type C1, copy, join, NOTHING, REPLACEMENT, type TextStream } from "./stream.ts";

/** A decoder of another legacy encoding may bring a character of its last bytes; and a word is written for less. */
const SPARE_BYTES = 64;
/** So many lines of one kind, and more than of the other, replace a guessed prior. */
const LINES_TO_LEARN = 3;

export interface LineOptions {
  /** Milliseconds. */
  readonly clock: () => number;
  readonly c1: C1;
  /** What a line is that could be both. */
  readonly prior: "utf-8" | "gb18030";
  readonly stated: boolean;
  /** Decoder of the legacy encoding where that is not GB18030. */
  readonly legacy?: TextDecoder | undefined;
  /** A byte order mark said UTF-8: nothing is decided, what is no UTF-8 is U+FFFD. */
  readonly locked: boolean;
}

export class LineStream implements TextStream {
  readonly #options: LineOptions;
  readonly #encoder = new TextEncoder();
  #mode: "open" | "utf-8" | "legacy" = "open";
  #priorGb: boolean;
  /** The line's encoding is sure, not only its prior; some of it was no text. */
  #line = { evident: false, damaged: false };
  readonly #lines = { "utf-8": 0, legacy: 0 };
  #held: Uint8Array = NOTHING;
  /** When the bytes came that wait for a decision. */
  #since: number | undefined;
  /** What is held waits for a decision, not for the rest of a character. */
  #undecided = false;
  /** Last byte that is done with. */
  #before = 0;

  constructor(options: LineOptions) {
    this.#options = options;
    this.#priorGb = options.prior === "gb18030";
    if (options.locked) this.#mode = "utf-8";
  }

  get due(): number | undefined {
    return this.#since === undefined ? undefined : this.#since + UNDECIDED_MS;
  }

  push(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0) return NOTHING;
    if (this.#held.length === 0 && this.#mode === "open" && isAscii(bytes)) {
      this.#before = bytes[bytes.length - 1] ?? 0;
      return bytes;
    }
    const late = this.tick();
    const out = this.#all(this.#held.length === 0 ? bytes : join([this.#held, bytes]), "none");
    return late.length === 0 ? out : join([late, out]);
  }

  /** The beginning of a stream, bytes `from` on, of which the first has waited elsewhere `since` then. */
  adopt(bytes: Uint8Array, from: number, since: number | undefined, force: Force): Uint8Array {
    this.#before = from > 0 ? (bytes[from - 1] ?? 0) : 0;
    const out = this.#all(bytes.subarray(from), force === "end" ? "none" : force);
    if (force === "timeout") this.#since = undefined;
    // what begins behind the first byte waits from now on, as it does in `#all`
    else if (this.#undecided && this.#held.length === bytes.length - from) this.#since = since ?? this.#since;
    return out;
  }

  tick(): Uint8Array {
    const { due } = this;
    if (due === undefined || this.#options.clock() < due) return NOTHING;
    this.#since = undefined;
    const out = this.#all(this.#held, "timeout");
    this.#since = undefined; // what waits still can be nothing without another byte
    return out;
  }

  end(): Uint8Array {
    const out = this.#all(this.#held, "end");
    const rest = this.#options.legacy?.decode() ?? "";
    return rest === "" ? out : join([out, this.#encoder.encode(rest)]);
  }

  /** The held bytes come first in `bytes`; what can't be decoded yet is held then. */
  #all(bytes: Uint8Array, force: Force): Uint8Array {
    const waited = this.#undecided && this.#since !== undefined;
    const slab = room(bytes.length * GROWTH + SPARE_BYTES);
    const { bytes: out, words: outWords, used } = slab;
    const words = wordsOf(bytes);
    const cursor: Cursor = { bytes, words, at: 0, out, outWords, used, ...this.#line, sure: 0 };
    this.#undecided = false;
    this.#decode(cursor, force);
    this.#line = { evident: cursor.evident, damaged: cursor.damaged };
    const { at } = cursor;
    if (at > 0) this.#before = bytes[at - 1] ?? 0;
    this.#held = at === bytes.length ? NOTHING : copy(bytes.subarray(at));
    if (!this.#undecided) this.#since = undefined;
    else if (!waited || at > 0) this.#since = this.#options.clock();
    return cursor.used === used ? NOTHING : lend(slab, cursor.used);
  }

  #decode(cursor: Cursor, force: Force): void {
    while (cursor.at < cursor.bytes.length) {
      if (this.#mode === "open") {
        asciiRun(cursor);
        if (cursor.at === cursor.bytes.length || !this.#open(cursor, force)) return;
      }
      const kind = this.#mode;
      const stop = this.#run(cursor, force);
      this.#learn(kind, cursor);
      if (stop === "line") this.#mode = "open";
      else if (stop === "more" && !this.#cutOff(cursor, force)) return;
      else if (stop === "broken" && !this.#broken(cursor, force)) return;
    }
  }

  /** At the first byte above 7F in a line. False where more must come first. */
  #open(cursor: Cursor, force: Force): boolean {
    const { bytes, at } = cursor;
    const end = bytes.length;
    const sure = decideAtOnce(bytes, at, end);
    if (sure !== "open") return this.#decided(cursor, sure);
    return this.#decided(cursor, decide(bytes, at, end, this.#circumstances(cursor, force, 0)));
  }

  #decided(cursor: Cursor, verdict: Verdict): boolean {
    this.#undecided = verdict === "open";
    if (verdict === "open") return false;
    this.#mode = verdict === "utf-8" || verdict === "utf-8 by prior" ? "utf-8" : "legacy";
    cursor.evident = verdict === "utf-8" || verdict === "legacy";
    return true;
  }

  /** A UTF-8 line goes on with what is none: a character cut off in it, or the other encoding. */
  #broken(cursor: Cursor, force: Force): boolean {
    const broken = -utf8Length(cursor.bytes, cursor.at, cursor.bytes.length);
    if (!this.#options.locked) {
      const given = this.#circumstances(cursor, force, broken);
      if (!this.#decided(cursor, decide(cursor.bytes, cursor.at, cursor.bytes.length, given))) return false;
      cursor.damaged = true; // a line of both kinds teaches nothing
      if (this.#mode === "legacy") return true;
    }
    cursor.used = putPoint(cursor.out, cursor.used, REPLACEMENT);
    cursor.at += broken;
    return true;
  }

  #circumstances(cursor: Cursor, force: Force, broken: number) {
    const before = cursor.at > 0 ? (cursor.bytes[cursor.at - 1] ?? 0) : this.#before;
    const gb = this.#options.legacy === undefined;
    return { force, gb, priorGb: this.#priorGb, before, broken };
  }

  #run(cursor: Cursor, force: Force): Stop {
    const { legacy, c1, locked } = this.#options;
    if (this.#mode === "utf-8") return utf8Run(cursor, c1, !locked);
    if (legacy === undefined) return gbRun(cursor, c1);
    return this.#legacyRun(cursor, legacy, force);
  }

  #legacyRun(cursor: Cursor, decoder: TextDecoder, force: Force): Stop {
    const { bytes, at } = cursor;
    const end = bytes.length;
    const feed = bytes.subarray(at, end).indexOf(LF);
    cursor.at = feed < 0 ? end : at + feed + 1;
    const stream = feed < 0 && force !== "end";
    const text = decoder.decode(bytes.subarray(at, cursor.at), { stream });
    const safe = this.#options.c1 === "kept" ? text : text.replace(/[\u0080-\u009f]/g, "\ufffd");
    cursor.damaged ||= safe.includes("\ufffd");
    cursor.used += this.#encoder.encodeInto(safe, cursor.out.subarray(cursor.used)).written;
    if (feed >= 0) lineEnds(cursor);
    return feed < 0 ? "more" : "line";
  }

  /** The input ends, maybe within a character. */
  #cutOff(cursor: Cursor, force: Force): boolean {
    if (cursor.at === cursor.bytes.length || force !== "end") return false;
    cursor.used = putPoint(cursor.out, cursor.used, REPLACEMENT);
    cursor.at = cursor.bytes.length;
    return false;
  }

  #learn(kind: "open" | "utf-8" | "legacy", cursor: Cursor): void {
    const { sure } = cursor;
    cursor.sure = 0;
    if (sure === 0 || kind === "open" || this.#options.stated || this.#options.legacy !== undefined) return;
    const count = (this.#lines[kind] += sure);
    const other = this.#lines[kind === "utf-8" ? "legacy" : "utf-8"];
    if (count >= LINES_TO_LEARN && count > other) this.#priorGb = kind === "legacy";
  }
}

function isAscii(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) {
    if ((bytes[at] ?? 0) >= 0x80) return false;
  }
  return true;
}
