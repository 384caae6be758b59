import { SockError } from "../errors.ts";
import type { ImpairedStream } from "../measure/impaired-stream.ts";
import { Fifo } from "./fifo.ts";
import { MAX_REQUEST_BYTES, PLAIN_UNREAD, WAITING_COST } from "./limits.ts";
import { Outbox, type Sink } from "./outbox.ts";
import { preciseNow, type Trace, type Traced } from "./trace.ts";

export interface PeerSocket extends Sink {
  pause(): void;
  resume(): void;
  /** Closes; what is with the kernel still goes out. */
  end(): void;
}

/** A peer that was told all gets this long to read it and to close, ms. */
const LEAVE_MS = 2000;

export interface PeerOptions {
  readonly trace?: Trace | undefined;
  readonly impaired?: ImpairedStream | undefined;
  /** Resolves when people could be told what has come so far; nothing more is read before. */
  readonly told?: (() => Promise<void>) | undefined;
  /** A peer that takes nothing for this long is given up, ms. */
  readonly stallMs?: number | undefined;
}

/** Nothing more has come in the time that was allowed. */
export const QUIET = Symbol("quiet");

/** One connection with a peer that speaks no sock: pieces as they come, and as they are sent. */
export class Peer {
  /** Who it is, for people. */
  readonly name: string;
  readonly #socket: PeerSocket;
  readonly #out: Outbox;
  readonly #trace: Trace | undefined;
  readonly #told: (() => Promise<void>) | undefined;
  readonly #pieces = new Fifo<Uint8Array>();
  #unread = 0;
  #paused = false;
  #ended = false;
  #failure: SockError | undefined;
  #closed = false;
  #wake: () => void = () => undefined;
  #onGone: () => void = () => undefined;

  constructor(socket: PeerSocket, name: string, options: PeerOptions = {}) {
    this.name = name;
    this.#socket = socket;
    this.#trace = options.trace;
    this.#told = options.told;
    const { impaired, stallMs } = options;
    this.#out = new Outbox(socket, impaired, (bytes) => this.#tell("write", bytes), stallMs);
    this.#tell("open");
  }

  /** The next piece, as TCP gave it; undefined when the peer will send no more. Throws `lost`. */
  async read(): Promise<Uint8Array | undefined> {
    await this.#told?.();
    for (;;) {
      const piece = this.#take();
      if (piece !== undefined) return piece;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The same, or QUIET when nothing has come for so many ms. */
  async readWithin(ms: number): Promise<Uint8Array | undefined | typeof QUIET> {
    if (this.#pieces.length > 0 || this.#ended || this.#failure !== undefined) return this.read();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const something = new Promise<boolean>((resolve) => {
      this.#wake = () => resolve(true);
      timer = setTimeout(() => resolve(false), ms);
    });
    const came = await something;
    clearTimeout(timer);
    return came ? this.read() : QUIET;
  }

  /** Exactly so many bytes. Throws `cut` where the peer ends before. */
  async exactly(count: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let missing = count;
    while (missing > 0) {
      const piece = await this.upTo(missing);
      if (piece === undefined) {
        throw new SockError("cut", `the peer has ended after ${count - missing} of ${count} bytes`);
      }
      pieces.push(piece);
      missing -= piece.length;
    }
    return Buffer.concat(pieces);
  }

  /** The next piece, but no more than `most` bytes of it: the rest is for the next read. */
  async upTo(most: number): Promise<Uint8Array | undefined> {
    const piece = await this.read();
    if (piece === undefined || piece.length <= most) return piece;
    this.unread(piece.subarray(most));
    return piece.subarray(0, most);
  }

  /** All that comes until nothing more has come for `pauseMs`: a request that no mark ends. Undefined at the end. Throws `protocol`. */
  async request(pauseMs: number): Promise<Uint8Array | undefined> {
    const first = await this.read();
    if (first === undefined) return undefined;
    const pieces = [first];
    let bytes = first.length;
    for (;;) {
      if (bytes > MAX_REQUEST_BYTES) throw new SockError("protocol", "the peer's request is too long");
      const next = await this.readWithin(pauseMs);
      if (next === undefined || next === QUIET) return Buffer.concat(pieces);
      pieces.push(next);
      bytes += next.length;
    }
  }

  /** Bytes that were read too far: they come again with the next read. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.unshift(bytes);
    this.#unread += bytes.length + WAITING_COST;
  }

  /** Passes over what has come and nobody has read: so many bytes. */
  drop(): number {
    let bytes = 0;
    for (let piece = this.#take(); piece !== undefined; piece = this.#take()) bytes += piece.length;
    return bytes;
  }

  /** Takes the bytes over; resolves when more may come. Throws `lost`. */
  async write(bytes: Uint8Array): Promise<void> {
    return this.#out.write(bytes);
  }

  async flush(): Promise<void> {
    return this.#out.flush();
  }

  /** All is sent, then the peer sees the end; it may go on sending. Throws `lost`. */
  async end(): Promise<void> {
    await this.#out.flush();
    if (!this.#closed) this.#socket.shutdown();
  }

  /**
   * All is sent, then it is closed: gently, for a socket that is closed with bytes unread sends a reset, which may destroy
   * what the peer has not read yet. Gives the number of bytes that came and that nobody had read.
   */
  async finish(): Promise<number> {
    let more = 0;
    try {
      await this.end();
      const over = performance.now() + LEAVE_MS;
      for (let left = LEAVE_MS; left > 0; left = over - performance.now()) {
        const next = await this.readWithin(left);
        if (next === undefined || next === QUIET) break;
        more += next.length;
      }
    } catch {
      // it is gone already
    }
    this.#leave(true);
    return more;
  }

  /** Ends both directions at once. */
  close(): void {
    this.#leave(this.#ended);
  }

  #leave(gentle: boolean): void {
    if (this.#closed) return;
    this.onClose();
    if (gentle) this.#socket.end();
    else this.#socket.terminate();
  }

  /** Called once when the connection is gone in both directions; at once where it is already. */
  whenGone(action: () => void): void {
    if (this.#closed) action();
    else this.#onGone = action;
  }

  onData(bytes: Uint8Array): void {
    this.#tell("read", bytes);
    this.#pieces.push(bytes);
    this.#unread += bytes.length + WAITING_COST;
    if (this.#unread >= PLAIN_UNREAD && !this.#paused) {
      this.#paused = true;
      this.#socket.pause();
    }
    this.#wake();
  }

  onDrain(): void {
    this.#out.onDrain();
  }

  onEnd(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#tell("end");
    this.#wake();
  }

  onClose(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    const lost = new SockError("lost", "the peer has closed the connection");
    if (error !== undefined) {
      this.#failure = new SockError("lost", "the peer has broken the connection");
      this.#tell("reset");
    } else {
      this.onEnd();
    }
    this.#out.fail(this.#failure ?? lost);
    this.#wake();
    this.#onGone();
  }

  #take(): Uint8Array | undefined {
    const piece = this.#pieces.shift();
    if (piece === undefined) return undefined;
    this.#unread -= piece.length + WAITING_COST;
    if (this.#paused && this.#unread < PLAIN_UNREAD) {
      this.#paused = false;
      if (!this.#closed) this.#socket.resume();
    }
    return piece;
  }

  #tell(direction: Traced["direction"], bytes: Uint8Array = new Uint8Array(0)): void {
    this.#trace?.({ time: preciseNow(), peer: this.name, direction, bytes });
  }
}
