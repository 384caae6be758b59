/** One file descriptor that is written in order, never blocks the event loop, and can be drained before the exit. */
import { constants, fstatSync, openSync, writeSync, writev } from "node:fs";

/** Bytes that may wait before a writer of data is held back, and above which messages are dropped. */
const HIGH_WATER = 1024 * 1024;
/** Pieces up to this are written together, bytes, and this many of them. */
const TOGETHER = 512 * 1024;
const MOST_TOGETHER = 64;
/** A pipe that has taken so much at once is asked to hold as much, bytes. */
const MUCH = 1024 * 1024;
/** Pause before the next try where someone else made the descriptor non-blocking and it is full, ms. */
const FULL_PAUSE_MS = 5;

/**
 * `process.stdout` takes 20 ms to load, and both it and `Bun.stdout.writer()` leave a pipe non-blocking for the other
 * programs that share it (the next command of a shell script then dies with EAGAIN). So: blocking writes on the thread pool.
 */
export class Output {
  readonly fd: number;
  /** The first error of a write; nothing is written after it. */
  failure: NodeJS.ErrnoException | undefined;
  onFailure: ((failure: NodeJS.ErrnoException) => void) | undefined;
  #queue: Piece[] = [];
  #waiting = 0;
  #busy = false;
  #dropped = 0;
  #drained: (() => void)[] = [];
  /** The same pipe, opened once more so that it never blocks; undefined where that can't be had, null before it is tried. */
  #direct: number | undefined | null = null;
  #carried = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** True where nothing waits to be written. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** True where so much waits that whoever writes on and on should wait too. */
  get full(): boolean {
    return this.#waiting >= HIGH_WATER;
  }

  /** Bytes in order; resolves when more may come. Rejects with the error of a failed write. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#push(bytes);
    if (this.#waiting >= HIGH_WATER) await this.drain();
    if (this.failure !== undefined) throw this.failure;
  }

  /** The same for memory that somebody else wants back: resolves when these bytes are written; calls keep their order. */
  async lent(bytes: Uint8Array): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const rest = bytes.subarray(this.#atOnce(bytes));
    if (rest.length === 0) return;
    await new Promise<void>((resolve) => this.#push(rest, resolve));
    // oxlint-disable-next-line typescript/no-unnecessary-condition -- it may have come meanwhile
    if (this.failure !== undefined) throw this.failure;
  }

  /** A message that may be lost: where the reader stands still, whole lines are dropped and counted instead of kept. */
  message(text: string): void {
    if (this.#waiting >= HIGH_WATER) {
      this.#dropped += 1;
      return;
    }
    const lost = this.#dropped === 0 ? "" : `(${this.#dropped} messages lost)\n`;
    this.#dropped = 0;
    this.#push(new TextEncoder().encode(lost + text));
  }

  /** Resolves once everything is written, or writing has failed. */
  async drain(): Promise<void> {
    if (!this.#busy) return;
    await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  /** Writes what a pipe takes at once, which saves a thread's turn for each piece; returns how much that is. */
  #atOnce(bytes: Uint8Array): number {
    if (this.#direct === null) this.#direct = openAgain(this.fd);
    if (this.#direct === undefined || this.#waiting > 0) return 0;
    try {
      const written = writeSync(this.#direct, bytes);
      if (this.#carried < MUCH && this.#carried + written >= MUCH) enlarge(this.#direct);
      this.#carried += written;
      return written;
    } catch {
      return 0; // it is full, or broken: then the next write says so
    }
  }

  #push(bytes: Uint8Array, done?: () => void): void {
    if (this.failure !== undefined || bytes.length === 0) {
      done?.();
      return;
    }
    this.#queue.push({ bytes, done });
    this.#waiting += bytes.length;
    if (!this.#busy) this.#next();
  }

  #next(): void {
    const pieces = this.#take();
    this.#busy = pieces.length > 0;
    if (!this.#busy) return this.#settle();
    const vector = pieces.map(({ bytes }) => bytes);
    writev(this.fd, vector, (error, written) => {
      if (error?.code === "EAGAIN") {
        this.#queue.unshift(...pieces);
        setTimeout(() => this.#next(), FULL_PAUSE_MS);
        return;
      }
      if (error !== null) {
        this.#queue.unshift(...pieces);
        return this.#fail(error);
      }
      this.#written(pieces, written);
      this.#next();
    });
  }

  /** The first `count` bytes of the pieces are written; the rest is the next to be. */
  #written(pieces: readonly Piece[], count: number): void {
    this.#waiting -= count;
    let left = count;
    for (const [index, { bytes, done }] of pieces.entries()) {
      if (left < bytes.length) {
        this.#queue.unshift({ bytes: bytes.subarray(left), done }, ...pieces.slice(index + 1));
        return;
      }
      left -= bytes.length;
      done?.();
    }
  }

  /** What is written next: a crowd of short lines together, each for itself would cost a call. */
  #take(): Piece[] {
    let bytes = 0;
    let count = 0;
    for (const piece of this.#queue) {
      bytes += piece.bytes.length;
      if (count > 0 && (bytes > TOGETHER || count === MOST_TOGETHER)) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #fail(error: NodeJS.ErrnoException): void {
    this.failure = error;
    for (const { done } of this.#queue.splice(0)) done?.();
    this.#waiting = 0;
    this.#busy = false;
    this.#settle();
    this.onFailure?.(error);
  }

  #settle(): void {
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }
}

/** A pipe's flags are shared with whoever has it too, but not with one who opens it again. */
function openAgain(fd: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    if (!fstatSync(fd).isFIFO()) return undefined;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

/** Loaded for those who have use for it. */
function enlarge(pipe: number): void {
  import("../os/native.ts").then(
    ({ enlargePipe }) => enlargePipe(pipe, MUCH),
    () => undefined,
  );
}

interface Piece {
  readonly bytes: Uint8Array;
  /** Called when all of it is written, or nothing is written any more. */
  readonly done: (() => void) | undefined;
}

/** stdout and stderr; one object for both where they are the same terminal, pipe or file, so that lines keep their order. */
export function standardOutputs(): { stdout: Output; stderr: Output } {
  const stdout = new Output(1);
  return { stdout, stderr: same(1, 2) ? stdout : new Output(2) };
}

function same(a: number, b: number): boolean {
  try {
    const [one, other] = [fstatSync(a), fstatSync(b)];
    return one.dev === other.dev && one.ino === other.ino;
  } catch {
    return false; // one of them is closed
  }
}

/** True for a terminal. `node:tty` takes 5 ms to load, so only character devices are asked that way, when asked at all. */
export function isTerminal(fd: number): boolean {
  try {
    if (!fstatSync(fd).isCharacterDevice()) return false;
  } catch {
    return false;
  }
  return process.getBuiltinModule("node:tty").isatty(fd);
}
