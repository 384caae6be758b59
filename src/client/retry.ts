import { asSockError, type SockError, STATUS } from "../errors.ts";
import { sleep } from "./session.ts";

export interface RetryOptions {
  /** Goes on trying this long after the last progress, ms; 0: never again. */
  readonly retryMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Told before each pause. */
  onRetry?(error: SockError, pauseMs: number): void;
}

/** First and longest pause before the next connection, ms. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Runs `attempt` until it succeeds: a connection that broke is tried again, after growing pauses, as long as something moves.
 * `progress` is a number that grows with what was done. Throws what can't be mended, or the last failure.
 */
export async function retrying<T>(
  attempt: () => Promise<T>,
  progress: () => number,
  options: RetryOptions,
): Promise<T> {
  const { retryMs, signal } = options;
  let last = progress();
  let deadline = performance.now() + retryMs;
  let pause = FIRST_PAUSE_MS;
  for (let first = true; ; first = false) {
    try {
      return await attempt();
    } catch (thrown) {
      const error = asSockError(thrown);
      const now = performance.now();
      if (progress() !== last) {
        last = progress();
        deadline = now + retryMs;
        pause = FIRST_PAUSE_MS;
      } else if (first) throw thrown;
      if (!isPassing(error) || signal?.aborted === true || now + pause > deadline) throw thrown;
      options.onRetry?.(error, pause);
      await sleep(pause, signal);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }
}

/** The line, and not what was asked for: the same may work in a moment. */
function isPassing(error: SockError): boolean {
  return error.status === STATUS.unreachable && error.code !== "timeout";
}
