import { SockError } from "../errors.ts";
import { Wakeful } from "../transport/wakeful.ts";
import { Samples } from "../measure/samples.ts";
import type { Target } from "./hosts.ts";
import { Pace } from "./pace.ts";
import { Session, type SessionOptions } from "./session.ts";

/** One connection on which what is sent comes back, in the same order. */
export interface EchoLine {
  /** More waits to be sent than should. */
  readonly congested: boolean;
  send(seq: number): void;
  /** The number of the next one that is back, and equal. Throws `differs`, `protocol`, and what ended the connection. */
  back(): Promise<number>;
  /** Ends it, gently where nothing is on its way. */
  close(): void | Promise<void>;
}

export interface LoopOptions {
  /** Round trips, all connections together. */
  count: number;
  /** Round trips a second, all connections together, whether or not the ones before are back; else as fast as they are. */
  rate: number | undefined;
  /** Called now and then with the round trips done. */
  onProgress?: (done: number) => void;
  /** Each that is sent, by its number, in us from the run's start; and each that came back. */
  onSent?: (number: number, at: number) => void;
  onReply?: (number: number, rttUs: number) => void;
}

export interface MeasureOptions extends SessionOptions, LoopOptions {
  /** Bytes each way. */
  size: number;
  connections: number;
}

export interface Measured {
  readonly started: Date;
  /** Round trips that came back equal. */
  readonly done: number;
  readonly seconds: number;
  /** ns. */
  readonly rtt: Samples;
  /** ns since each was due; undefined without a schedule. */
  readonly fromSchedule: Samples | undefined;
  /** Sent, and of these within an interval of their time. */
  readonly sent: number;
  readonly inTime: number;
  /** What stopped it before `count`; what was measured until then is there. */
  readonly failure: SockError | undefined;
}

/** Connections that are opened at the same time, so that a large number does not look like a flood. */
const OPENING_AT_ONCE = 32;
const PROGRESS_EVERY = 1000;
/** What one connection has out at most in an open loop: a server that stops answering is no reason to fill memory. */
const MOST_OUT = 10_000;

/** A reply that comes sooner than this after the one before is waited for awake, ms. */
const AWAKE_MS = 0.2;

/** Throws when no connection can be had. */
export async function measureEcho(
  target: Target,
  options: MeasureOptions,
): Promise<Measured & { address: string }> {
  const body = new Uint8Array(options.size).map((_, index) => index & 0xff);
  const lines = await openLines(
    options.connections,
    async () => new SessionLine(await Session.open(target, options), body),
  );
  const address = lines[0]?.session.channel.connection.address ?? "";
  return { address, ...(await measureLines(lines, options)) };
}

/** Round trips over connections that are there, which are closed at the end. */
export async function measureLines(lines: readonly EchoLine[], options: LoopOptions): Promise<Measured> {
  const run = new EchoRun(lines, options);
  const started = new Date();
  try {
    if (options.rate === undefined) await run.closedLoop();
    else await run.openLoop(options.rate);
    const seconds = (performance.now() - run.start) / 1000;
    const { done, rtt, fromSchedule, sent, inTime, failure } = run;
    return { started, done, seconds, rtt, fromSchedule, sent, inTime, failure };
  } finally {
    await Promise.all(lines.map(async (line) => line.close()));
  }
}

/** As many connections as are wanted, or none: throws the first one's failure then. */
export async function openLines<Line extends Pick<EchoLine, "close">>(
  wanted: number,
  open: () => Promise<Line>,
): Promise<Line[]> {
  const lines: Line[] = [];
  try {
    while (lines.length < wanted) {
      const count = Math.min(OPENING_AT_ONCE, wanted - lines.length);
      const opened = await Promise.allSettled(Array.from({ length: count }, open));
      for (const one of opened) if (one.status === "fulfilled") lines.push(one.value);
      for (const one of opened) if (one.status === "rejected") throw one.reason;
    }
    return lines;
  } catch (thrown) {
    await Promise.all(lines.map(async (line) => line.close()));
    throw thrown;
  }
}

class SessionLine implements EchoLine {
  readonly session: Session;
  readonly #body: Uint8Array;

  constructor(session: Session, body: Uint8Array) {
    this.session = session;
    this.#body = body;
    try {
      session.require("echo");
    } catch (thrown) {
      session.close();
      throw thrown;
    }
  }

  get congested(): boolean {
    return this.session.channel.congested;
  }

  send(seq: number): void {
    this.session.channel.send({ type: "echo", size: this.#body.length, seq }, this.#body);
  }

  async back(): Promise<number> {
    const { message, frame } = await this.session.next();
    if (message.type !== "echo" || frame.body === undefined) {
      throw new SockError("protocol", `the server answered an echo with ${message.type}`);
    }
    if (Buffer.compare(frame.body, this.#body) !== 0) {
      throw new SockError("differs", "what came back is not what was sent");
    }
    return message.seq;
  }

  close(): void {
    this.session.close();
  }
}

class EchoRun {
  readonly rtt = new Samples();
  fromSchedule: Samples | undefined;
  done = 0;
  sent = 0;
  inTime = 0;
  failure: SockError | undefined;
  readonly start = performance.now();
  readonly #lines: readonly EchoLine[];
  readonly #options: LoopOptions;

  constructor(lines: readonly EchoLine[], options: LoopOptions) {
    this.#lines = lines;
    this.#options = options;
  }

  /** Each connection sends its next one when the one before is back. */
  async closedLoop(): Promise<void> {
    const wakeful = new Wakeful(AWAKE_MS);
    await Promise.all(this.#lines.map((line) => this.#until(() => this.#inTurn(line, wakeful))));
  }

  async #inTurn(line: EchoLine, wakeful: Wakeful): Promise<void> {
    while (this.sent < this.#options.count && this.failure === undefined) {
      const seq = this.sent++;
      const sent = performance.now();
      this.#options.onSent?.(seq, (sent - this.start) * 1000);
      line.send(seq);
      mustBe(await line.back(), seq);
      wakeful.came();
      this.#back(seq, sent, undefined);
    }
  }

  /** They leave at their times, over the connections by turns. */
  async openLoop(rate: number): Promise<void> {
    const { count } = this.#options;
    const intervalMs = 1000 / rate;
    const out = this.#lines.map((): { seq: number; sent: number; due: number }[] => []);
    this.fromSchedule = new Samples();
    const { promise: all, resolve: finish } = Promise.withResolvers<void>();
    const pace = new Pace({
      count,
      intervalMs,
      start: performance.now(),
      send: (seq, due) => {
        const at = seq % this.#lines.length;
        const [line, waiting] = [this.#lines[at], out[at]];
        if (line === undefined || waiting === undefined) return true;
        if (line.congested || waiting.length >= MOST_OUT) return false;
        const sent = performance.now();
        this.#options.onSent?.(seq, (sent - this.start) * 1000);
        line.send(seq);
        waiting.push({ seq, sent, due });
        this.sent += 1;
        if (sent - due < intervalMs) this.inTime += 1;
        return true;
      },
      isOver: () => this.failure !== undefined,
      isQuiet: () => this.done === this.sent,
    });
    const read = async (line: EchoLine, waiting: (typeof out)[number]): Promise<void> => {
      while (this.done < count && this.failure === undefined) {
        const seq = await line.back();
        const first = waiting.shift();
        mustBe(seq, first?.seq);
        this.#back(seq, first?.sent ?? 0, first?.due);
        if (this.done === count) finish();
        else if (this.done === this.sent) pace.quiet();
      }
    };
    const reading = async (line: EchoLine, at: number): Promise<void> => {
      await this.#until(() => read(line, out[at] ?? []));
      if (this.failure !== undefined) finish();
    };
    for (const [at, line] of this.#lines.entries()) void reading(line, at);
    await pace.run();
    await all;
  }

  #back(seq: number, sent: number, due: number | undefined): void {
    const now = performance.now();
    this.rtt.record(Math.round((now - sent) * 1e6));
    this.#options.onReply?.(seq, (now - sent) * 1000);
    if (due !== undefined) this.fromSchedule?.record(Math.round((now - due) * 1e6));
    this.done += 1;
    if (this.done % PROGRESS_EVERY === 0) this.#options.onProgress?.(this.done);
  }

  /** The first failure of any connection ends the run. */
  async #until(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      if (!(thrown instanceof SockError)) throw thrown;
      this.failure ??= thrown;
    }
  }
}

function mustBe(seq: number, expected: number | undefined): void {
  if (seq !== expected) throw new SockError("protocol", "an echo came back for another one");
}
