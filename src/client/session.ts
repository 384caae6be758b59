import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { userName } from "../os/user.ts";
import { SockError } from "../errors.ts";
import { FEATURE_ZSTD, PROTOCOL_VERSION, RUN_ID_BYTES } from "../protocol/constants.ts";
import { checkMust } from "../protocol/frame.ts";
import { parseServerMessage, type ServerHello, type ServerMessage } from "../protocol/messages.ts";
import { Channel, type ReceivedFrame } from "../transport/channel.ts";
import { connect } from "../transport/connect.ts";
import type { Compress } from "../transport/packing.ts";
import { identityFromSecret } from "../transport/identity.ts";
import { VERSION } from "../version.ts";
import type { Target } from "./hosts.ts";

export interface SessionOptions {
  connectTimeoutMs?: number | undefined;
  /** Goes on trying this long while the server is not there, ms. */
  readyMs?: number | undefined;
  signal?: AbortSignal | undefined;
  /** A connection that is closed without a word is not tried again. */
  impatient?: boolean;
}

/** First and longest pause between two tries of `readyMs`, ms. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;
/** Pauses before the tries after a connection that was closed without a word, ms. */
const EARLY_PAUSES_MS = [100, 300, 900, 1_500, 2_000];
/** What a server that is not up yet may look like. */
const NOT_YET: ReadonlySet<string> = new Set([
  "refused",
  "silent",
  "lost",
  "unreachable",
  "timeout",
  "busy",
  "draining",
]);

/** Secret of this run of the program: reconnects with it cost no use. */
const RUN_ID = randomBytes(RUN_ID_BYTES).toString("hex");

/** One authorised connection to a server that has proved its key. */
export class Session {
  readonly channel: Channel;
  readonly server: ServerHello;
  /** The server said that it stops; a connection that ends then was not lost by accident. */
  closing = false;
  #over = false;
  /** Called when it says so. */
  onClosing: (() => void) | undefined;

  /** Its key came with this run, in a code, and not by `sock join`. */
  readonly #isByCode: boolean;

  private constructor(channel: Channel, server: ServerHello, isByCode: boolean) {
    this.channel = channel;
    this.server = server;
    this.#isByCode = isByCode;
  }

  /** Throws what `connect` throws, and the server's refusal. */
  static async open(target: Target, options: SessionOptions = {}): Promise<Session> {
    const deadline = performance.now() + (options.readyMs ?? 0);
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        const attempt = async (): Promise<Session> => Session.#once(target, options);
        return await (options.impatient === true ? attempt() : patiently(attempt, options.signal));
      } catch (thrown) {
        const left = deadline - performance.now();
        if (!(thrown instanceof SockError) || !NOT_YET.has(thrown.code) || left <= 0) throw thrown;
        await sleep(Math.min(pause, left), options.signal);
      }
    }
  }

  static async #once(target: Target, options: SessionOptions): Promise<Session> {
    const identity = identityFromSecret(target.secret);
    const { connectTimeoutMs, signal } = options;
    const connection = await connect({
      addresses: target.addresses,
      pin: target.pin,
      identity,
      ...(connectTimeoutMs === undefined ? {} : { timeoutMs: connectTimeoutMs }),
      ...(signal === undefined ? {} : { signal }),
    });
    const channel = new Channel(connection);
    const abort = (): void => {
      if (signal !== undefined) channel.fail(reasonOf(signal));
      // who waits for a line that takes nothing any more would wait for ever
      connection.terminate();
    };
    signal?.addEventListener("abort", abort, { once: true });
    channel.send({
      type: "hello",
      min: PROTOCOL_VERSION,
      max: PROTOCOL_VERSION,
      sock: VERSION,
      features: [FEATURE_ZSTD],
      run: RUN_ID,
      platform: process.platform,
      name: clientName(),
    });
    try {
      return new Session(channel, await greeting(channel), target.ephemeral);
    } catch (thrown) {
      channel.end();
      throw thrown;
    }
  }

  /** What is sent from now on may be packed, if the server takes it. */
  pack(mode: Compress): void {
    if (this.server.features.includes(FEATURE_ZSTD)) this.channel.pack(mode);
  }

  /** Throws `capability` before anything is sent that the server would refuse. */
  require(capability: string): void {
    if (this.server.caps.includes(capability)) return;
    const { key } = this.server;
    // the server of a pair (SOCK_SERVE) has no list
    const other = this.#isByCode ? `, or a new code with --allow ${capability}` : "";
    throw new SockError(
      "capability",
      `the key ${key} does not allow ${capability} there`,
      `on the server: sock clients allow ${key} ${capability}${other}`,
    );
  }

  /** The next message; an `error` of the server is thrown. */
  async next(): Promise<{ message: ServerMessage; frame: ReceivedFrame }> {
    for (;;) {
      let frame: ReceivedFrame;
      try {
        frame = await this.channel.next();
      } catch (thrown) {
        if (this.closing && thrown instanceof SockError && thrown.code === "lost") throw stopped();
        throw thrown;
      }
      const message = parseServerMessage(frame.header);
      if (message.type === "closing") {
        this.closing = true;
        this.onClosing?.();
      } else if (message.type === "error") throw new SockError(message.code, message.message, message.hint);
      else return { message, frame };
    }
  }

  /** Called once when the connection is of no more use, however it ended. */
  onEnd(listener: () => void): void {
    this.channel.onFailure(listener);
  }

  /** Throws why the connection ended, in the server's words where it gave some; call it after `onEnd`'s call. */
  async failure(): Promise<never> {
    for (;;) await this.next();
  }

  /** Another request may be sent on it. */
  get usable(): boolean {
    return !this.#over && !this.closing && this.channel.failure === undefined;
  }

  close(): void {
    this.#over = true;
    this.channel.send({ type: "bye" });
    this.channel.end();
  }
}

/**
 * A busy server closes those whose turn takes too long, before it has said anything: they come again. In TLS 1.3 the client
 * is done first, so that may be when it waits for the greeting already; its run is the same, and costs no other use.
 */
async function patiently(attempt: () => Promise<Session>, signal?: AbortSignal): Promise<Session> {
  for (const pause of EARLY_PAUSES_MS) {
    try {
      return await attempt();
    } catch (thrown) {
      if (!(thrown instanceof SockError) || thrown.code !== "lost" || signal?.aborted === true) throw thrown;
      // not all at the same moment
      await sleep(pause * (0.5 + Math.random()), signal);
    }
  }
  return attempt();
}

async function greeting(channel: Channel): Promise<ServerHello> {
  const frame = await channel.next();
  checkMust(frame.header, []);
  const message = parseServerMessage(frame.header);
  if (message.type === "error") throw new SockError(message.code, message.message, message.hint);
  if (message.type === "closing") throw stopped();
  if (message.type !== "hello")
    throw new SockError("protocol", `the server's first frame is ${message.type}`);
  if (message.min > PROTOCOL_VERSION || message.max < PROTOCOL_VERSION) {
    throw new SockError(
      "version",
      `the server speaks versions ${message.min} to ${message.max} (sock ${message.sock}), this sock ${PROTOCOL_VERSION} (${VERSION})`,
      "use the same sock on both machines",
    );
  }
  channel.open(true);
  return message;
}

function stopped(): SockError {
  return new SockError("draining", "the server was stopped", "the same command works again when it is back");
}

/**
 * One request on a session, which is closed then. One that is kept stays open when all went well: only then is nothing of the
 * request on its way any more.
 */
export async function released<T>(
  session: Session,
  keeps: boolean | undefined,
  request: () => Promise<T>,
): Promise<T> {
  let isGood = false;
  try {
    const answer = await request();
    isGood = true;
    return answer;
  } finally {
    if (!isGood || keeps !== true) session.close();
  }
}

/** How this client is called in the server's lists, until its owner says otherwise. */
export function clientName(): string {
  return `${userName() ?? "user"}-${hostname()}`.slice(0, 60);
}

function reasonOf(signal: AbortSignal): SockError {
  return signal.reason instanceof SockError ? signal.reason : new SockError("interrupted", "stopped");
}

/** Resolves after `ms`; throws the reason of an abort. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(reasonOf(signal));
      return;
    }
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(reasonOf(signal));
      },
      { once: true },
    );
  });
}
