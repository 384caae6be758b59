import { SockError } from "../errors.ts";
import type { ImpairedStream, Write } from "../measure/impaired-stream.ts";
import { MAX_TIMER_MS, Pause } from "../os/timer.ts";
import { Fifo } from "./fifo.ts";
import { PLAIN_UNSENT, WAITING_COST } from "./limits.ts";

/** What of a socket is needed to write to it. */
export interface Sink {
  /** Bytes that the kernel took; below 0 where the connection is gone. */
  write(bytes: Uint8Array): number;
  shutdown(): void;
  terminate(): void;
}

/** The bytes for one peer, in order, each at its time; no more than PLAIN_UNSENT of them wait. */
export class Outbox {
  readonly #sink: Sink;
  readonly #impaired: ImpairedStream | undefined;
  readonly #onWrite: (bytes: Uint8Array) => void;
  readonly #queue = new Fifo<Write>();
  #waiting = 0;
  #work: Promise<void> | undefined;
  #failure: SockError | undefined;
  readonly #pause = new Pause();
  readonly #stallMs: number | undefined;
  #drained: () => void = () => undefined;

  /** `stallMs`: a kernel that takes nothing for so long has nobody who reads. */
  constructor(
    sink: Sink,
    impaired: ImpairedStream | undefined,
    onWrite: (bytes: Uint8Array) => void,
    stallMs?: number,
  ) {
    this.#stallMs = stallMs;
    this.#sink = sink;
    this.#impaired = impaired;
    this.#onWrite = onWrite;
  }

  /** Takes the bytes, which must not change any more; resolves when more may come. Throws `lost`. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (bytes.length === 0) return;
    const now = performance.now();
    for (const write of this.#impaired?.write(bytes, now) ?? [{ at: now, bytes, reset: false }]) {
      this.#queue.push(write);
      this.#waiting += write.bytes.length + WAITING_COST;
    }
    this.#work ??= this.#run().finally(() => {
      this.#work = undefined;
    });
    if (this.#waiting >= PLAIN_UNSENT || this.#impaired === undefined) await this.#work;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when all is with the kernel. Throws `lost`. */
  async flush(): Promise<void> {
    await this.#work;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The kernel takes bytes again. */
  onDrain(): void {
    this.#drained();
  }

  /** The connection is gone: nothing more can be written. */
  fail(error: SockError): void {
    this.#failure ??= error;
    this.#queue.clear();
    this.#waiting = 0;
    this.#pause.cut();
    this.#drained();
  }

  async #run(): Promise<void> {
    for (let next = this.#queue.first; next !== undefined; next = this.#queue.first) {
      await this.#pause.until(next.at);
      if (this.#failure !== undefined) return;
      if (next.reset) {
        this.#sink.terminate();
        this.fail(new SockError("lost", "the connection was broken on purpose (--impair reset)"));
        return;
      }
      await this.#put(this.#take());
    }
  }

  /** The next write, with those of the same time where they are to stick together. */
  #take(): Uint8Array {
    const at = this.#queue.first?.at;
    const taken: Uint8Array[] = [];
    do {
      const next = this.#queue.shift();
      if (next === undefined) break;
      taken.push(next.bytes);
      this.#waiting -= WAITING_COST;
    } while (this.#impaired?.joins === true && this.#queue.first?.at === at);
    return taken.length === 1 ? (taken[0] ?? new Uint8Array(0)) : Buffer.concat(taken);
  }

  async #put(bytes: Uint8Array): Promise<void> {
    const split = this.#impaired?.split ?? 0;
    const step = split > 0 ? split : bytes.length;
    for (let from = 0; from < bytes.length && this.#failure === undefined; from += step) {
      // what is cut must not stick together again in the kernel
      if (from > 0) await new Promise<void>((resolve) => setImmediate(resolve));
      await this.#all(bytes.subarray(from, from + step));
    }
  }

  async #all(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && this.#failure === undefined;) {
      const count = this.#sink.write(at === 0 ? bytes : bytes.subarray(at));
      if (count < 0) {
        this.fail(new SockError("lost", "the peer has closed the connection"));
        return;
      }
      if (count > 0) this.#onWrite(bytes.subarray(at, at + count));
      at += count;
      this.#waiting -= count;
      if (at < bytes.length) await this.#room();
    }
  }

  async #room(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    const dead = (): void => {
      this.#sink.terminate();
      this.fail(new SockError("lost", "the peer reads nothing any more"));
    };
    const timer =
      this.#stallMs === undefined ? undefined : setTimeout(dead, Math.min(this.#stallMs, MAX_TIMER_MS));
    await promise;
    clearTimeout(timer);
  }
}
