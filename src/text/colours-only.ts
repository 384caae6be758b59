/**
 * Program output of which a terminal obeys only colours and line ends: of ECMA-48's control sequences only SGR (8.3.117)
 * passes, of the control characters LF, CR, TAB and BS. The other bytes are UTF-8 and pass as they are, without the
 * characters that turn the writing direction. Where chunks are cut changes nothing.
 */

/** Longest colour sequence that passes, bytes. */
const MOST_COLOUR = 64;

const [BS, TAB, LF, CR, CAN, SUB, ESC, DEL] = [0x08, 0x09, 0x0a, 0x0d, 0x18, 0x1a, 0x1b, 0x7f];
const BEL = 0x07;
/** First bytes of U+0080 to U+00BF, and of U+2000 to U+2FFF. */
const [LEAD_C1, LEAD_BIDI] = [0xc2, 0xe2];
const RESET = Uint8Array.of(ESC, 0x5b, 0x30, 0x6d);
const NOTHING = new Uint8Array(0);

/** In the text; after ESC, and after more of a sequence that has no parameters; in a CSI; in what ST or BEL ends; in a character. */
type State = "text" | "escape" | "short" | "csi" | "string" | "character";

export class ColoursOnly {
  #state: State = "text";
  /** What may pass once it is whole. */
  #held: number[] = [];
  #coloured = false;
  #out: Uint8Array = NOTHING;
  #used = 0;

  push(bytes: Uint8Array): Uint8Array {
    if (this.#state === "text" && bytes.every(isPlain)) return bytes;
    this.#out = new Uint8Array(this.#held.length + bytes.length);
    this.#used = 0;
    for (const byte of bytes) this.#step(byte);
    return this.#out.subarray(0, this.#used);
  }

  /** What is left; the colour is as it was before. */
  end(): Uint8Array {
    const rest = this.#state === "character" ? this.#held : [];
    const reset = this.#coloured ? RESET : NOTHING;
    this.#enter("text");
    this.#coloured = false;
    return Uint8Array.of(...rest, ...reset);
  }

  #step(byte: number): void {
    switch (this.#state) {
      case "text":
        if (byte === ESC) this.#enter("escape", ESC);
        else if (byte === LEAD_C1 || byte === LEAD_BIDI) this.#enter("character", byte);
        else if (byte >= 0x20 ? byte !== DEL : isLayout(byte)) this.#put(byte);
        return;
      case "character":
        return this.#character(byte);
      default:
        return this.#sequence(byte);
    }
  }

  /** C2 and E2 are behind: the control characters U+0080 to U+009F, and those of writing directions, begin so. */
  #character(byte: number): void {
    const [lead, second] = this.#held;
    if (lead === LEAD_C1 && byte >= 0x80 && byte < 0xa0) {
      // the same as ESC and a byte of 7 bits
      return this.#enter(begunBy(byte - 0x40), ESC, byte - 0x40);
    }
    if (lead === LEAD_BIDI && second === undefined && (byte === 0x80 || byte === 0x81)) {
      this.#held.push(byte);
      return;
    }
    // U+202A to U+202E, U+2066 to U+2069
    if (second === 0x80 && byte >= 0xaa && byte <= 0xae) return this.#enter("text");
    if (second === 0x81 && byte >= 0xa6 && byte <= 0xa9) return this.#enter("text");
    for (const held of this.#held) this.#put(held);
    this.#enter("text");
    this.#step(byte);
  }

  #sequence(byte: number): void {
    if (byte === ESC) return this.#enter("escape", ESC);
    // a terminal would wait for the end of it; here no more than a line is lost to one that has none
    if (byte === LF) {
      this.#enter("text");
      return this.#put(byte);
    }
    if (byte === CAN || byte === SUB) return this.#enter("text");
    if (this.#state === "string") {
      if (byte === BEL) this.#enter("text");
      return;
    }
    if (byte >= 0x80) {
      this.#enter("text");
      return this.#step(byte);
    }
    if (byte < 0x20) {
      if (isLayout(byte)) this.#put(byte);
      return;
    }
    if (byte === DEL) return;
    if (this.#state === "csi") this.#csi(byte);
    else if (byte < 0x30) this.#enter("short");
    else this.#enter(this.#state === "escape" ? begunBy(byte) : "text", ESC, byte);
  }

  #csi(byte: number): void {
    if (this.#held.length < MOST_COLOUR) this.#held.push(byte);
    if (byte < 0x40) return;
    const parameters = this.#held.slice(2, -1);
    // digits, colon and semicolon; a whole one ends with its final byte
    if (this.#held.at(-1) === 0x6d && parameters.every((one) => one >= 0x30 && one <= 0x3b)) {
      for (const held of this.#held) this.#put(held);
      this.#coloured = parameters.some((one) => one !== 0x30);
    }
    this.#enter("text");
  }

  #put(byte: number): void {
    this.#out[this.#used++] = byte;
  }

  #enter(state: State, ...held: number[]): void {
    this.#state = state;
    this.#held = held;
  }
}

/** What the byte after ESC begins: `[` a CSI, `]` `P` `X` `^` `_` a string; others are whole with it. */
function begunBy(byte: number): State {
  if (byte === 0x5b) return "csi";
  return [0x5d, 0x50, 0x58, 0x5e, 0x5f].includes(byte) ? "string" : "text";
}

function isPlain(byte: number): boolean {
  if (byte < 0x20) return isLayout(byte);
  return byte !== DEL && byte !== LEAD_C1 && byte !== LEAD_BIDI;
}

function isLayout(byte: number): boolean {
  return byte === LF || byte === CR || byte === TAB || byte === BS;
}
