/** One remote command: its request, its streams both ways, and its end. */
import { asSockError, SockError } from "../errors.ts";
import { Child, type Ended } from "../os/child.ts";
import type { ReadEnd } from "../os/pipes.ts";
import { Silence } from "../os/timer.ts";
import {
  HELD_OPEN_MS,
  MAX_ARGV,
  MAX_BODY_BYTES,
  MAX_ERROR_TEXT,
  STREAM_CREDIT,
} from "../protocol/constants.ts";
import type { Credit as CreditMessage, Exec } from "../protocol/exec-messages.ts";
import type { ReceivedFrame } from "../transport/channel.ts";
import { Consumed, Credit } from "../transport/credit.ts";
import { notFoundHint, type Program, programOf } from "./programs.ts";
import type { Session } from "./session.ts";

/** Longest part of a command that the owner's log shows, characters. */
const SHOWN = 200;

/** Answers `exec`: throws what refuses it before anything runs; then it ends with `exit`. */
export async function answerExec(session: Session, request: Exec): Promise<void> {
  const started = performance.now();
  const words = await readWords(session, request.bytes);
  const shown = words.join(" ").slice(0, SHOWN);
  try {
    const program = programOf(session, request, words);
    const command = new Command(session, request, program);
    const { bytes, outcome, failure } = await command.run();
    session.report("exec", shown, bytes, started, outcome);
    if (failure !== undefined) throw failure;
  } catch (thrown) {
    if (thrown instanceof SockError && session.channel.failure === undefined) {
      session.report("exec", shown, 0, started, thrown.code);
      const { code, message, hint } = thrown;
      // words of the command may be in them, and a header has its limit
      const short = { message: cut(message), ...(hint === undefined ? {} : { hint: cut(hint) }) };
      session.channel.send({ type: "error", code, ...short });
      await session.owed(passOver(session));
      return;
    }
    throw thrown;
  }
}

function cut(text: string): string {
  const short = text.slice(0, MAX_ERROR_TEXT);
  return short.isWellFormed() ? short : short.slice(0, -1);
}

/** The words of a command, each ended by a zero byte. Throws `protocol`. */
async function readWords(session: Session, bytes: number): Promise<string[]> {
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes;) {
    const { message, frame } = await session.next();
    const { body } = frame;
    if (message.type !== "words" || body === undefined || body.length === 0 || at + body.length > bytes) {
      throw new SockError("protocol", "a command came without its words");
    }
    all.set(body, at);
    at += body.length;
    frame.release?.();
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(all);
  } catch {
    throw new SockError("protocol", "the words of a command are not UTF-8");
  }
  const words = text.split("\0");
  if (words.pop() !== "" || words.length === 0 || words.length > MAX_ARGV) {
    throw new SockError("protocol", "the words of a command are cut");
  }
  return words;
}

/** A command that was refused: what its client has sent meanwhile means nothing, up to its `finish`. */
async function passOver(session: Session): Promise<void> {
  for (;;) {
    const { message, frame } = await session.next();
    frame.release?.();
    if (message.type === "finish") return;
  }
}

class Command {
  readonly #session: Session;
  readonly #request: Exec;
  readonly #child: Child;
  readonly #credit = { out: new Credit(STREAM_CREDIT), err: new Credit(STREAM_CREDIT) };
  readonly #sent = { out: 0, err: 0 };
  /** Called at each sign that its outputs go on. */
  #onOutput: () => void = () => undefined;
  #cut = false;
  #over = false;
  /** Its end was told: what it has left behind stays, and its number may be another's by now. */
  #told = false;

  constructor(session: Session, request: Exec, { argv, cwd, env }: Program) {
    this.#session = session;
    this.#request = request;
    const hint = request.with === undefined ? notFoundHint(argv) : undefined;
    this.#child = Child.start({ argv, cwd, env, stdin: request.stdin, notFoundHint: hint });
    session.channel.send({ type: "begun", pid: this.#child.pid });
  }

  /** `failure` is what its client did wrong after its end. */
  async run(): Promise<{ bytes: number; outcome: string; failure?: SockError | undefined }> {
    const { channel } = this.#session;
    channel.onFailure(() => this.#lost());
    const outputs = Promise.all([
      this.#pump("out", this.#child.stdout),
      this.#pump("err", this.#child.stderr),
    ]);
    const input = this.#listened();
    const ended = await this.#child.ended;
    // what else holds it open gets no more
    void this.#child.stdin?.end().catch(() => undefined);
    const heldOpen = !(await this.#settled(outputs));
    for (const end of [this.#child.stdout, this.#child.stderr]) void end.cancel().catch(() => undefined);
    await outputs;
    const bytes = this.#sent.out + this.#sent.err;
    if (channel.failure !== undefined) {
      await input;
      return { bytes, outcome: this.#request.detach ? "detached" : "lost" };
    }
    this.#told = true;
    channel.send({ type: "exit", ...ended, ...this.#sent, held_open: heldOpen, over: this.#over });
    // what the client still sends for this command must not be taken for its next request
    const failure = await this.#session.owed(input);
    return { bytes, outcome: outcomeOf(ended), failure };
  }

  /** Resolves at the client's `finish`, or with what came between; the command is ended then. */
  async #listened(): Promise<SockError | undefined> {
    try {
      await this.#listen();
      return undefined;
    } catch (thrown) {
      this.#lost();
      return asSockError(thrown);
    }
  }

  /** Nobody is there any more: what was begun ends too, unless it is to stay. */
  #lost(): void {
    if (this.#told) return;
    this.#cut = true;
    this.#credit.out.close();
    this.#credit.err.close();
    if (!this.#request.detach) void this.#child.end().catch(() => undefined);
  }

  /** What the client says while the command runs, up to its `finish`. */
  async #listen(): Promise<void> {
    const consumed = new Consumed(STREAM_CREDIT, (bytes) =>
      this.#session.channel.send({ type: "credit", stream: "in", bytes }),
    );
    let writing = Promise.resolve();
    let dead = false;
    const write = async (frame: ReceivedFrame): Promise<void> => {
      const bytes = frame.body ?? EMPTY;
      if (!dead && (await this.#child.stdin?.write(bytes)) !== true) {
        dead = true;
        this.#session.channel.send({ type: "in_end" });
      }
      consumed.used(bytes.length);
      frame.release?.();
    };
    for (;;) {
      const { message, frame } = await this.#session.next();
      switch (message.type) {
        case "in":
          if (!consumed.arrived(frame.body?.length ?? 0))
            throw new SockError("protocol", "more than there is credit for");
          writing = writing.then(() => write(frame));
          break;
        case "in_end":
          writing = writing.then(() => this.#child.stdin?.end());
          break;
        case "finish":
          return;
        case "credit":
          this.#granted(message);
          break;
        case "signal":
          this.#child.signal(message.name);
          break;
        default:
          throw new SockError("protocol", `${message.type} in the middle of a command`);
      }
    }
  }

  #granted({ stream, bytes }: CreditMessage): void {
    if (stream === "in") throw new SockError("protocol", "credit for a stream that the server does not send");
    this.#credit[stream].grant(bytes);
  }

  async #pump(type: "out" | "err", stream: ReadEnd): Promise<void> {
    const { channel } = this.#session;
    const credit = this.#credit[type];
    for (;;) {
      const value = await stream.read();
      if (value === undefined) return;
      this.#onOutput();
      for (let at = 0; at < value.length && !this.#cut;) {
        const most = Math.min(value.length - at, MAX_BODY_BYTES, this.#allowance());
        if (most === 0) break;
        const room = await credit.some();
        const piece = value.subarray(at, at + Math.min(most, room));
        if (this.#cut) break;
        credit.take(piece.length);
        this.#sent[type] += piece.length;
        at += piece.length;
        channel.send({ type, size: piece.length }, piece);
        if (channel.congested) await channel.ready().catch(() => undefined);
        this.#onOutput();
      }
    }
  }

  /** Bytes that `max_output` leaves; at 0 the command is ended. */
  #allowance(): number {
    const { max_output: most } = this.#request;
    if (most === null) return Number.POSITIVE_INFINITY;
    const left = most - this.#sent.out - this.#sent.err;
    if (left <= 0 && !this.#over) {
      this.#over = true;
      void this.#child.end().catch(() => undefined);
    }
    return Math.max(0, left);
  }

  /** True when both outputs have ended; false when something else holds one open, and says nothing for a while. */
  async #settled(outputs: Promise<unknown>): Promise<boolean> {
    const silent = Promise.withResolvers<boolean>();
    const { out, err } = this.#credit;
    // what waits for the client's reader is no silence
    const isHeldBack = (): boolean => out.spent || err.spent || this.#session.channel.congested;
    const silence = new Silence(HELD_OPEN_MS, () => silent.resolve(false), isHeldBack);
    this.#onOutput = () => silence.heard();
    const settled = await Promise.race([outputs.then(() => true), silent.promise]);
    silence.stop();
    this.#onOutput = () => undefined;
    return settled;
  }
}

const EMPTY = new Uint8Array(0);

function outcomeOf({ status, signal }: Ended): string {
  return signal ?? `status ${status ?? 0}`;
}
