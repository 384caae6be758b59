/** Holds bytes back so that no more than so many a second go on: the time that they take is waited for afterwards. */
export class Pace {
  readonly #bytesPerSecond: number;
  #free = performance.now();

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** What to wait for before the next bytes, after these; undefined where that is nothing. */
  took(bytes: number): Promise<void> | undefined {
    const now = performance.now();
    this.#free = Math.max(this.#free, now) + (bytes / this.#bytesPerSecond) * 1000;
    const ms = this.#free - now;
    return ms < 1 ? undefined : new Promise((resolve) => setTimeout(resolve, ms));
  }
}
