import type { Socket } from "bun";
import { SockError } from "../errors.ts";

/** Bytes queued for the kernel above which `drained` waits. */
const HIGH_WATER_BYTES = 1024 * 1024;
/** After `end` a peer that takes nothing, or has taken all and does not close, is cut off after this, ms. */
const END_STALL_MS = 10_000;

export interface ConnectionSink {
  bytes(chunk: Uint8Array): void;
  /** The peer sends no more; it still takes what is written, until `end`. Only on the listening side. */
  ended(): void;
  /** Once; `error` is undefined when the peer ended the stream in order. */
  closed(error: SockError | undefined): void;
}

/**
 * A stream of bytes over an authorised socket, with backpressure both ways. Chunks given to `write` are kept as they are
 * until the kernel has taken them: their owner leaves them unchanged until `flushed`.
 */
export class Connection {
  readonly address: string;
  readonly localAddress: string;
  /** 0 for a unix socket. */
  readonly port: number;
  readonly localPort: number;
  bytesIn = 0;
  bytesOut = 0;
  readonly #socket: Socket<unknown>;
  #sink: ConnectionSink | undefined;
  /** Arrived before there was a sink. */
  #early: Uint8Array[] = [];
  #queue: Uint8Array[] = [];
  #queued = 0;
  /** In the order of `until`, a count of bytes from the connection's beginning. */
  #waiting: { until: number; resolve: () => void }[] = [];
  #paused = false;
  #ending = false;
  #closed = false;
  /** What to tell a sink that comes after the end. */
  #closeError: SockError | undefined;
  #stall: ReturnType<typeof setTimeout> | undefined;
  #limit: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: Socket<unknown>) {
    this.#socket = socket;
    this.address = unwrapAddress(socket.remoteAddress);
    this.localAddress = unwrapAddress(socket.localAddress);
    const tcp = this.address !== "";
    this.port = tcp ? socket.remotePort : 0;
    this.localPort = tcp ? socket.localPort : 0;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Written and not yet taken by the kernel, bytes. */
  get queued(): number {
    return this.#queued;
  }

  get congested(): boolean {
    return this.#queued > HIGH_WATER_BYTES;
  }

  listen(sink: ConnectionSink): void {
    this.#sink = sink;
    for (const chunk of this.#early.splice(0)) sink.bytes(chunk);
    if (this.#closed) sink.closed(this.#closeError);
  }

  /** Bytes that the kernel has not taken are queued; ask `drained` before writing more than a little. */
  write(chunk: Uint8Array): void {
    if (this.#closed || this.#ending || chunk.length === 0) return;
    this.bytesOut += chunk.length;
    if (this.#queue.length > 0) {
      this.#queue.push(chunk);
      this.#queued += chunk.length;
      return;
    }
    const taken = Math.max(0, this.#socket.write(chunk));
    if (taken < chunk.length) {
      const rest = chunk.subarray(taken);
      this.#queue.push(rest);
      this.#queued += rest.length;
    }
  }

  /** Resolves when little is queued, or the connection is gone. */
  drained(): Promise<void> | undefined {
    return this.#taken(this.bytesOut - HIGH_WATER_BYTES);
  }

  /** Resolves when the kernel has taken all that was written before, or the connection is gone. */
  flushed(): Promise<void> | undefined {
    return this.#taken(this.bytesOut);
  }

  /** Resolves when the connection is closed, by both sides or by force. */
  gone(): Promise<void> | undefined {
    return this.#taken(Infinity);
  }

  pause(): void {
    if (this.#paused || this.#closed) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused || this.#closed) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /**
   * Sends what is queued, then ends the stream. A slow peer gets the time that it needs, unless `limitMs` says how long
   * it may last in all; one that takes nothing, or does not close its own end, is cut off.
   */
  end(limitMs?: number): void {
    if (this.#closed) return;
    if (limitMs !== undefined) this.#limit ??= setTimeout(() => this.terminate(), limitMs);
    if (this.#ending) return;
    this.#ending = true;
    this.resume();
    this.#endWhenTaken();
  }

  terminate(): void {
    if (this.#closed) return;
    this.#socket.terminate();
    this.onClose(undefined);
  }

  // called by the socket's owner (listen.ts, connect.ts)

  onData(chunk: Uint8Array): void {
    this.bytesIn += chunk.length;
    if (this.#sink === undefined) this.#early.push(chunk);
    else this.#sink.bytes(chunk);
  }

  onEnd(): void {
    if (this.#closed || this.#ending) return;
    // without a sink there is nobody who would answer
    if (this.#sink === undefined) this.end();
    else this.#sink.ended();
  }

  onDrain(): void {
    while (this.#queue.length > 0) {
      const chunk = this.#queue[0];
      if (chunk === undefined) break;
      const taken = Math.max(0, this.#socket.write(chunk));
      this.#queued -= taken;
      if (taken < chunk.length) {
        this.#queue[0] = chunk.subarray(taken);
        break;
      }
      this.#queue.shift();
    }
    this.#wake();
    if (this.#ending) this.#endWhenTaken();
  }

  onClose(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeError = error && new SockError("lost", `the connection broke: ${error.message}`);
    clearTimeout(this.#stall);
    clearTimeout(this.#limit);
    this.#queue = [];
    this.#queued = 0;
    this.#wake();
    this.#sink?.closed(this.#closeError);
  }

  #endWhenTaken(): void {
    clearTimeout(this.#stall);
    this.#stall = setTimeout(() => this.terminate(), END_STALL_MS);
    if (this.#queue.length === 0) this.#socket.end();
  }

  #taken(until: number): Promise<void> | undefined {
    if (this.#closed || this.bytesOut - this.#queued >= until) return undefined;
    return new Promise((resolve) => {
      const after = this.#waiting.findIndex((waiter) => waiter.until > until);
      this.#waiting.splice(after === -1 ? this.#waiting.length : after, 0, { until, resolve });
    });
  }

  #wake(): void {
    const taken = this.bytesOut - this.#queued;
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0];
      if (first === undefined || (!this.#closed && first.until > taken)) return;
      this.#waiting.shift();
      first.resolve();
    }
  }
}

/** An IPv4 address that came in over an IPv6 socket, as IPv4; "" for a unix socket. */
export function unwrapAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
