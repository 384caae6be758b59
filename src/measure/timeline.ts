/**
 * A run as a row of points, thinned while it goes on, in memory that does not grow with it: each point stands for the same
 * number of datagrams one after another, and where there is no room for one more, neighbours become one.
 */
import { SockError } from "../errors.ts";
import type { FATES } from "./round-trips.ts";

/** Even. A run of no more datagrams than this has a point for each. */
export const MOST_POINTS = 2048;

/** Times in us. */
export interface Point {
  /** When its first one was sent, from the start of the run. */
  readonly at: number;
  readonly sent: number;
  /** Round trips, and the least, mean and longest of them; null where there is none. */
  readonly received: number;
  readonly min: number | null;
  readonly mean: number | null;
  readonly max: number | null;
  readonly lost: number;
  readonly corrupt: number;
  readonly delayed: number;
  readonly copies: number;
  readonly overtaken: number;
}

export class Timeline {
  /** Datagrams that a point stands for; the last one may stand for fewer. */
  width = 1;
  #sent = 0;
  readonly #at = new Float64Array(MOST_POINTS);
  readonly #received = new Float64Array(MOST_POINTS);
  readonly #sum = new Float64Array(MOST_POINTS);
  readonly #min = new Float64Array(MOST_POINTS).fill(Number.POSITIVE_INFINITY);
  readonly #max = new Float64Array(MOST_POINTS).fill(Number.NEGATIVE_INFINITY);
  readonly #copies = new Float64Array(MOST_POINTS);
  readonly #overtaken = new Float64Array(MOST_POINTS);

  /** The next number goes out, us from the start of the run. */
  send(at: number): void {
    if (this.#sent === MOST_POINTS * this.width) this.#halve();
    if (this.#sent % this.width === 0) this.#at[this.#sent / this.width] = at;
    this.#sent += 1;
  }

  /** The one round trip of a number. */
  reply(number: number, rtt: number): void {
    const place = this.#place(number);
    add(this.#received, place, 1);
    add(this.#sum, place, rtt);
    this.#min[place] = Math.min(value(this.#min, place), rtt);
    this.#max[place] = Math.max(value(this.#max, place), rtt);
  }

  /** Something came back for it once more. */
  copy(number: number): void {
    add(this.#copies, this.#place(number), 1);
  }

  /** It came back after a later one. */
  overtaken(number: number): void {
    add(this.#overtaken, this.#place(number), 1);
  }

  /** In order. `fate` says what became of a number; without it, what did not come back is lost. */
  points(fate?: (number: number) => (typeof FATES)[number]): Point[] {
    return Array.from({ length: Math.ceil(this.#sent / this.width) }, (_, place) => {
      const first = place * this.width;
      const sent = Math.min(this.width, this.#sent - first);
      const received = value(this.#received, place);
      const fates = { lost: 0, corrupt: 0, delayed: 0, received: 0 };
      if (fate === undefined) fates.lost = sent - received;
      else for (let number = first; number < first + sent; number++) fates[fate(number)] += 1;
      return {
        at: value(this.#at, place),
        sent,
        received,
        min: received === 0 ? null : value(this.#min, place),
        mean: received === 0 ? null : value(this.#sum, place) / received,
        max: received === 0 ? null : value(this.#max, place),
        lost: fates.lost,
        corrupt: fates.corrupt,
        delayed: fates.delayed,
        copies: value(this.#copies, place),
        overtaken: value(this.#overtaken, place),
      };
    });
  }

  #place(number: number): number {
    if (number < this.#sent) return Math.floor(number / this.width);
    throw new SockError("internal", "a reply to what was not sent");
  }

  #halve(): void {
    this.width *= 2;
    for (let place = 0; place < MOST_POINTS / 2; place++) {
      const [one, other] = [2 * place, 2 * place + 1];
      this.#at[place] = value(this.#at, one);
      this.#min[place] = Math.min(value(this.#min, one), value(this.#min, other));
      this.#max[place] = Math.max(value(this.#max, one), value(this.#max, other));
      for (const sums of [this.#received, this.#sum, this.#copies, this.#overtaken]) {
        sums[place] = value(sums, one) + value(sums, other);
      }
    }
    this.#min.fill(Number.POSITIVE_INFINITY, MOST_POINTS / 2);
    this.#max.fill(Number.NEGATIVE_INFINITY, MOST_POINTS / 2);
    for (const sums of [this.#received, this.#sum, this.#copies, this.#overtaken]) {
      sums.fill(0, MOST_POINTS / 2);
    }
  }
}

function value(values: Float64Array, place: number): number {
  return values[place] ?? 0;
}

function add(values: Float64Array, place: number, amount: number): void {
  values[place] = value(values, place) + amount;
}

/** The same run in at most `most` points, for those who read figures. */
export function coarser(points: readonly Point[], most: number): Point[] {
  const together = Math.ceil(points.length / most);
  return Array.from({ length: Math.ceil(points.length / Math.max(1, together)) }, (_, place) =>
    points.slice(place * together, (place + 1) * together).reduce(joined),
  );
}

function joined(one: Point, other: Point): Point {
  const received = one.received + other.received;
  const sum = (one.mean ?? 0) * one.received + (other.mean ?? 0) * other.received;
  return {
    at: one.at,
    sent: one.sent + other.sent,
    received,
    min: extreme(Math.min, one.min, other.min),
    mean: received === 0 ? null : sum / received,
    max: extreme(Math.max, one.max, other.max),
    lost: one.lost + other.lost,
    corrupt: one.corrupt + other.corrupt,
    delayed: one.delayed + other.delayed,
    copies: one.copies + other.copies,
    overtaken: one.overtaken + other.overtaken,
  };
}

function extreme(
  of: (a: number, b: number) => number,
  one: number | null,
  other: number | null,
): number | null {
  if (one === null || other === null) return one ?? other;
  return of(one, other);
}
