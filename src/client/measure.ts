import { SockError } from "../errors.ts";
import { Samples } from "../measure/samples.ts";
import { roundTrip } from "./echo.ts";
import type { Target } from "./hosts.ts";
import { Pace } from "./pace.ts";
import { Session, type SessionOptions } from "./session.ts";

export interface MeasureOptions extends SessionOptions {
  /** Round trips, all connections together. */
  count: number;
  /** Bytes each way. */
  size: number;
  connections: number;
  /** Round trips a second, all connections together, whether or not the ones before are back; else as fast as they are. */
  rate: number | undefined;
  /** Called now and then with the round trips done. */
  onProgress?: (done: number) => void;
  /** Each frame that is sent, by its number, in us from the run's start; and each that came back. */
  onSent?: (number: number, at: number) => void;
  onReply?: (number: number, rttUs: number) => void;
}

export interface Measured {
  readonly address: string;
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
/** Frames that one connection has out at most in an open loop: a server that stops answering is no reason to fill memory. */
const MOST_OUT = 10_000;

/** Throws when no connection can be had. */
export async function measureEcho(target: Target, options: MeasureOptions): Promise<Measured> {
  const sessions = await openAll(target, options);
  const started = new Date();
  const run = new EchoRun(sessions, options);
  try {
    if (options.rate === undefined) await run.closedLoop();
    else await run.openLoop(options.rate);
  } finally {
    for (const session of sessions) session.close();
  }
  const seconds = (performance.now() - run.start) / 1000;
  const { done, rtt, fromSchedule, sent, inTime, failure } = run;
  const address = sessions[0]?.channel.connection.address ?? "";
  return { address, started, done, seconds, rtt, fromSchedule, sent, inTime, failure };
}

class EchoRun {
  readonly rtt = new Samples();
  fromSchedule: Samples | undefined;
  done = 0;
  sent = 0;
  inTime = 0;
  failure: SockError | undefined;
  readonly start = performance.now();
  readonly #sessions: readonly Session[];
  readonly #options: MeasureOptions;
  readonly #body: Uint8Array;

  constructor(sessions: readonly Session[], options: MeasureOptions) {
    this.#sessions = sessions;
    this.#options = options;
    this.#body = new Uint8Array(options.size).map((_, index) => index & 0xff);
  }

  /** Each connection sends its next frame when the one before is back. */
  async closedLoop(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => this.#until(() => this.#inTurn(session))));
  }

  async #inTurn(session: Session): Promise<void> {
    while (this.sent < this.#options.count && this.failure === undefined) {
      const seq = this.sent++;
      const sent = performance.now();
      this.#options.onSent?.(seq, (sent - this.start) * 1000);
      await roundTrip(session, this.#body, seq);
      this.#back(seq, sent, undefined);
    }
  }

  /** Frames leave at their times, over the connections by turns. */
  async openLoop(rate: number): Promise<void> {
    const { count, size } = this.#options;
    const intervalMs = 1000 / rate;
    const out = this.#sessions.map((): { seq: number; sent: number; due: number }[] => []);
    this.fromSchedule = new Samples();
    const { promise: all, resolve: finish } = Promise.withResolvers<void>();
    const pace = new Pace({
      count,
      intervalMs,
      start: performance.now(),
      send: (seq, due) => {
        const at = seq % this.#sessions.length;
        const [session, waiting] = [this.#sessions[at], out[at]];
        if (session === undefined || waiting === undefined) return true;
        if (session.channel.congested || waiting.length >= MOST_OUT) return false;
        const sent = performance.now();
        this.#options.onSent?.(seq, (sent - this.start) * 1000);
        session.channel.send({ type: "echo", size, seq }, this.#body);
        waiting.push({ seq, sent, due });
        this.sent += 1;
        if (sent - due < intervalMs) this.inTime += 1;
        return true;
      },
      isOver: () => this.failure !== undefined,
      isQuiet: () => this.done === this.sent,
    });
    const read = async (session: Session, waiting: (typeof out)[number]): Promise<void> => {
      while (this.done < count && this.failure === undefined) {
        const { message, frame } = await session.next();
        const first = waiting.shift();
        if (first === undefined || message.type !== "echo" || message.seq !== first.seq) {
          throw new SockError("protocol", `the server answered an echo with ${message.type}`);
        }
        if (frame.body === undefined || Buffer.compare(frame.body, this.#body) !== 0) {
          throw new SockError("differs", "what came back is not what was sent");
        }
        this.#back(first.seq, first.sent, first.due);
        if (this.done === count) finish();
        else if (this.done === this.sent) pace.quiet();
      }
    };
    const reading = async (session: Session, at: number): Promise<void> => {
      await this.#until(() => read(session, out[at] ?? []));
      if (this.failure !== undefined) finish();
    };
    for (const [at, session] of this.#sessions.entries()) void reading(session, at);
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

async function openAll(target: Target, options: MeasureOptions): Promise<Session[]> {
  const sessions: Session[] = [];
  try {
    while (sessions.length < options.connections) {
      const wanted = Math.min(OPENING_AT_ONCE, options.connections - sessions.length);
      const opened = await Promise.allSettled(
        Array.from({ length: wanted }, () => Session.open(target, options)),
      );
      for (const one of opened) if (one.status === "fulfilled") sessions.push(one.value);
      for (const one of opened) if (one.status === "rejected") throw one.reason;
    }
    sessions[0]?.require("echo");
  } catch (thrown) {
    for (const session of sessions) session.close();
    throw thrown;
  }
  return sessions;
}
