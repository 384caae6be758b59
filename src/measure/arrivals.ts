/** The server's account of one run: each number once, copies apart, order as it came. */
import { Order } from "./order.ts";
import { ABSENT, type Fate, Window } from "./window.ts";

/** Fates of a number, the better ones higher: a later copy may improve it. */
const CORRUPT = 1;
const LIMITED = 2;
const ANSWERED = 3;

/** A rate with a burst: a bucket that fills with time. */
export class Allowance {
  readonly #perMs: number;
  readonly #most: number;
  #left: number;
  #at: number;

  /** `now` in ms, of a monotonic clock. */
  constructor(perSecond: number, most: number, now: number) {
    this.#perMs = perSecond / 1000;
    this.#most = most;
    this.#left = most;
    this.#at = now;
  }

  take(now: number): boolean {
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

export class Arrivals {
  answered = 0;
  corrupt = 0;
  limited = 0;
  duplicates = 0;
  readonly #order = new Order();
  readonly #window: Window;

  constructor(window: number) {
    this.#window = new Window(window);
  }

  get reordered(): number {
    return this.#order.reordered;
  }

  get extent(): number {
    return this.#order.extent;
  }

  /**
   * Whether this copy of a number is to be answered: the first whole one. `allow` is asked only for one that would be.
   * One that is too far back to be known is taken for a copy.
   */
  arrive(number: number, intact: boolean, allow: () => boolean): boolean {
    if (this.#window.isForgotten(number)) {
      this.duplicates += 1;
      return false;
    }
    const before = this.#window.get(number);
    if (before === ABSENT) this.#order.arrive(number);
    else this.duplicates += 1;
    if (before === ANSWERED) return false;
    const fate = intact ? (allow() ? ANSWERED : LIMITED) : CORRUPT;
    if (fate <= before) return false;
    this.#count(before, -1);
    this.#count(fate, 1);
    this.#window.set(number, fate);
    return fate === ANSWERED;
  }

  #count(fate: Fate, change: number): void {
    if (fate === CORRUPT) this.corrupt += change;
    if (fate === LIMITED) this.limited += change;
    if (fate === ANSWERED) this.answered += change;
  }
}
