/** Where requests get their connection from: one for each, or one that is kept for a row of them. */
import { asSockError, type ErrorCode, type SockError } from "../errors.ts";
import type { Target } from "./hosts.ts";
import { Session, type SessionOptions } from "./session.ts";

export interface Connections {
  /** What is opened stays open for the next request. */
  readonly keeps: boolean;
  /** Throws what `Session.open` throws. */
  open(host: Target): Promise<Session>;
}

/** A new one each time. */
export function eachItsOwn(options: SessionOptions): Connections {
  return { keeps: false, open: async (host) => Session.open(host, options) };
}

/** After these nobody knows what is still on its way. */
const UNCLEAR: ReadonlySet<ErrorCode> = new Set(["protocol", "cut", "internal", "io", "interrupted"]);

/** Requests on one session; afterwards it is closed, or kept where it is still good. */
export async function withSession<T>(
  connections: Connections,
  host: Target,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await connections.open(host);
  let isClear = connections.keeps;
  try {
    return await work(session);
  } catch (thrown) {
    isClear &&= !UNCLEAR.has(asSockError(thrown).code);
    throw thrown;
  } finally {
    if (!isClear) session.close();
  }
}

/** One connection to one server, made when it is needed, and made anew when the last one is of no more use. */
export class KeptConnection implements Connections {
  readonly keeps = true;
  readonly #options: SessionOptions;
  readonly #onAgain: () => void;
  #session: Session | undefined;
  #abort = new AbortController();

  /** `onAgain`: the last one was lost, and there is another. */
  constructor(options: SessionOptions, onAgain: () => void) {
    this.#options = options;
    this.#onAgain = onAgain;
  }

  async open(host: Target): Promise<Session> {
    if (this.#session?.usable === true) return this.#session;
    const isLost = this.#session !== undefined;
    if (this.#abort.signal.aborted) this.#abort = new AbortController();
    const signals = [
      this.#abort.signal,
      ...(this.#options.signal === undefined ? [] : [this.#options.signal]),
    ];
    const session = await Session.open(host, { ...this.#options, signal: AbortSignal.any(signals) });
    this.#session = session;
    if (isLost) this.#onAgain();
    return session;
  }

  /** Ends what is on its way at once; the next request gets another connection. */
  interrupt(reason: SockError): void {
    this.#abort.abort(reason);
    this.#session = undefined;
  }

  close(): void {
    if (this.#session?.usable === true) this.#session.close();
    this.#session = undefined;
  }
}
