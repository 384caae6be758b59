/**
 * Waits for datagrams past the event loop, in ppoll(2): for them, for the event loop's own epoll, which can be polled like any
 * descriptor, or for the time that the next one is due. A round trip costs two or three turns of the loop less, and the thread
 * sleeps to the microsecond. Whatever else happens in the process, the loop gets its turn at once.
 */
import { type DatagramCalls, datagramCalls, foundAt, pollFds, type Watch } from "../os/datagrams.ts";

/** Timers of the event loop are late by this at most, ms. */
const TURN_MS = 2;
/** How much before a time the thread wakes up, to be there in time, ms. */
const LEAD_MS = 0.05;
/** Datagrams of one socket that are taken in a row. */
const BATCH = 32;

/** What the loop needs of a socket. */
export interface Pollable {
  readonly watch: Watch | undefined;
  take(): boolean;
}

export interface PollOptions {
  /** Does what is due; when something will be again, ms by `performance.now()`; undefined ends it all. */
  readonly due: () => number | undefined;
  /** Whether something should come soon; then, where the last one took no longer than `spinMs`, it is waited for awake. */
  readonly awaits: () => boolean;
  readonly spinMs: number;
  /** Called before a sleep, when nothing has come since the last one. */
  readonly idle?: () => void;
}

export class PollLoop {
  readonly #calls: DatagramCalls;
  readonly #sockets: readonly Pollable[];
  readonly #watches: readonly Watch[];
  readonly #fds: Int32Array;
  readonly #options: PollOptions;
  /** Of the sockets, the one that something came to last. */
  #latest: Pollable | undefined;
  #nextDue: number | undefined;
  /** When something went out or came in, ms. */
  #activeAt = 0;
  #isQuick = true;
  #isBusy = false;

  private constructor(
    calls: DatagramCalls,
    sockets: readonly Pollable[],
    watches: readonly Watch[],
    options: PollOptions,
  ) {
    this.#calls = calls;
    this.#sockets = sockets;
    this.#watches = watches;
    this.#fds = pollFds([...watches.map(({ fd }) => fd), ...watches.slice(0, 1).map(({ epoll }) => epoll)]);
    this.#options = options;
    this.#latest = sockets[0];
  }

  /** Undefined where the platform, or a missing /proc, does not allow it. The sockets stay open while it runs. */
  static of(sockets: readonly Pollable[], options: PollOptions): PollLoop | undefined {
    const calls = datagramCalls();
    const watches = sockets.flatMap(({ watch }) => watch ?? []);
    if (calls === undefined || watches.length === 0 || watches.length < sockets.length) return undefined;
    return new PollLoop(calls, sockets, watches, options);
  }

  /** Resolves when `due` ends it, and throws what it or a receiver throws. */
  run(): Promise<void> {
    this.#calls.punctual();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const turn = (): void => {
      try {
        if (this.#turn()) {
          setImmediate(turn);
          return;
        }
        this.#tell(true);
        resolve();
      } catch (thrown) {
        this.#tell(true);
        reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
      }
    };
    this.#tell(false);
    setImmediate(turn);
    return promise;
  }

  /** The event loop would take datagrams too, until there are no more: that can be long. */
  #tell(told: boolean): void {
    for (const [place, watch] of this.#watches.entries()) {
      // the number of one that was closed may be another's by now
      if (this.#sockets[place]?.watch === watch) this.#calls.tell(watch, told);
    }
  }

  /** Until it is the event loop's turn; false when all is over. */
  #turn(): boolean {
    const { due, awaits, spinMs } = this.#options;
    const end = performance.now() + TURN_MS;
    for (;;) {
      const next = due();
      if (next === undefined) return false;
      let now = performance.now();
      if (next !== this.#nextDue) this.#activeAt = now;
      this.#nextDue = next;
      const taken = this.#latest === undefined ? 0 : takeSome(this.#latest);
      if (taken > 0) {
        now = performance.now();
        this.#isBusy = true;
        this.#isQuick = now - this.#activeAt <= spinMs;
        this.#activeAt = now;
        // one that is never empty must not keep the others from theirs
        if (this.#sockets.length > 1 && (taken === BATCH || now >= end)) this.#look(0);
      } else if (next - now > LEAD_MS) {
        if (!this.#isQuick || !awaits() || now - this.#activeAt > spinMs) {
          if (now - this.#activeAt > spinMs) this.#isQuick = false;
          if (!this.#sleep(Math.min(next - LEAD_MS, end) - now)) return true;
        } else {
          // who is awaited may be waiting for this very processor
          this.#calls.yield();
        }
      }
      if (now >= end) return true;
    }
  }

  /** Whether to go on: false where the event loop has something to do. */
  #sleep(ms: number): boolean {
    if (!this.#isBusy) this.#options.idle?.();
    this.#isBusy = false;
    return this.#look(ms);
  }

  /** The same without what comes before a sleep. */
  #look(ms: number): boolean {
    const ready = this.#calls.wait(this.#fds, ms);
    if (ready === 0) return true;
    // a signal came, and nothing was found out
    if (ready < 0) return false;
    let some = false;
    let failed = false;
    for (const [place, socket] of this.#sockets.entries()) {
      const found = foundAt(this.#fds, place);
      // an error of a socket is the runtime's to read
      if (found === "other") failed = true;
      if (found !== "readable") continue;
      // all but the last are taken from here, that one by the turn
      if (some && this.#latest !== undefined) takeSome(this.#latest);
      this.#latest = socket;
      some = true;
    }
    return some && !failed;
  }
}

function takeSome(socket: Pollable): number {
  let taken = 0;
  while (taken < BATCH && socket.take()) taken += 1;
  return taken;
}
