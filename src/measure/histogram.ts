/**
 * A histogram of whole numbers in fixed memory, after G. Tene's HdrHistogram (hdrhistogram.org): values below 2048 have a
 * bucket each; above, every power of two is cut into 1024 buckets of equal width, so a bucket is never wider than 1/1024
 * of its values: three significant digits. Minimum, maximum, count and sum are exact.
 */
import { SockError } from "../errors.ts";

const SUB_BUCKETS = 1024;
const SUB_BUCKET_BITS = 10;
/** Bits of the highest value with a bucket of its kind: 2^43 ns are 2.4 h. All higher ones share the one bucket more. */
const HIGHEST_BITS = 43;
const HIGHEST = 2 ** HIGHEST_BITS - 1;
const BUCKETS = (HIGHEST_BITS - SUB_BUCKET_BITS + 1) * SUB_BUCKETS + 1;
const TWO_32 = 2 ** 32;
/** Leading zeros, of 32, of the numbers that fill a sub-bucket's index exactly (1024 to 2047). */
const LEADING_ZEROS = 32 - SUB_BUCKET_BITS - 1;
const WIDE_SHIFT = HIGHEST_BITS - 32;

// Places in the totals.
const COUNT = 0;
const SUM = 1;
const MIN = 2;
const MAX = 3;

export class Histogram {
  // Doubles: counts stay exact to 2^53, and 272 KiB a histogram do not matter.
  readonly #counts = new Float64Array(BUCKETS);
  // In an array as well, because a double in a field of its own is a new heap object each time it changes (half the speed).
  readonly #totals = Float64Array.of(0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);

  /** Takes one value >= 0, in the unit of the caller's choice; a fraction is dropped. Throws `internal` for others. */
  record(value: number): void {
    if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) {
      throw new SockError("internal", "a histogram takes no such value");
    }
    const whole = Math.floor(value);
    const totals = this.#totals;
    add(this.#counts, indexOf(whole), 1);
    add(totals, COUNT, 1);
    add(totals, SUM, whole);
    if (whole < at(totals, MIN)) totals[MIN] = whole;
    if (whole > at(totals, MAX)) totals[MAX] = whole;
  }

  /** Adds all that the other one has seen. */
  merge(other: Histogram): void {
    for (let index = 0; index < BUCKETS; index++) add(this.#counts, index, at(other.#counts, index));
    add(this.#totals, COUNT, other.count);
    add(this.#totals, SUM, at(other.#totals, SUM));
    this.#totals[MIN] = Math.min(at(this.#totals, MIN), at(other.#totals, MIN));
    this.#totals[MAX] = Math.max(at(this.#totals, MAX), at(other.#totals, MAX));
  }

  get count(): number {
    return at(this.#totals, COUNT);
  }

  get min(): number | undefined {
    return this.count === 0 ? undefined : at(this.#totals, MIN);
  }

  get max(): number | undefined {
    return this.count === 0 ? undefined : at(this.#totals, MAX);
  }

  get mean(): number | undefined {
    return this.count === 0 ? undefined : at(this.#totals, SUM) / this.count;
  }

  /**
   * The value that `percent` (0 to 100) of all values don't exceed, by nearest rank: the ceil(percent / 100 x count)th in
   * order, the smallest one for 0. At most 1/1024 above the true one, never below it. Undefined while there is none.
   */
  percentile(percent: number): number | undefined {
    const count = this.count;
    if (count === 0) return undefined;
    // 99.9 % of 41,000 is the 40,959th, though the product comes out as 40959.00000000001.
    const exact = (percent * count) / 100;
    const rank = Math.min(count, Math.ceil(exact - exact * Number.EPSILON * 2));
    if (rank <= 1) return at(this.#totals, MIN);
    const max = at(this.#totals, MAX);
    let seen = 0;
    for (let index = 0; index < BUCKETS - 1; index++) {
      seen += at(this.#counts, index);
      if (seen >= rank) return Math.min(highestOf(index), max);
    }
    return max;
  }

  /** How many values are below each of the limits, which ascend; those of a bucket that a limit cuts are not. */
  below(limits: readonly number[]): number[] {
    let index = 0;
    let seen = 0;
    return limits.map((limit) => {
      for (; index < BUCKETS - 1 && highestOf(index) < limit; index++) seen += at(this.#counts, index);
      return seen;
    });
  }
}

function at(numbers: Float64Array, index: number): number {
  return numbers[index] ?? 0;
}

function add(numbers: Float64Array, index: number, amount: number): void {
  numbers[index] = at(numbers, index) + amount;
}

function indexOf(whole: number): number {
  if (whole < 2 * SUB_BUCKETS) return whole;
  if (whole < TWO_32) {
    const shift = LEADING_ZEROS - Math.clz32(whole);
    return shift * SUB_BUCKETS + (whole >>> shift);
  }
  if (whole > HIGHEST) return BUCKETS - 1;
  // Bit operations know 32 bits: first away with those that are below every bucket's width here.
  const high = Math.floor(whole / 2 ** WIDE_SHIFT);
  const shift = LEADING_ZEROS - Math.clz32(high);
  return (shift + WIDE_SHIFT) * SUB_BUCKETS + (high >>> shift);
}

/** The highest value that falls into a bucket. */
function highestOf(index: number): number {
  if (index < 2 * SUB_BUCKETS) return index;
  const shift = Math.floor(index / SUB_BUCKETS) - 1;
  return (index - shift * SUB_BUCKETS + 1) * 2 ** shift - 1;
}
