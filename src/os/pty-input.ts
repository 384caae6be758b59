/**
 * Keys on their way to a program in a terminal. Bun's terminal takes whatever it is given into memory, and says that it has
 * passed it on, but not always (1.4.5: never after a write of which the system took a part); so it is given little at a time.
 */

/** Bytes that the terminal may hold for a program that does not read. */
const WINDOW = 64 * 1024;
const PIECE = 4096;
/** How often a terminal that holds as much is asked, ms: with one byte, which it tells of when it has passed on all. */
const ASK_MS = 50;

export class PtyInput {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #given: (bytes: number) => void;
  readonly #queue: Uint8Array[] = [];
  #waiting = 0;
  /** Given to the terminal, and not known to be passed on. */
  #held = 0;
  #asking: ReturnType<typeof setTimeout> | undefined;
  #pumping = false;

  /** `given` hears of all that the terminal was given. */
  constructor(write: (bytes: Uint8Array) => void, given: (bytes: number) => void) {
    this.#write = write;
    this.#given = given;
  }

  /** Bytes that it was not given yet. */
  get waiting(): number {
    return this.#waiting;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#waiting += bytes.length;
    this.#pump();
  }

  /** The terminal has passed on everything. */
  drained(): void {
    this.#held = 0;
    this.#pump();
  }

  /** What it was not given is forgotten; returns how much that is. */
  clear(): number {
    const bytes = this.#waiting;
    this.#queue.length = 0;
    this.#waiting = 0;
    clearTimeout(this.#asking);
    this.#asking = undefined;
    return bytes;
  }

  #pump(): void {
    // the terminal may say `drained` before its write returns
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#waiting > 0 && this.#held < WINDOW) this.#give(PIECE);
    this.#pumping = false;
    if (this.#waiting > 0) this.#asking ??= setTimeout(() => this.#ask(), ASK_MS);
  }

  #ask(): void {
    this.#asking = undefined;
    if (this.#waiting > 0) this.#give(1);
    this.#pump();
  }

  #give(most: number): void {
    const [first] = this.#queue;
    if (first === undefined) return;
    const piece = first.subarray(0, most);
    if (piece.length === first.length) this.#queue.shift();
    else this.#queue[0] = first.subarray(piece.length);
    this.#waiting -= piece.length;
    this.#held += piece.length;
    this.#given(piece.length);
    this.#write(piece);
  }
}
