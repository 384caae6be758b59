/** A remote terminal, seen from here: it goes on over as many connections as it takes, without a byte lost or doubled. */
import { SockError } from "../errors.ts";
import { LINGER_MS, MAX_BODY_BYTES, MAX_TERMINAL_NAME, TERMINAL_UNACKED } from "../protocol/constants.ts";
import {
  type Attached,
  isTerminalName,
  type Over,
  type TerminalItem,
} from "../protocol/terminal-messages.ts";
import { checkEnvironment } from "./environment.ts";
import type { Session } from "./session.ts";

export type { Over, TerminalItem } from "../protocol/terminal-messages.ts";

export interface TerminalOptions {
  /** Opens a connection; called again after each break. */
  open(): Promise<Session>;
  readonly signal: AbortSignal;
  /** A new one, with the name that it gets there, or one that waits there. */
  readonly begin:
    | {
        readonly kind: "new";
        readonly name: string | null;
        readonly cwd: string | null;
        readonly env: Record<string, string>;
      }
    | { readonly kind: "attach"; readonly name: string | null };
  readonly cols: number;
  readonly rows: number;
  /** Until it resolves, the bytes count as not used. */
  output(bytes: Uint8Array): Promise<void>;
  /** Undefined: the connection is good. */
  onState(lost: SockError | undefined): void;
}

/** First and longest pause between two tries to come back, ms. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
/** Output that was used is told of after so many bytes, and at least this often, ms. */
const ACK_BYTES = 64 * 1024;
const ACK_MS = 50;
/** After its leave-taking the server has this long to answer, ms: what is hung up may take its time to end. */
const LEAVE_MS = 4_000;
const RETRIED: ReadonlySet<string> = new Set(["lost", "refused", "silent", "unreachable", "timeout", "busy"]);

export class RemoteTerminal {
  readonly #options: TerminalOptions;
  #cols: number;
  #rows: number;
  #session: Session | undefined;
  #known: Attached | undefined;
  /** Offset of the next output, of what was used of it, and of what was told so. */
  #at = 0;
  #used = 0;
  #acked = 0;
  #acking: ReturnType<typeof setTimeout> | undefined;
  /** Input that was not taken yet. */
  #keys: Uint8Array[] = [];
  #keysFrom = 0;
  #keysBytes = 0;
  #room: (() => void) | undefined;
  /** Input that waits for room. */
  #feeding: Promise<void> | undefined;
  #feeds = 0;
  #left: "end" | "stay" | undefined;
  #writing: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;

  /** Throws `usage` for a name and variables that the server would not take. */
  constructor(options: TerminalOptions) {
    const { begin } = options;
    if (begin.kind === "new") checkEnvironment(begin.env);
    if (begin.name !== null && !isTerminalName(begin.name)) {
      throw new SockError(
        "usage",
        `${JSON.stringify(begin.name)} is no name for a terminal`,
        `letters, digits, . _ - and at most ${MAX_TERMINAL_NAME} of them`,
      );
    }
    this.#options = options;
    this.#cols = options.cols;
    this.#rows = options.rows;
  }

  get name(): string | undefined {
    return this.#known?.name;
  }

  /** Resolves when it is over. Throws what refused it, and `lost` when it could not be reached any more. */
  async run(): Promise<Over> {
    try {
      return await this.#run();
    } finally {
      // what has arrived is shown, however it ended
      await this.#writing.catch(() => undefined);
    }
  }

  async #run(): Promise<Over> {
    let deadline = Number.POSITIVE_INFINITY;
    let pause = FIRST_PAUSE_MS;
    for (;;) {
      try {
        const session = await this.#options.open();
        try {
          return await this.#once(session, () => {
            deadline = Number.POSITIVE_INFINITY;
            pause = FIRST_PAUSE_MS;
          });
        } finally {
          this.#session = undefined;
          clearTimeout(this.#acking);
          this.#acking = undefined;
          session.close();
        }
      } catch (thrown) {
        // left in a dead line it waits there; that it was hung up nobody can say
        if (this.#left === "stay" && this.#known !== undefined) return leftOver(this.#at);
        if (this.#left === "end") throw thrown;
        if (!(thrown instanceof SockError) || this.#known === undefined || !RETRIED.has(thrown.code))
          throw thrown;
        if (this.#options.signal.aborted) throw thrown;
        const now = performance.now();
        if (deadline === Number.POSITIVE_INFINITY) deadline = now + LINGER_MS;
        if (now > deadline) throw thrown;
        this.#options.onState(thrown);
        await this.#sleep(pause);
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
    }
  }

  /** Keys for it, in the order of the calls. Something to wait for where there is no room for more, else undefined. */
  input(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#feeding === undefined && this.#keysBytes + bytes.length <= TERMINAL_UNACKED) {
      this.#key(bytes);
      return undefined;
    }
    this.#feeds += 1;
    this.#feeding = this.#feed(this.#feeding, bytes);
    return this.#feeding;
  }

  async #feed(before: Promise<void> | undefined, bytes: Uint8Array): Promise<void> {
    await before;
    for (let from = 0; from < bytes.length;) {
      while (this.#keysBytes >= TERMINAL_UNACKED) {
        await new Promise<void>((resolve) => {
          this.#room = resolve;
        });
      }
      const piece = bytes.subarray(from, from + TERMINAL_UNACKED - this.#keysBytes);
      from += piece.length;
      this.#key(piece);
    }
    this.#feeds -= 1;
    if (this.#feeds === 0) this.#feeding = undefined;
  }

  #key(bytes: Uint8Array): void {
    const piece = bytes.slice();
    const at = this.#keysFrom + this.#keysBytes;
    this.#keys.push(piece);
    this.#keysBytes += piece.length;
    this.#send(at, piece);
  }

  resize(cols: number, rows: number): void {
    this.#cols = cols;
    this.#rows = rows;
    if (this.#known !== undefined) this.#session?.channel.send({ type: "resize", cols, rows });
  }

  /** Hangs it up, or lets it wait for another client. */
  leave(how: "end" | "stay"): void {
    this.#left = how;
    const channel = this.#session?.channel;
    channel?.send({ type: "leave", end: how === "end" });
    // a dead line may take long to be known as one
    if (channel !== undefined) {
      setTimeout(() => channel.fail(new SockError("lost", "the server does not answer")), LEAVE_MS).unref();
    }
    this.#wake?.();
  }

  async #once(session: Session, onGood: () => void): Promise<Over> {
    session.require("shell");
    const { channel } = session;
    channel.send(this.#request());
    for (;;) {
      const { message, frame } = await session.next();
      switch (message.type) {
        case "attached":
          this.#begin(session, message);
          onGood();
          break;
        case "bytes":
          this.#take(message.at, frame.body ?? EMPTY);
          break;
        case "ack":
          this.#taken(message.at);
          break;
        case "over":
          // all that has arrived will be shown, and is not to come again
          channel.send({ type: "ack", at: this.#at });
          channel.send({ type: "finish" });
          // what came behind that would be taken for the next request
          this.#session = undefined;
          await this.#writing;
          if (message.reason === "ended" && message.at !== this.#at) {
            throw new SockError("cut", "the end of its output did not arrive");
          }
          return message;
        default:
          throw new SockError("protocol", `the server answered a terminal with ${message.type}`);
      }
    }
  }

  #request(): Parameters<Session["channel"]["send"]>[0] {
    const { begin } = this.#options;
    const size = { cols: this.#cols, rows: this.#rows };
    if (this.#known !== undefined)
      return { type: "attach", id: this.#known.id, name: null, at: this.#at, ...size };
    if (begin.kind === "attach") return { type: "attach", name: begin.name, ...size };
    return { type: "terminal", name: begin.name, cwd: begin.cwd, env: begin.env, ...size };
  }

  #begin(session: Session, attached: Attached): void {
    if (this.#known === undefined) {
      this.#at = attached.at;
      this.#used = attached.at;
      this.#keysFrom = attached.taken;
    } else if (attached.at !== this.#at) {
      throw new SockError("protocol", "the server goes on with another part of the output");
    }
    const again = this.#known !== undefined;
    this.#known = attached;
    this.#session = session;
    this.#acked = 0;
    this.#taken(attached.taken);
    let at = this.#keysFrom;
    for (const piece of this.#keys) {
      this.#send(at, piece);
      at += piece.length;
    }
    if (again) this.#ack();
    this.#options.onState(undefined);
    if (this.#left !== undefined) this.leave(this.#left);
  }

  #send(at: number, piece: Uint8Array): void {
    if (this.#known === undefined) return;
    for (let from = 0; from < piece.length; from += MAX_BODY_BYTES) {
      const part = piece.subarray(from, from + MAX_BODY_BYTES);
      this.#session?.channel.send({ type: "bytes", at: at + from, size: part.length }, part);
    }
  }

  /** Input before `at` need not be kept any more. */
  #taken(at: number): void {
    if (at > this.#keysFrom + this.#keysBytes)
      throw new SockError("protocol", "more was taken than was sent");
    while (this.#keysFrom < at) {
      const [first] = this.#keys;
      if (first === undefined) break;
      const count = Math.min(first.length, at - this.#keysFrom);
      if (count === first.length) this.#keys.shift();
      else this.#keys[0] = first.subarray(count);
      this.#keysFrom += count;
      this.#keysBytes -= count;
    }
    if (this.#keysBytes < TERMINAL_UNACKED) {
      this.#room?.();
      this.#room = undefined;
    }
  }

  #take(at: number, bytes: Uint8Array): void {
    if (at !== this.#at) throw new SockError("protocol", "output is missing");
    this.#at += bytes.length;
    this.#writing = this.#written(this.#writing, bytes.slice());
  }

  async #written(before: Promise<void>, bytes: Uint8Array): Promise<void> {
    await before;
    await this.#options.output(bytes);
    this.#used += bytes.length;
    if (this.#used - this.#acked >= ACK_BYTES) this.#ack();
    else this.#acking ??= setTimeout(() => this.#ack(), ACK_MS);
  }

  #ack(): void {
    clearTimeout(this.#acking);
    this.#acking = undefined;
    this.#acked = this.#used;
    this.#session?.channel.send({ type: "ack", at: this.#used });
  }

  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = resolve;
    this.#options.signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
  }
}

function leftOver(at: number): Over {
  return { type: "over", at, status: null, signal: null, reason: "left" };
}

/** The terminals that wait there for this key. */
export async function listTerminals(session: Session): Promise<TerminalItem[]> {
  session.require("shell");
  session.channel.send({ type: "terminals" });
  const items: TerminalItem[] = [];
  for (;;) {
    const { message } = await session.next();
    if (message.type === "terminal_item") items.push(message);
    else if (message.type === "listed") return items;
    else throw new SockError("protocol", `the server answered a list with ${message.type}`);
  }
}

const EMPTY = new Uint8Array(0);
