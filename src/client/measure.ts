import { SockError } from "../errors.ts";
import { Histogram } from "../measure/histogram.ts";
import { roundTrip } from "./echo.ts";
import type { Target } from "./hosts.ts";
import { Session, type SessionOptions } from "./session.ts";

export interface MeasureOptions extends SessionOptions {
  /** Round trips, all connections together. */
  count: number;
  /** Bytes each way. */
  size: number;
  connections: number;
  /** Called now and then with the round trips done. */
  onProgress?: (done: number) => void;
}

export interface Measured {
  readonly address: string;
  /** Round trips that came back equal. */
  readonly done: number;
  readonly seconds: number;
  /** Nanoseconds. */
  readonly rtt: Histogram;
  /** What stopped it before `count`; what was measured until then is there. */
  readonly failure: SockError | undefined;
}

/** Connections that are opened at the same time, so that a large number does not look like a flood. */
const OPENING_AT_ONCE = 32;
const PROGRESS_EVERY = 1000;

/** Closed loop: each connection sends its next frame when the one before is back. Throws when no connection can be had. */
export async function measureEcho(target: Target, options: MeasureOptions): Promise<Measured> {
  const sessions = await openAll(target, options);
  const rtt = new Histogram();
  const body = new Uint8Array(options.size).map((_, index) => index & 0xff);
  let begun = 0;
  let done = 0;
  let failure: SockError | undefined;
  const run = async (session: Session): Promise<void> => {
    while (begun < options.count && failure === undefined) {
      const seq = begun++;
      const sent = performance.now();
      try {
        await roundTrip(session, body, seq);
      } catch (thrown) {
        if (!(thrown instanceof SockError)) throw thrown;
        failure ??= thrown;
        return;
      }
      rtt.record(Math.round((performance.now() - sent) * 1e6));
      done += 1;
      if (done % PROGRESS_EVERY === 0) options.onProgress?.(done);
    }
  };
  const started = performance.now();
  try {
    await Promise.all(sessions.map(run));
  } finally {
    for (const session of sessions) session.close();
  }
  const seconds = (performance.now() - started) / 1000;
  return { address: sessions[0]?.channel.connection.address ?? "", done, seconds, rtt, failure };
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
