/** Percentiles by nearest rank: of the values themselves up to a million, beyond that from a histogram (1/1024 wide). */
import { Histogram } from "./histogram.ts";

const MOST_EXACT = 2 ** 20;
const FIRST_ROOM = 1024;

export class Samples {
  #values = new Float64Array(FIRST_ROOM);
  #count = 0;
  #sorted = true;
  #histogram: Histogram | undefined;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  /** One value >= 0, a whole number in the unit of the caller's choice. */
  record(value: number): void {
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (this.#histogram === undefined && this.#count === MOST_EXACT) {
      this.#histogram = new Histogram();
      for (const old of this.#values) this.#histogram.record(old);
      this.#values = new Float64Array(0);
    }
    this.#count += 1;
    if (this.#histogram !== undefined) {
      this.#histogram.record(value);
      return;
    }
    if (this.#count > this.#values.length) {
      const more = new Float64Array(2 * this.#values.length);
      more.set(this.#values);
      this.#values = more;
    }
    this.#values[this.#count - 1] = value;
    this.#sorted = false;
  }

  get count(): number {
    return this.#count;
  }

  get min(): number | null {
    return this.#count === 0 ? null : this.#min;
  }

  get max(): number | null {
    return this.#count === 0 ? null : this.#max;
  }

  get mean(): number | null {
    return this.#count === 0 ? null : this.#sum / this.#count;
  }

  /** How many values are below each of the limits, which ascend. */
  below(limits: readonly number[]): number[] {
    if (this.#histogram !== undefined) return this.#histogram.below(limits);
    this.#sort();
    let at = 0;
    return limits.map((limit) => {
      while (at < this.#count && (this.#values[at] ?? 0) < limit) at += 1;
      return at;
    });
  }

  /** The value that `percent` (above 0, to 100) of all values don't exceed; null while there is none. */
  percentile(percent: number): number | null {
    if (this.#count === 0) return null;
    if (this.#histogram !== undefined) return this.#histogram.percentile(percent) ?? null;
    this.#sort();
    // 99.9 % of 41,000 is the 40,959th, though the product comes out as 40959.00000000001
    const exact = (percent * this.#count) / 100;
    const rank = Math.abs(exact - Math.round(exact)) < 1e-6 ? Math.round(exact) : Math.ceil(exact);
    return this.#values[Math.max(1, rank) - 1] ?? null;
  }

  #sort(): void {
    if (!this.#sorted) this.#values.subarray(0, this.#count).sort();
    this.#sorted = true;
  }
}
