/** What all streams of program output have in common, whatever they are decoded from; their output is UTF-8. */

/**
 * Bytes in, UTF-8 out. What comes out may be a view of what went in; it is empty where all of it waits. It may be given back
 * (slab.ts).
 */
export interface TextStream {
  push(bytes: Uint8Array): Uint8Array;
  /** When `tick` wants to be called, in the clock's ms; undefined where nothing waits for time to pass. */
  readonly due: number | undefined;
  /** Time has passed: what has waited too long comes out. */
  tick(): Uint8Array;
  /** The end: all that is left; a character that is cut off is one U+FFFD. */
  end(): Uint8Array;
}

/** What stands for a control character U+0080 to U+009F: it must never reach a terminal, where it may begin a sequence. */
export type C1 = "replaced" | "kept";

export const NOTHING = new Uint8Array(0);
export const REPLACEMENT = 0xfffd;

/** Not `slice`: a Buffer's own gives the same memory again. */
export function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

export function join(pieces: readonly Uint8Array[]): Uint8Array {
  const [first = NOTHING, ...others] = pieces;
  if (others.length === 0) return first;
  const whole = new Uint8Array(pieces.reduce((bytes, piece) => bytes + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Nothing is touched. */
export class RawStream implements TextStream {
  readonly due = undefined;

  push(bytes: Uint8Array): Uint8Array {
    return bytes;
  }

  tick(): Uint8Array {
    return NOTHING;
  }

  end(): Uint8Array {
    return NOTHING;
  }
}

/** One encoding from beginning to end, and no guessing. */
export class FixedStream implements TextStream {
  readonly due = undefined;
  readonly #decoder: TextDecoder;
  readonly #encoder = new TextEncoder();
  readonly #c1: C1;

  constructor(decoder: TextDecoder, c1: C1) {
    this.#decoder = decoder;
    this.#c1 = c1;
  }

  push(bytes: Uint8Array): Uint8Array {
    return this.#shown(this.#decoder.decode(bytes, { stream: true }));
  }

  tick(): Uint8Array {
    return NOTHING;
  }

  end(): Uint8Array {
    return this.#shown(this.#decoder.decode());
  }

  #shown(text: string): Uint8Array {
    const safe = this.#c1 === "kept" ? text : text.replace(/[\u0080-\u009f]/g, "\ufffd");
    return this.#encoder.encode(safe);
  }
}
