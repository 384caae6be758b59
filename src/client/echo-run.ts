/** Round trips over connections that are there: each in its turn, or by a schedule. */
import { SockError } from "../errors.ts";
import { StreamsJitter } from "../measure/jitter.ts";
import { Samples } from "../measure/samples.ts";
import { Wakeful } from "../transport/wakeful.ts";
import { Pace } from "./pace.ts";

/** One connection on which what is sent comes back, in the same order. */
export interface EchoLine {
  /** More waits to be sent than should. */
  readonly congested: boolean;
  send(seq: number): void;
  /** The number of the next one that is back, and equal. Throws `differs`, `protocol`, and what ended the connection. */
  back(): Promise<number>;
  /** Ends it, gently where nothing is on its way; what is wrong with what came behind the last one. */
  close(): Promise<SockError | undefined>;
}

export interface LoopListeners {
  /** Each that is sent, by its number, in us from the run's start; and each that came back. */
  readonly onSent?: (number: number, at: number) => void;
  readonly onReply?: (number: number, rttUs: number) => void;
}

export interface LoopOptions extends LoopListeners {
  /** Round trips, all connections together; undefined: as many as `lastsMs` has time for. */
  readonly count: number | undefined;
  /** None is sent later than this; undefined where `count` says how many. */
  readonly lastsMs: number | undefined;
  /**
   * Between two, all connections together, whether or not the ones before are back. 0: each connection sends its next one when
   * the one before is back.
   */
  readonly intervalNs: number;
  /** Round trips that go before, and count for nothing. */
  readonly warmup: number;
  /** Called now and then with the round trips done. */
  readonly onProgress?: (done: number) => void;
}

/** What one connection has out at most in an open loop: a server that stops answering is no reason to fill memory. */
const MOST_OUT = 10_000;

/** A reply that comes sooner than this after the one before is waited for awake, ms. */
const AWAKE_MS = 0.2;

/** The account of the round trips that count, or of those that go before. */
export class EchoPart {
  readonly rtt = new Samples();
  readonly jitter: StreamsJitter;
  /** Undefined without a schedule. */
  readonly fromSchedule: Samples | undefined;
  done = 0;
  sent = 0;
  inTime = 0;
  readonly count: number;
  readonly listeners: LoopListeners;
  readonly started = new Date();
  readonly start = performance.now();
  /** None is sent from here on. */
  readonly until: number;

  constructor(
    lines: number,
    { count = Infinity, lastsMs = Infinity, intervalNs, ...listeners }: Omit<LoopOptions, "warmup">,
  ) {
    this.jitter = new StreamsJitter(lines);
    this.fromSchedule = intervalNs === 0 ? undefined : new Samples();
    this.count = count;
    this.until = this.start + lastsMs;
    this.listeners = listeners;
  }

  /** One is back over the connection with the number `line`. */
  back(line: number, seq: number, sent: number, due: number | undefined): void {
    const now = performance.now();
    const rtt = Math.round((now - sent) * 1e6);
    this.rtt.record(rtt);
    this.jitter.record(line, rtt);
    this.listeners.onReply?.(seq, (now - sent) * 1000);
    if (due !== undefined) this.fromSchedule?.record(Math.round((now - due) * 1e6));
    this.done += 1;
  }
}

interface Out {
  readonly seq: number;
  readonly sent: number;
  readonly due: number;
}

/** One part after the other over the same connections; the first failure of any of them ends it. */
export class EchoRun {
  failure: SockError | undefined;
  readonly #lines: readonly EchoLine[];
  /** What each has out in an open loop. */
  readonly #out: readonly Out[][];
  readonly #wakeful = new Wakeful(AWAKE_MS);
  #reads = false;
  /** Called in an open loop when one is back. */
  #cameBack: (line: number, out: Out) => void = () => undefined;
  #failed: () => void = () => undefined;

  constructor(lines: readonly EchoLine[]) {
    this.#lines = lines;
    this.#out = lines.map(() => []);
  }

  /** Each connection sends its next one when the one before is back. */
  async closedLoop(part: EchoPart): Promise<void> {
    await Promise.all(
      this.#lines.map(async (line, at) => this.#until(async () => this.#inTurn(part, line, at))),
    );
  }

  async #inTurn(part: EchoPart, line: EchoLine, at: number): Promise<void> {
    const { onSent } = part.listeners;
    while (part.sent < part.count && this.failure === undefined) {
      const sent = performance.now();
      if (sent >= part.until) return;
      const seq = part.sent++;
      onSent?.(seq, (sent - part.start) * 1000);
      line.send(seq);
      mustBe(await line.back(), seq);
      this.#wakeful.came();
      part.back(at, seq, sent, undefined);
    }
  }

  /** They leave at their times, over the connections by turns. */
  async openLoop(part: EchoPart, intervalMs: number): Promise<void> {
    const { count, listeners } = part;
    const { promise: all, resolve: finish } = Promise.withResolvers<void>();
    const pace = new Pace({
      count,
      intervalMs,
      start: part.start,
      send: (seq, due) => {
        const at = seq % this.#lines.length;
        const [line, waiting] = [this.#lines[at], this.#out[at]];
        if (line === undefined || waiting === undefined) return true;
        if (line.congested || waiting.length >= MOST_OUT) return false;
        const sent = performance.now();
        listeners.onSent?.(seq, (sent - part.start) * 1000);
        line.send(seq);
        waiting.push({ seq, sent, due });
        part.sent += 1;
        if (sent - due < intervalMs) part.inTime += 1;
        return true;
      },
      isOver: () => this.failure !== undefined,
      isQuiet: () => part.done === part.sent,
    });
    this.#cameBack = (line, { seq, sent, due }) => {
      part.back(line, seq, sent, due);
      if (part.done === count) finish();
      else if (part.done === part.sent) pace.quiet();
    };
    this.#failed = finish;
    this.#read();
    await pace.run();
    await all;
  }

  /** From the first part to the end: one that still waits for its next when a part is over gets the next part's. */
  #read(): void {
    if (this.#reads) return;
    this.#reads = true;
    const read = async (line: EchoLine, at: number): Promise<void> => {
      while (this.failure === undefined) {
        const seq = await line.back();
        const first = this.#out[at]?.shift();
        mustBe(seq, first?.seq);
        if (first !== undefined) this.#cameBack(at, first);
      }
    };
    const reading = async (line: EchoLine, at: number): Promise<void> => {
      await this.#until(async () => read(line, at));
      if (this.failure !== undefined) this.#failed();
    };
    for (const [at, line] of this.#lines.entries()) void reading(line, at);
  }

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
