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

/** Looks in which a silence is counted: a process that was stopped, or had no turn, has missed one of them and not all. */
const LOOKS = 6;

/** Calls `over` once, when nothing was heard for so long. */
export class Silence {
  readonly #lookMs: number;
  readonly #over: () => void;
  readonly #isExcused: () => boolean;
  #looks = 0;
  #timer: ReturnType<typeof setTimeout>;

  /** Where it `isExcused`, a look does not count. */
  constructor(ms: number, over: () => void, isExcused = (): boolean => false) {
    this.#lookMs = ms / LOOKS;
    this.#over = over;
    this.#isExcused = isExcused;
    this.#timer = this.#next();
  }

  heard(): void {
    this.#looks = 0;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #next(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#looks = this.#isExcused() ? 0 : this.#looks + 1;
      if (this.#looks >= LOOKS) this.#over();
      else this.#timer = this.#next();
    }, this.#lookMs);
  }
}
