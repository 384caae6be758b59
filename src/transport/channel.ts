import { SockError } from "../errors.ts";
import { MAX_PACKED_BYTES, PING_INTERVAL_MS, PINGS_MISSED } from "../protocol/constants.ts";
import { encodeFrame, encodeHeader, type Frame, FrameDecoder, type Header } from "../protocol/frame.ts";
import { Chunk } from "./chunk.ts";
import type { Connection } from "./connection.ts";
import { type Compress, Packer, unpack } from "./packing.ts";

/** Received and not yet asked for: above the first the socket is paused, below the second it goes on, bytes. */
const PAUSE_BYTES = 4 * 1024 * 1024;
const RESUME_BYTES = 1024 * 1024;
/** What a queued frame without a body is counted as, bytes. */
const FRAME_OVERHEAD_BYTES = 256;
/** Bodies up to this are sent in one piece with their header; copying more costs more than a TLS record of its own, bytes. */
const JOIN_BYTES = 16 * 1024;
/** Small frames are gathered up to this, bytes: a write for each would cost more than all else. */
const BATCH_BYTES = 128 * 1024;
/** So many headers together are worth packing on any line. */
const LEAST_FRAMES = 16;
/** A refused peer has this long to read why, ms. */
const REFUSED_MS = 2000;

/** A frame; of one whose body is a stretch of a stream, `release` gives the body's memory back. */
export type ReceivedFrame = Frame & { readonly release?: () => void };

/** Memory of reads below this is left to the garbage collector, bytes. */
const LENT_BYTES = 4 * 1024;

/** Frames whose bodies are a stretch of a stream. */
const STREAMS: ReadonlySet<string> = new Set(["data", "in", "out", "err"]);

function isStream(header: Header): boolean {
  return STREAMS.has(header.type);
}

/** Bodies that are given back: many small files would be much memory until it is collected. */
function isLent(header: Header): boolean {
  return isStream(header) || header.type === "entry";
}

/** Frames over a connection: the codec, backpressure by what was not yet asked for, and the proof of life. */
export class Channel {
  readonly connection: Connection;
  readonly #decoder: FrameDecoder;
  #frames: ReceivedFrame[] = [];
  #head = 0;
  #held = 0;
  /** Frames that wait behind a packed one: a few bytes of those may be many megabytes. */
  #later: ReceivedFrame[] = [];
  #laterHead = 0;
  #next: { resolve: (frame: ReceivedFrame) => void; reject: (error: SockError) => void } | undefined;
  #failure: SockError | undefined;
  /** The peer has ended its half. */
  #hasAll = false;
  #late: () => Promise<void> | undefined = () => undefined;
  /** Only those late answers are left. */
  #ending = false;
  #pings: ReturnType<typeof setInterval> | undefined;
  readonly #pingIntervalMs: number;
  #heard = true;
  #packer: Packer | undefined;
  #takesPacked = false;
  /** Small frames that wait for the end of this turn. */
  #batch: Uint8Array[] = [];
  #batched = 0;
  #batchedHeaders = 0;
  #flushing: ReturnType<typeof setImmediate> | undefined;
  #missed = 0;
  /** What the kernel had taken of us at the last tick, bytes. */
  #taken = 0;
  /** Pings that somebody waits for the answers of, by their number. */
  readonly #asked = new Map<number, () => void>();
  #lastAsked = 0;
  #onFailure: ((error: SockError) => void)[] = [];

  constructor(connection: Connection, pingIntervalMs = PING_INTERVAL_MS) {
    this.connection = connection;
    this.#pingIntervalMs = pingIntervalMs;
    // a file's bytes are handed on as they come: gathering them first would cost a copy
    this.#decoder = new FrameDecoder({ isStream });
    connection.listen({
      bytes: (chunk) => this.#bytes(chunk),
      ended: () => this.#peerEnded(),
      closed: (error) => this.fail(error ?? closedByPeer()),
    });
  }

  get failure(): SockError | undefined {
    return this.#failure;
  }

  /** Called once, when the channel is of no more use; at once when it already is. */
  onFailure(listener: (error: SockError) => void): void {
    if (this.#failure === undefined) this.#onFailure.push(listener);
    else listener(this.#failure);
  }

  /** Before this no frame may have a body, and pings are not sent. `takesPacked`: our `hello` said so. */
  open(takesPacked = false): void {
    this.#takesPacked = takesPacked;
    this.#decoder.open();
    this.#pings ??= setInterval(() => this.#tick(), this.#pingIntervalMs);
  }

  /** What is sent from now on may be packed: the peer takes it. */
  pack(mode: Compress): void {
    this.#packer = mode === "never" ? undefined : new Packer(mode);
  }

  /** Queues a frame; the body must stay unchanged until `flushed`. */
  send(header: Header, body?: Uint8Array): void {
    if (this.#failure !== undefined) return;
    this.#flushBatch();
    if (body !== undefined && body.length > JOIN_BYTES && this.#packer !== undefined) {
      const frame = this.#packed(() => encodeFrame(header, body), body);
      if (frame !== undefined) {
        this.connection.write(frame);
        return;
      }
    }
    if (body === undefined || body.length <= JOIN_BYTES) {
      this.connection.write(encodeFrame(header, body));
      return;
    }
    this.connection.write(encodeHeader({ ...header, size: body.length }));
    this.connection.write(body);
  }

  /** Queues a frame that goes out with what else is sent in this turn of the event loop; the body must stay unchanged. */
  sendSoon(header: Header, body?: Uint8Array): void {
    if (this.#failure !== undefined) return;
    const head = encodeHeader(body === undefined ? header : { ...header, size: body.length });
    this.#batch.push(head);
    this.#batched += head.length;
    this.#batchedHeaders += head.length;
    if (body !== undefined) {
      this.#batch.push(body);
      this.#batched += body.length;
    }
    if (this.#batched >= BATCH_BYTES) this.#flushBatch();
    else this.#flushing ??= setImmediate(() => this.#flushBatch());
  }

  get congested(): boolean {
    return this.connection.congested;
  }

  /** Waits while much is queued; throws when the channel has failed. */
  async ready(): Promise<void> {
    const wait = this.connection.drained();
    if (wait !== undefined) await wait;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async flushed(): Promise<void> {
    this.#flushBatch();
    const wait = this.connection.flushed();
    if (wait !== undefined) await wait;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when the peer has read all that was sent before: its answer to a ping says so. Never where it fails first. */
  async reached(): Promise<void> {
    const n = ++this.#lastAsked;
    this.send({ type: "ping", n });
    await new Promise<void>((resolve) => this.#asked.set(n, resolve));
    this.#asked.delete(n);
  }

  /** `answers` resolves when none is left of those that are sent later: a peer that has ended its half gets them too. */
  beforeEnd(answers: () => Promise<void> | undefined): void {
    this.#late = answers;
  }

  /** The next frame; frames that came before a failure are still delivered. One caller at a time. */
  next(): Promise<ReceivedFrame> | ReceivedFrame {
    const frame = this.#frames[this.#head];
    if (frame !== undefined) {
      this.#head += 1;
      if (this.#head * 2 >= this.#frames.length) {
        this.#frames.splice(0, this.#head);
        this.#head = 0;
      }
      this.#held -= FRAME_OVERHEAD_BYTES + (frame.body?.length ?? 0);
      if (this.#held < RESUME_BYTES) this.#goOn();
      return frame;
    }
    if (this.#hasAll) this.#over();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#next !== undefined)
      return Promise.reject(new SockError("internal", "two readers on one channel"));
    return new Promise((resolve, reject) => {
      this.#next = { resolve, reject };
    });
  }

  /** Ends the stream after what was sent; nothing more is delivered. */
  end(): void {
    clearInterval(this.#pings);
    this.#flushBatch();
    this.connection.end();
  }

  /** Tells the peer why, then ends; who has not read all until then is cut off, ms. */
  refuse(error: SockError, limitMs = REFUSED_MS): void {
    if (this.#failure !== undefined) return;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    this.send({ type: "error", code: error.code, message: error.message, ...hint });
    this.connection.end(limitMs);
    this.fail(error);
  }

  fail(error: SockError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearInterval(this.#pings);
    this.#next?.reject(error);
    this.#next = undefined;
    for (const listener of this.#onFailure.splice(0)) listener(error);
  }

  /** What it asked for before is still answered; that is over when somebody asks for its next frame. */
  #peerEnded(): void {
    this.#hasAll = true;
    if (this.#next !== undefined) this.#over();
    // one that is gone altogether, and not only done with its half, answers with a reset
    this.send({ type: "ping", n: 0 });
  }

  #over(): void {
    if (this.#failure !== undefined || this.#ending) return;
    const finish = (): void => {
      if (this.#failure !== undefined) return;
      this.end();
      this.fail(closedByPeer());
    };
    const late = this.#late();
    this.#ending = late !== undefined;
    if (late === undefined) finish();
    else void late.then(finish);
  }

  #flushBatch(): void {
    if (this.#flushing !== undefined) clearImmediate(this.#flushing);
    this.#flushing = undefined;
    if (this.#batch.length === 0) return;
    const bytes = this.#batch.length === 1 ? this.#batch[0] : Buffer.concat(this.#batch, this.#batched);
    // headers of one kind after another shrink to a fifth, for next to nothing
    const isMostlyHeaders = this.#batchedHeaders * 2 > this.#batched && this.#batch.length >= LEAST_FRAMES;
    this.#batch = [];
    this.#batched = 0;
    this.#batchedHeaders = 0;
    if (bytes !== undefined)
      this.connection.write(this.#packed(() => bytes, bytes, isMostlyHeaders) ?? bytes);
  }

  /** A frame with those frames packed into it, where that is worth it; `sample` is most of them. */
  #packed(frames: () => Uint8Array, sample: Uint8Array, anyway = false): Uint8Array | undefined {
    const { bytesOut, queued } = this.connection;
    if (this.#packer === undefined) return undefined;
    if (!anyway && !this.#packer.mayPack(sample, bytesOut - queued, queued)) return undefined;
    const raw = frames();
    const body = this.#packer.pack(raw);
    return body && encodeFrame({ type: "packed", raw: raw.length }, body);
  }

  #unpack(frame: Frame): void {
    const raw = frame.header["raw"];
    if (typeof raw !== "number" || raw < 1 || raw > MAX_PACKED_BYTES || frame.body === undefined) {
      throw new SockError("protocol", "the peer sent a packed frame without its length");
    }
    const inner = new FrameDecoder({ isStream, inside: true });
    const bytes = unpack(frame.body, raw);
    this.#decode(inner, bytes);
    if (inner.midFrame) throw new SockError("protocol", "the peer packed a part of a frame");
  }

  #bytes(chunk: Uint8Array): void {
    this.#heard = true;
    if (this.#failure !== undefined) return;
    try {
      this.#decode(this.#decoder, chunk);
    } catch (thrown) {
      if (!(thrown instanceof SockError)) throw thrown;
      this.refuse(thrown);
    }
  }

  #decode(decoder: FrameDecoder, chunk: Uint8Array): void {
    const memory = chunk.length < LENT_BYTES ? undefined : new Chunk(chunk);
    decoder.push(chunk, (frame) => this.#decoded(frame, decoder === this.#decoder, memory));
    memory?.seal();
  }

  /** `memory`: that of the bytes in which the frame ended. */
  #decoded(frame: Frame, isOuter: boolean, memory: Chunk | undefined): void {
    const isPacked = frame.header.type === "packed";
    if (isPacked && (!isOuter || !this.#takesPacked)) {
      throw new SockError("protocol", "the peer packed what must not be");
    }
    const isLate = isOuter && (this.#isLate || (isPacked && this.#held > PAUSE_BYTES));
    let received: ReceivedFrame = frame;
    if (memory?.holds(frame.body) === true) {
      if (isLent(frame.header)) received = { ...frame, release: memory.lend() };
      else if (isLate || !isPacked) memory.keep();
    }
    if (isLate) this.#later.push(received);
    else this.#arrived(received);
  }

  /** Something waits behind a packed frame, and so does what comes after it. */
  get #isLate(): boolean {
    return this.#laterHead < this.#later.length;
  }

  #arrived(frame: ReceivedFrame): void {
    if (frame.header.type === "packed") this.#unpack(frame);
    else this.#frame(frame);
  }

  /** There is room again: for what waits here first, then for what is still on its way. */
  #goOn(): void {
    try {
      while (this.#isLate && this.#held < PAUSE_BYTES) {
        const frame = this.#later[this.#laterHead++];
        if (frame !== undefined) this.#arrived(frame);
      }
    } catch (thrown) {
      if (!(thrown instanceof SockError)) throw thrown;
      this.#later = [];
      this.#laterHead = 0;
      this.refuse(thrown);
    }
    if (this.#isLate) return;
    this.#later = [];
    this.#laterHead = 0;
    if (this.connection.paused && this.#held < RESUME_BYTES) this.connection.resume();
  }

  #frame(frame: ReceivedFrame): void {
    if (frame.header.type === "ping") {
      // a peer that asks without reading the answers gets none: they would pile up here
      if (!this.connection.congested) this.send({ type: "pong", n: frame.header["n"] ?? 0 });
      return;
    }
    if (frame.header.type === "pong") {
      const { n } = frame.header;
      if (typeof n === "number") this.#asked.get(n)?.();
      return;
    }
    if (this.#next !== undefined) {
      const { resolve } = this.#next;
      this.#next = undefined;
      resolve(frame);
      return;
    }
    this.#frames.push(frame);
    this.#held += FRAME_OVERHEAD_BYTES + (frame.body?.length ?? 0);
    if (this.#held > PAUSE_BYTES) this.connection.pause();
  }

  /** While we do not read, silence says nothing about the peer; of one that has said all, only what it takes does. */
  #tick(): void {
    const taken = this.connection.bytesOut - this.connection.queued;
    const isAlive = this.#heard || this.connection.paused || (this.#hasAll && taken > this.#taken);
    this.#taken = taken;
    this.#missed = isAlive ? 0 : this.#missed + 1;
    if (this.#missed >= PINGS_MISSED) {
      this.fail(
        new SockError("lost", `nothing was heard for ${(this.#pingIntervalMs * PINGS_MISSED) / 1000} s`),
      );
      this.connection.terminate();
      return;
    }
    this.#heard = false;
    this.send({ type: "ping", n: 0 });
  }
}

function closedByPeer(): SockError {
  return new SockError("lost", "the other side closed the connection");
}
