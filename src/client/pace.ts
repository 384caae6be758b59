/** Sends at fixed times (open loop): one that is late is sent at once, and the next ones keep their own times. */

/** Timers sleep whole ms and wake a little late: below this the rest of the way is spun, ms. */
const SPIN_MS = 0.6;
/** Where there is time enough between two sends, up to this and this share of it. */
const LONGEST_SPIN_MS = 1;
const SPIN_SHARE = 0.1;
const TIMER_LATE_MS = 0.1;

export interface Pace {
  readonly count: number;
  readonly intervalMs: number;
  /** Time of the first, by `performance.now()`. */
  readonly start: number;
  /** Sends a number whose time has come; false where the system has no room: it is tried again. */
  readonly send: (number: number, due: number) => boolean;
  readonly isOver: () => boolean;
}

/** Resolves when all are sent, or it is over. Between two sends the event loop always turns, so that replies are timed. */
export function pace({ count, intervalMs, start, send, isOver }: Pace): Promise<void> {
  const spin = Math.max(SPIN_MS, Math.min(LONGEST_SPIN_MS, SPIN_SHARE * intervalMs));
  return new Promise((resolve, reject) => {
    let next = 0;
    const step = (): void => {
      if (next >= count || isOver()) {
        resolve();
        return;
      }
      const due = start + next * intervalMs;
      const left = due - performance.now();
      if (left > spin) {
        setTimeout(step, Math.max(1, Math.floor(left - TIMER_LATE_MS)));
        return;
      }
      if (left <= 0) {
        try {
          if (send(next, due)) next += 1;
        } catch (thrown) {
          reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
          return;
        }
      }
      setImmediate(step);
    };
    step();
  });
}
