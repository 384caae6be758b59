/** How much delay varies from one datagram to the next, in the unit of the delays that it is given. */
import { Samples } from "./samples.ts";

/** Delays of the latest numbers that are remembered to find the neighbours of one that comes out of order. */
const REMEMBERED = 4096;
/** RFC 3550, section 6.4.1. */
const GAIN = 1 / 16;

export class Jitter {
  /** |difference| of the delays of two consecutive numbers that both arrived (RFC 3393's ipdv, without its sign). */
  readonly ipdv = new Samples();
  /** RFC 3550's running estimate, over arrivals in their order. */
  rfc3550 = 0;
  readonly #numbers = new Float64Array(REMEMBERED).fill(-1);
  readonly #delays = new Float64Array(REMEMBERED);
  #last = -1;

  /** The first arrival of a number. */
  record(number: number, delay: number): void {
    const slot = number % REMEMBERED;
    this.#numbers[slot] = number;
    this.#delays[slot] = delay;
    for (const neighbour of [number - 1, number + 1]) {
      const other = neighbour % REMEMBERED;
      if (neighbour < 0 || this.#numbers[other] !== neighbour) continue;
      this.ipdv.record(Math.abs(delay - (this.#delays[other] ?? 0)));
    }
    if (this.#last >= 0) this.rfc3550 += (Math.abs(delay - this.#last) - this.rfc3550) * GAIN;
    this.#last = delay;
  }
}
