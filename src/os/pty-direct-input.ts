/** Keys on their way to a program in a terminal, where it can be seen how many the terminal takes. */

const PIECE = 4096;
/** A full terminal is asked again after this, twice as long each time, ms. */
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 20;

export class PtyDirectInput {
  readonly #write: (bytes: Uint8Array) => number;
  readonly #given: (bytes: number) => void;
  readonly #queue: Uint8Array[] = [];
  #waiting = 0;
  #pause = FIRST_PAUSE_MS;
  #asking: ReturnType<typeof setTimeout> | undefined;

  /** `write` returns how many bytes were taken; `given` hears of them. */
  constructor(write: (bytes: Uint8Array) => number, given: (bytes: number) => void) {
    this.#write = write;
    this.#given = given;
  }

  get waiting(): number {
    return this.#waiting;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#waiting += bytes.length;
    if (this.#asking === undefined) this.#pump();
  }

  /** What was not taken is forgotten; returns how much that is. */
  clear(): number {
    const bytes = this.#waiting;
    this.#queue.length = 0;
    this.#waiting = 0;
    clearTimeout(this.#asking);
    this.#asking = undefined;
    return bytes;
  }

  #pump(): void {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const taken = this.#write(first.subarray(0, PIECE));
      if (taken === 0) return this.#later();
      this.#pause = FIRST_PAUSE_MS;
      this.#waiting -= taken;
      if (taken === first.length) this.#queue.shift();
      else this.#queue[0] = first.subarray(taken);
      this.#given(taken);
    }
  }

  #later(): void {
    this.#asking = setTimeout(() => {
      this.#asking = undefined;
      this.#pump();
    }, this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
  }
}
