/**
 * Reordering as in RFC 4737: an arrival is reordered where its number is below the highest one until then; its extent is
 * how many arrivals lie between it and the first one that should have come after it. Takes first arrivals only.
 */

/** Highest numbers that are remembered to find an extent; more than these behind counts as these. */
const REMEMBERED = 1024;

export class Order {
  reordered = 0;
  /** Longest extent. */
  extent = 0;
  #arrivals = 0;
  #highest = -1;
  /** Each arrival that was the highest until then: its number, and which arrival it was. */
  readonly #numbers = new Float64Array(REMEMBERED);
  readonly #places = new Float64Array(REMEMBERED);
  #highs = 0;

  arrive(number: number): void {
    const place = this.#arrivals;
    this.#arrivals += 1;
    if (number > this.#highest) {
      this.#highest = number;
      const slot = this.#highs % REMEMBERED;
      this.#numbers[slot] = number;
      this.#places[slot] = place;
      this.#highs += 1;
      return;
    }
    this.reordered += 1;
    this.extent = Math.max(this.extent, place - this.#firstAbove(number));
  }

  /** Which arrival was the first with a higher number; numbers and places grow together, so by halving. */
  #firstAbove(number: number): number {
    let low = Math.max(0, this.#highs - REMEMBERED);
    let high = this.#highs - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#numbers[middle % REMEMBERED] ?? 0) > number) high = middle;
      else low = middle + 1;
    }
    return this.#places[low % REMEMBERED] ?? 0;
  }
}
