/** Connections whose round trips are measured. */
import { SockError } from "../errors.ts";
import { type EchoLine, EchoPart, EchoRun, type LoopOptions } from "./echo-run.ts";
import type { Target } from "./hosts.ts";
import { Session, type SessionOptions } from "./session.ts";

export interface MeasureOptions extends SessionOptions, LoopOptions {
  /** Bytes each way. */
  size: number;
  connections: number;
}

/** What counts, and what stopped it before its end; what was measured until then is there. */
export interface Measured {
  readonly part: EchoPart;
  readonly seconds: number;
  readonly failure: SockError | undefined;
}

/** Connections that are opened at the same time, so that a large number does not look like a flood. */
const OPENING_AT_ONCE = 32;
/** How often it is said how many are done, ms. */
const PROGRESS_MS = 50;

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
  const run = new EchoRun(lines);
  const { warmup, onProgress, ...counted } = options;
  const { intervalNs } = counted;
  const go = async (part: EchoPart): Promise<EchoPart> => {
    if (intervalNs === 0) await run.closedLoop(part);
    else await run.openLoop(part, intervalNs / 1e6);
    return part;
  };
  let progress: ReturnType<typeof setInterval> | undefined;
  let closed: (SockError | undefined)[] = [];
  let part: EchoPart;
  let seconds: number;
  try {
    if (warmup > 0) await go(new EchoPart(lines.length, { intervalNs, count: warmup, lastsMs: undefined }));
    part = new EchoPart(lines.length, counted);
    progress = setInterval(() => onProgress?.(part.done), PROGRESS_MS);
    if (run.failure === undefined) await go(part);
    seconds = (performance.now() - part.start) / 1000;
  } finally {
    clearInterval(progress);
    closed = await Promise.all(lines.map(async (line) => line.close()));
  }
  return { part, seconds, failure: run.failure ?? closed.find((one) => one !== undefined) };
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

  async close(): Promise<undefined> {
    this.session.close();
  }
}
