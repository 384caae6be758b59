import type { Impairment } from "./impairment.ts";
import { flowSeed, randomFrom } from "./random.ts";

/** A piece of a stream that is written at a time, ms; `reset`: the connection breaks instead. */
export interface Write {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly reset: boolean;
}

/** One direction of a connection, made worse. The order of its bytes never changes. */
export class ImpairedStream {
  readonly #how: Impairment;
  readonly #random: () => number;
  #last = 0;
  /** When the line is free again, ms. */
  #free = 0;
  /** What came up to then leaves together, ms. */
  #window = 0;
  #stalled = false;

  constructor(how: Impairment, seed: number, flow = 0) {
    this.#how = how;
    this.#random = randomFrom(flowSeed(seed, flow));
  }

  /** Most bytes of one write (`split`); 0: any number. */
  get split(): number {
    return this.#how.split;
  }

  /** Whether writes of the same time are made one. */
  get joins(): boolean {
    return this.#how.coalesce > 0;
  }

  /** When the bytes of one write leave. `stall` stops in the middle of the first one, once. */
  write(bytes: Uint8Array, now: number): Write[] {
    const { reset, stall } = this.#how;
    const broken = this.#random() < reset;
    const shift = this.#random();
    if (broken) return [{ at: Math.max(now, this.#last), bytes, reset: true }];
    if (stall === 0 || this.#stalled || bytes.length < 2) return [this.#leave(bytes, now, shift)];
    this.#stalled = true;
    const half = bytes.length >> 1;
    const first = this.#leave(bytes.subarray(0, half), now, shift);
    this.#last = first.at + stall;
    return [first, this.#leave(bytes.subarray(half), now, shift)];
  }

  #leave(bytes: Uint8Array, now: number, shift: number): Write {
    const { delay, jitter, coalesce, rate } = this.#how;
    if (coalesce > 0 && now >= this.#window) this.#window = now + coalesce;
    const gathered = coalesce > 0 ? this.#window : now;
    const at = Math.max(gathered + delay + jitter * (2 * shift - 1), now, this.#last, this.#free);
    if (rate > 0) this.#free = at + (bytes.length * 8 * 1000) / rate;
    this.#last = at;
    return { at, bytes, reset: false };
  }
}
