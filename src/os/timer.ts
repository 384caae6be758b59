/** Longest time of a timer, ms: a longer one would be over at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** A pause that may be cut short; one at a time. */
export class Pause {
  #cut: () => void = () => undefined;

  /** Until that time of `performance.now()`, a cut, or the longest time of a timer. */
  async until(at: number): Promise<void> {
    const pause = at - performance.now();
    if (pause <= 0) return;
    await new Promise<void>((resolve) => {
      // a timer drops the fraction, and would be early
      const timer = setTimeout(resolve, Math.min(Math.ceil(pause), MAX_TIMER_MS));
      this.#cut = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  cut(): void {
    this.#cut();
  }
}
