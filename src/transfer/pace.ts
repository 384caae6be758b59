/** So often somebody who waits looks whether there is still something to wait for, ms. */
const LOOK_MS = 100;

/** A pause that became too long is made up for, up to so much, ms. */
const CREDIT_MS = 100;

/** Holds bytes back so that no more than so many a second go on: the time that they take is waited for afterwards. */
export class Pace {
  readonly #bytesPerSecond: number;
  #free = performance.now();

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** What to wait for before the next bytes, after these, unless it `isOver` before; undefined where that is nothing. */
  took(bytes: number, isOver: () => boolean): Promise<void> | undefined {
    const now = performance.now();
    this.#free = Math.max(this.#free, now - CREDIT_MS) + (bytes / this.#bytesPerSecond) * 1000;
    return this.#free - now < 1 ? undefined : waitUntil(this.#free, isOver);
  }
}

async function waitUntil(time: number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const ms = time - performance.now();
    if (ms <= 0) return;
    await new Promise((resolve) => setTimeout(resolve, Math.min(ms, LOOK_MS)));
  }
}
