/** One file descriptor that is written in order, never blocks the event loop, and can be drained before the exit. */
import { fstatSync, write } from "node:fs";

/** Bytes that may wait before a writer of data is held back, and above which messages are dropped. */
const HIGH_WATER = 1024 * 1024;
/** Pieces up to this are written together, bytes. */
const TOGETHER = 64 * 1024;
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
  #queue: Uint8Array[] = [];
  #waiting = 0;
  #busy = false;
  #dropped = 0;
  #drained: (() => void)[] = [];

  constructor(fd: number) {
    this.fd = fd;
  }

  /** True where nothing waits to be written. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** Bytes in order; resolves when more may come. Rejects with the error of a failed write. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#push(bytes);
    if (this.#waiting >= HIGH_WATER) await this.drain();
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

  #push(bytes: Uint8Array): void {
    if (this.failure !== undefined || bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#waiting += bytes.length;
    if (!this.#busy) this.#next();
  }

  #next(): void {
    const bytes = this.#take();
    this.#busy = bytes !== undefined;
    if (bytes === undefined) return this.#settle();
    write(this.fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error?.code === "EAGAIN") {
        this.#queue.unshift(bytes);
        setTimeout(() => this.#next(), FULL_PAUSE_MS);
        return;
      }
      if (error !== null) return this.#fail(error);
      this.#waiting -= written;
      if (written < bytes.length) this.#queue.unshift(bytes.subarray(written));
      this.#next();
    });
  }

  /** What is to be written next: a crowd of short lines in one piece, each for itself would cost a call. */
  #take(): Uint8Array | undefined {
    let bytes = 0;
    let count = 0;
    for (const piece of this.#queue) {
      bytes += piece.length;
      if (count > 0 && bytes > TOGETHER) break;
      count += 1;
    }
    const [first, ...others] = this.#queue.splice(0, count);
    return first === undefined || others.length === 0 ? first : Buffer.concat([first, ...others]);
  }

  #fail(error: NodeJS.ErrnoException): void {
    this.failure = error;
    this.#queue = [];
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
