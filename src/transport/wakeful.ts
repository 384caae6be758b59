import { datagramCalls } from "../os/datagrams.ts";

/**
 * Keeps the event loop awake for a moment where the next frame is likely to come within it, as the one before did: to fall asleep
 * and to be woken up takes longer than such a round trip itself.
 */
export class Wakeful {
  readonly #ms: number;
  #cameAt = Number.NEGATIVE_INFINITY;
  #until = 0;
  #isAwake = false;

  /** The longest moment. */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** A frame came. */
  came(): void {
    const now = performance.now();
    const isQuick = now - this.#cameAt <= this.#ms;
    this.#cameAt = now;
    if (!isQuick) return;
    this.#until = now + this.#ms;
    if (this.#isAwake) return;
    this.#isAwake = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isAwake = performance.now() < this.#until;
    if (!this.#isAwake) return;
    // who is awaited may be waiting for this very processor
    datagramCalls()?.yield();
    setImmediate(this.#turn);
  };
}
