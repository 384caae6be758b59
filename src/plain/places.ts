import { MAX_PLAIN_WAITING } from "./limits.ts";

export type WhenFull = "close" | "wait";

/** Places for clients: the next one waits for its turn, or is turned away. */
export class Places {
  readonly #most: number;
  readonly #whenFull: WhenFull;
  #taken = 0;
  #waiting: { start: () => void }[] = [];

  constructor(most: number, whenFull: WhenFull) {
    this.#most = most;
    this.#whenFull = whenFull;
  }

  get taken(): number {
    return this.#taken;
  }

  /** True with a place; false where there is none and none will be. `gone` is called with what ends the wait. */
  async take(onWait: (leave: () => void) => void): Promise<boolean> {
    if (this.#taken < this.#most) {
      this.#taken += 1;
      return true;
    }
    if (this.#whenFull === "close" || this.#waiting.length >= MAX_PLAIN_WAITING) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const turn = { start: () => resolve(true) };
    this.#waiting.push(turn);
    onWait(() => {
      const at = this.#waiting.indexOf(turn);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      resolve(false);
    });
    return promise;
  }

  /** The place goes to whoever has waited longest. */
  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else next.start();
  }
}
