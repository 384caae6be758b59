import type { Impairment } from "./impairment.ts";
import { flowSeed, randomFrom } from "./random.ts";

/** A datagram that leaves at a time, ms, and where to. */
export interface Departure<Where> {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly where: Where;
}

/** One that is held back for the next to overtake it leaves by itself after this, ms; clients wait 200 ms and more. */
export const HELD_MS = 100;

/**
 * One flow of datagrams, made worse. Each datagram takes the same five numbers from the row, whatever becomes of it, so
 * that the fate of the n-th one depends on the seed and n alone.
 *
 * `reorder` holds a datagram until the next one has left: it comes one late, which RFC 4737 counts as one reordered.
 * `jitter` alone never lets one overtake another.
 */
export class ImpairedDatagrams<Where> {
  readonly #how: Impairment;
  readonly #random: () => number;
  #held: { readonly bytes: Uint8Array; readonly where: Where; readonly until: number } | undefined;
  #last = 0;
  /** When the line is free again, ms. */
  #free = 0;

  constructor(how: Impairment, seed: number, flow = 0) {
    this.#how = how;
    this.#random = randomFrom(flowSeed(seed, flow));
  }

  /** When the one that is held leaves without being overtaken, ms; undefined where none is. `late` takes it. */
  get due(): number | undefined {
    return this.#held?.until;
  }

  /** What leaves, and when, now that this one is sent. */
  send(bytes: Uint8Array, now: number, where: Where): Departure<Where>[] {
    const { drop, dup, reorder, corrupt, delay, jitter } = this.#how;
    const random = this.#random;
    const [dropped, doubled, held, damaged, shift] = [
      random() < drop,
      random() < dup,
      random() < reorder,
      random(),
      random(),
    ];
    if (dropped) return [];
    const sent = damaged < corrupt ? flipped(bytes, damaged / corrupt) : bytes;
    if (held && this.#held === undefined) {
      this.#held = { bytes: new Uint8Array(sent), where, until: now + delay + HELD_MS };
      return [];
    }
    const at = Math.max(now + delay + jitter * (2 * shift - 1), now, this.#last);
    const departures = [this.#leave(sent, where, at)];
    if (doubled) departures.push(this.#leave(sent, where, at));
    if (this.#held !== undefined) departures.push(this.#leave(this.#held.bytes, this.#held.where, at));
    this.#held = undefined;
    return departures;
  }

  /** The one that was held, when nothing has overtaken it in time. */
  late(now: number): Departure<Where>[] {
    const held = this.#held;
    if (held === undefined || held.until > now) return [];
    this.#held = undefined;
    return [this.#leave(held.bytes, held.where, now)];
  }

  #leave(bytes: Uint8Array, where: Where, at: number): Departure<Where> {
    const { rate } = this.#how;
    const leaves = Math.max(at, this.#free);
    if (rate > 0) this.#free = leaves + (bytes.length * 8 * 1000) / rate;
    this.#last = leaves;
    return { at: leaves, bytes, where };
  }
}

/** The same with one bit turned round; `where` from 0 to 1 says which. */
function flipped(bytes: Uint8Array, where: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  const bit = Math.floor(where * copy.length * 8);
  const at = Math.min(bit >> 3, copy.length - 1);
  if (at >= 0) copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7));
  return copy;
}
