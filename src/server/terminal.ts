/** One client at one terminal, from its request to the end of either. */
import { asSockError, SockError } from "../errors.ts";
import { MAX_BODY_BYTES } from "../protocol/constants.ts";
import type { Attach, OpenTerminal } from "../protocol/terminal-messages.ts";
import { baseEnvironment, loginShell } from "../os/environment.ts";
import { clientEnvironment, folderOf } from "./programs.ts";
import type { Session } from "./session.ts";
import type { RemoteTerminal, Viewer } from "./terminals.ts";

export function answerTerminals(session: Session): void {
  session.require("shell");
  const own = session.context.terminals.of(session.grant.hash);
  for (const { id, name, since, attached, command } of own) {
    session.channel.send({ type: "terminal_item", id, name, since, attached, command });
  }
  session.channel.send({ type: "listed", count: own.length });
}

/** Throws what refuses it. Ends with `over`, or with the connection. */
export async function answerTerminal(session: Session, request: OpenTerminal | Attach): Promise<void> {
  session.require("shell");
  const started = performance.now();
  const terminal = request.type === "terminal" ? openTerminal(session, request) : found(session, request);
  const viewing = new Viewing(session, terminal, request);
  const { outcome, failure } = await viewing.run();
  session.report("shell", `terminal ${terminal.name}`, viewing.sent, started, outcome);
  if (failure !== undefined) throw failure;
}

function openTerminal(session: Session, { name, cols, rows, cwd, env }: OpenTerminal): RemoteTerminal {
  const { grant, run, context } = session;
  const shell = context.loginShell ?? loginShell();
  const own = { ...baseEnvironment(), ...clientEnvironment(env), SHELL: shell };
  return context.terminals.open({
    owner: grant.hash,
    run,
    name: name ?? undefined,
    argv: [shell],
    calledAs: process.platform === "win32" ? shell : `-${shell.slice(shell.lastIndexOf("/") + 1)}`,
    cwd: folderOf(cwd, own),
    env: own,
    cols,
    rows,
  });
}

function found(session: Session, { id, name }: Attach): RemoteTerminal {
  const { grant, run, context } = session;
  if (id !== undefined) return context.terminals.again(grant.hash, run, id);
  if (grant.kind === "direct") {
    throw new SockError("capability", "a terminal is taken over by a joined key only", "sock join");
  }
  const terminal = context.terminals.find(grant.hash, name);
  terminal.run = run;
  return terminal;
}

/** Input that was taken is told of this often at most, ms. */
const ACK_MS = 20;

class Viewing implements Viewer {
  readonly #session: Session;
  readonly #terminal: RemoteTerminal;
  readonly #size: { cols: number; rows: number };
  /** Offset of the next output that is sent. */
  #at: number;
  readonly #from: number;
  #redraws: boolean;
  #sending = false;
  #replaced = false;
  /** `over` was sent. */
  #told = false;
  #toAck = 0;
  #acking: ReturnType<typeof setTimeout> | undefined;
  #over = Promise.withResolvers<string>();

  constructor(session: Session, terminal: RemoteTerminal, request: OpenTerminal | Attach) {
    this.#session = session;
    this.#terminal = terminal;
    this.#size = { cols: request.cols, rows: request.rows };
    const wanted = request.type === "attach" ? request.at : undefined;
    if (wanted !== undefined && (wanted < terminal.from || wanted > terminal.end)) {
      throw new SockError("protocol", "that part of the output is gone");
    }
    this.#at = wanted ?? terminal.from;
    this.#from = this.#at;
    this.#redraws = request.type === "attach" && wanted === undefined;
  }

  get sent(): number {
    return this.#at - this.#from;
  }

  /** `failure` is what its client did wrong. */
  async run(): Promise<{ outcome: string; failure?: SockError | undefined }> {
    const { channel } = this.#session;
    const terminal = this.#terminal;
    if (this.#redraws) terminal.beginAnew();
    const { id, name, taken } = terminal;
    if (this.#at > terminal.from) terminal.used(this.#at);
    channel.send({ type: "attached", id, name, at: this.#at, taken });
    terminal.attach(this, this.#size);
    if (this.#redraws) terminal.redraw();
    channel.onFailure(() => this.#over.resolve("lost"));
    this.wake();
    try {
      const listening = this.#listened();
      const outcome = await this.#over.promise;
      // the end is kept until its client says that it came
      if (terminal.ended === undefined) terminal.detach(this, !this.#told);
      const failure = channel.failure === undefined ? await this.#session.owed(listening) : undefined;
      if (failure === undefined && channel.failure === undefined) terminal.detach(this, false);
      return { outcome, failure };
    } finally {
      clearTimeout(this.#acking);
      terminal.detach(this, true);
    }
  }

  wake(): void {
    if (this.#sending) return;
    this.#sending = true;
    this.#send().catch((thrown: unknown) => this.#over.resolve(asSockError(thrown).code));
  }

  /** Told of after a moment: an echo is not to wait behind it. */
  taken(at: number): void {
    this.#toAck = at;
    this.#acking ??= setTimeout(() => {
      this.#acking = undefined;
      this.#session.channel.send({ type: "ack", at: this.#toAck });
    }, ACK_MS);
  }

  replaced(): void {
    this.#replaced = true;
    this.#end("replaced", "another client has it now");
  }

  stopped(error: SockError): void {
    this.#over.resolve(error.code);
    this.#session.stop(error);
  }

  async #send(): Promise<void> {
    const { channel } = this.#session;
    try {
      for (;;) {
        if (this.#replaced || channel.failure !== undefined) return;
        const bytes = this.#terminal.output(this.#at, MAX_BODY_BYTES);
        if (bytes.length === 0) break;
        channel.send({ type: "bytes", at: this.#at, size: bytes.length }, bytes);
        this.#at += bytes.length;
        if (channel.congested) await channel.ready();
      }
    } finally {
      this.#sending = false;
    }
    const { ended } = this.#terminal;
    if (ended !== undefined) this.#end(ended.signal ?? `status ${ended.status ?? 0}`, "ended");
  }

  #end(outcome: string, reason: string): void {
    if (this.#told) return;
    this.#told = true;
    const { ended } = this.#terminal;
    const { status, signal } =
      reason === "ended" && ended !== undefined ? ended : { status: null, signal: null };
    this.#session.channel.send({ type: "over", at: this.#at, status, signal, reason });
    this.#over.resolve(outcome);
  }

  /** What the client says, up to its `finish`; resolves with what is wrong with it. */
  async #listened(): Promise<SockError | undefined> {
    try {
      await this.#listen();
      return undefined;
    } catch (thrown) {
      const error = asSockError(thrown);
      this.#over.resolve(error.code);
      return error;
    }
  }

  async #listen(): Promise<void> {
    for (;;) {
      const { message, frame } = await this.#session.next();
      switch (message.type) {
        case "bytes":
          if (!this.#replaced) this.#terminal.input(message.at, frame.body ?? new Uint8Array(0));
          break;
        case "ack":
          if (!this.#replaced && this.#terminal.isFreeFor(this)) this.#terminal.used(message.at);
          break;
        case "resize":
          if (!this.#replaced) this.#terminal.resize(message.cols, message.rows);
          break;
        case "leave":
          if (this.#replaced) break;
          if (message.end) await this.#terminal.hangUp();
          else this.#end("left", "left");
          break;
        case "finish":
          this.#over.resolve("left");
          return;
        default:
          throw new SockError("protocol", `${message.type} in a terminal`);
      }
    }
  }
}
