/** Sends at fixed times (open loop): one that is late is sent at once, and the next ones keep their own times. */

/** Timers sleep whole ms and wake a little late: below this the rest of the way is spun, ms. */
const SPIN_MS = 0.6;
/** Where there is time enough between two sends, up to this and this share of it. */
const LONGEST_SPIN_MS = 1;
const SPIN_SHARE = 0.1;
const TIMER_LATE_MS = 0.1;
/** While no reply is awaited the thread itself may sleep, to the microsecond: at most so long, and at least, ms. */
const LONGEST_NAP_MS = 1.15;
const SHORTEST_NAP_MS = 0.15;
/** How much earlier it is to wake than it must, ms. */
const NAP_LATE_MS = 0.09;

export interface PaceOptions {
  readonly count: number;
  readonly intervalMs: number;
  /** Time of the first, by `performance.now()`. */
  readonly start: number;
  /** Sends a number whose time has come; false where the system has no room: it is tried again. */
  readonly send: (number: number, due: number) => boolean;
  readonly isOver: () => boolean;
  /** Whether nothing is awaited that would have to be timed. */
  readonly isQuiet: () => boolean;
}

export class Pace {
  readonly #options: PaceOptions;
  readonly #spinMs: number;
  readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  #next = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #over: { resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#spinMs = Math.max(SPIN_MS, Math.min(LONGEST_SPIN_MS, SPIN_SHARE * options.intervalMs));
  }

  /** Resolves when all are sent, or it is over. Between two sends the event loop always turns, so that replies are timed. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#over = { resolve, reject };
      this.#step();
    });
  }

  /** The last one is back: the time to the next one can be slept more exactly than by a timer. */
  quiet(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#soon();
  }

  #soon(): void {
    this.#timer = undefined;
    setImmediate(() => this.#step());
  }

  #step(): void {
    const { count, intervalMs, start, send, isOver, isQuiet } = this.#options;
    this.#timer = undefined;
    if (this.#next >= count || isOver()) {
      this.#over?.resolve();
      return;
    }
    const due = start + this.#next * intervalMs;
    let left = due - performance.now();
    if (left > SHORTEST_NAP_MS && left < LONGEST_NAP_MS && isQuiet()) {
      Atomics.wait(this.#clock, 0, 0, left - NAP_LATE_MS);
      left = due - performance.now();
    }
    if (left > this.#spinMs) {
      this.#timer = setTimeout(() => this.#step(), Math.max(1, Math.floor(left - TIMER_LATE_MS)));
      return;
    }
    if (left <= 0) {
      try {
        if (send(this.#next, due)) this.#next += 1;
      } catch (thrown) {
        this.#over?.reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
        return;
      }
    }
    this.#soon();
  }
}
