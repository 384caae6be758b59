import { SockError } from "../errors.ts";

/** Most digits of a length: 2^53 has 16. */
const MAX_DIGITS = 16;
const ZERO = 0x30;
const NINE = 0x39;

/**
 * An answer that is led by its length in digits, which nothing ends.
 *
 * Every beginning of the leading digits may be the length. One is refuted when more bytes are there than it says. The
 * answer has ended where one fits exactly and no longer one is possible; where a longer one still is, only a pause tells.
 * No two can fit the same bytes: a digit more makes the length ten times as long.
 */
export class TextLength {
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #digits = "";
  /** A byte that is no digit has come: there are no more digits than `#digits`. */
  #closed = false;
  /** Digits of the length, once that is certain, and bytes of the body given out. */
  #known: { readonly length: number; readonly digits: number } | undefined;
  #given = 0;
  #skipped = false;

  get empty(): boolean {
    return this.#bytes === 0;
  }

  /** Bytes that wait. */
  get held(): number {
    return this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
  }

  get ended(): boolean {
    return this.#known !== undefined && this.#given === this.#known.length;
  }

  /** One length fits what has come; only a pause can confirm it. */
  get mayEnd(): boolean {
    return this.#fitting() !== undefined;
  }

  /** Throws `protocol` for what is led by no digits. */
  push(bytes: Uint8Array): void {
    for (const byte of this.#closed ? [] : bytes) {
      if (byte < ZERO || byte > NINE || this.#digits.length === MAX_DIGITS || this.#digits === "0") {
        this.#closed = true;
        break;
      }
      this.#digits += String.fromCharCode(byte);
    }
    if (this.#digits === "") {
      throw new SockError("protocol", "the peer leads its answer with no digits", "another --dialect?");
    }
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    this.#decide();
  }

  /** The bytes that certainly are of the body. Throws `protocol` for what is behind it. */
  *taken(): Generator<Uint8Array> {
    if (this.#known === undefined) return;
    const whole = Buffer.concat(this.#pieces);
    this.#pieces = [];
    const start = this.#given === 0 && !this.#skipped ? this.#known.digits : 0;
    this.#skipped = true;
    const body = whole.subarray(start, start + this.#known.length - this.#given);
    this.#given += body.length;
    if (body.length > 0) yield body;
    if (whole.length - start > body.length) throw tooMuch();
  }

  /** Nothing more comes: the rest of the body. Throws `cut` where no length fits. */
  end(): Uint8Array {
    const digits = this.#known === undefined ? this.#fitting() : undefined;
    if (digits !== undefined) return Buffer.concat(this.#pieces).subarray(digits);
    const said = this.#known?.length ?? Number(this.#digits);
    const come = this.#bytes - (this.#known?.digits ?? this.#digits.length);
    throw new SockError(
      "cut",
      `the peer says ${said} bytes, and ${come} have come`,
      "where the length sticks to a body that begins with digits, nothing tells them apart",
    );
  }

  #fits(digits: number): number {
    return digits + Number(this.#digits.slice(0, digits));
  }

  /** The count of leading digits that are a length which is exactly met. */
  #fitting(): number | undefined {
    for (let digits = 1; digits <= this.#digits.length; digits++) {
      if (this.#fits(digits) === this.#bytes) return digits;
    }
    return undefined;
  }

  #decide(): void {
    if (this.#known !== undefined) return;
    if (this.#digits === "0") this.#closed = true;
    if (!this.#closed) return;
    const possible: number[] = [];
    for (let digits = 1; digits <= this.#digits.length; digits++) {
      if (this.#fits(digits) >= this.#bytes) possible.push(digits);
    }
    const [only, second] = possible;
    if (only === undefined) {
      throw tooMuch();
    }
    if (second === undefined) this.#known = { digits: only, length: Number(this.#digits.slice(0, only)) };
  }
}

function tooMuch(): SockError {
  return new SockError("protocol", "the peer has sent more than the length that leads its answer says");
}
