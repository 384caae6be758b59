/** What became of the latest numbers of a run, two bits each, in memory that does not grow with the run. */

/** A number that has not come, or is so far back that it is not known any more. */
export const ABSENT = 0;
export type Fate = 0 | 1 | 2 | 3;

export class Window {
  readonly #size: number;
  readonly #bits: Uint8Array;
  /** One above the highest number that was set. */
  #end = 0;

  /** Remembers the `size` numbers up to the highest; rounded up to a multiple of 4. */
  constructor(size: number) {
    this.#size = Math.ceil(size / 4) * 4;
    this.#bits = new Uint8Array(this.#size / 4);
  }

  /** Whether a number is too far back to be told from one that came already. */
  isForgotten(number: number): boolean {
    return number < this.#end - this.#size;
  }

  get(number: number): Fate {
    if (number >= this.#end || this.isForgotten(number)) return ABSENT;
    const slot = number % this.#size;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- two bits
    return (((this.#bits[slot >> 2] ?? 0) >> (2 * (slot & 3))) & 3) as Fate;
  }

  set(number: number, fate: Fate): void {
    if (this.isForgotten(number)) return;
    if (number >= this.#end) this.#advance(number);
    this.#put(number, fate);
  }

  #advance(number: number): void {
    if (number - this.#end >= this.#size) this.#bits.fill(0);
    else for (let at = this.#end; at <= number; at++) this.#put(at, ABSENT);
    this.#end = number + 1;
  }

  #put(number: number, fate: Fate): void {
    const slot = number % this.#size;
    const shift = 2 * (slot & 3);
    this.#bits[slot >> 2] = ((this.#bits[slot >> 2] ?? 0) & ~(3 << shift)) | (fate << shift);
  }
}
