/** One remote command, seen from here: streams with credit, signals, and an end that is never guessed. */
import { SockError } from "../errors.ts";
import { MAX_ARGV_BYTES, MAX_BODY_BYTES, STREAM_CREDIT } from "../protocol/constants.ts";
import type { Exec, Exit, ShellName, SignalName } from "../protocol/exec-messages.ts";
import { Consumed, Credit } from "../transport/credit.ts";
import { checkEnvironment } from "./environment.ts";
import type { Session } from "./session.ts";

export { type Exit, SHELLS, type ShellName, type SignalName } from "../protocol/exec-messages.ts";

export interface ExecRequest {
  /** The program and its words; with `shell` one line. */
  readonly words: readonly string[];
  readonly shell?: ShellName | undefined;
  readonly cwd: string | undefined;
  /** A served folder that it begins in, by its path there; undefined: the home. */
  readonly folder?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly detach: boolean;
  readonly maxOutput: number | undefined;
}

export interface ExecOptions {
  /** Its stdin; undefined for an empty one. */
  readonly input: AsyncIterable<Uint8Array> | undefined;
  /** Takes a piece of an output, in the order of the calls; until it resolves the piece counts against the credit. */
  output(stream: "out" | "err", bytes: Uint8Array): Promise<void>;
  /** It runs: from now on `signal` may be called. */
  onBegun?(run: RunningExec): void;
}

/** A command that runs there. */
export interface RunningExec {
  signal(name: SignalName): void;
}

/** Runs it to its end. Throws what refused it, `lost` where the end is unknown, and what `output` throws. */
export async function exec(session: Session, request: ExecRequest, options: ExecOptions): Promise<Exit> {
  const words = encodeWords(request.words);
  checkEnvironment(request.env);
  const { channel } = session;
  const { shell, cwd, folder, env, detach, maxOutput } = request;
  const message: Exec = {
    type: "exec",
    bytes: words.length,
    ...(shell === undefined ? {} : { with: shell }),
    cwd: cwd ?? null,
    ...(folder === undefined ? {} : { folder }),
    env,
    stdin: options.input !== undefined,
    detach,
    max_output: maxOutput ?? null,
  };
  channel.send(message);
  for (let at = 0; at < words.length; at += MAX_BODY_BYTES) {
    const piece = words.subarray(at, at + MAX_BODY_BYTES);
    channel.send({ type: "words", size: piece.length }, piece);
  }
  return new Conversation(session, options).run();
}

class Conversation {
  readonly #session: Session;
  readonly #options: ExecOptions;
  readonly #credit = new Credit(STREAM_CREDIT);
  readonly #arrived = { out: 0, err: 0 };
  readonly #consumed: Record<"out" | "err", Consumed>;
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;
  #failed = false;
  #finished = false;

  constructor(session: Session, options: ExecOptions) {
    this.#session = session;
    this.#options = options;
    this.#consumed = { out: this.#consumedOf("out"), err: this.#consumedOf("err") };
  }

  async run(): Promise<Exit> {
    const { channel } = this.#session;
    try {
      for (;;) {
        const { message, frame } = await this.#session.next();
        switch (message.type) {
          case "begun":
            this.#options.onBegun?.({ signal: (name) => this.#send({ type: "signal", name }) });
            if (this.#options.input !== undefined) this.#feed(this.#options.input);
            break;
          case "out":
          case "err":
            this.#take(message.type, frame.body ?? EMPTY, frame.release);
            break;
          case "credit":
            if (message.stream !== "in")
              throw new SockError("protocol", "the server grants what it sends itself");
            this.#credit.grant(message.bytes);
            break;
          case "in_end":
            this.#credit.close();
            break;
          case "exit":
            this.#finish();
            await this.#writing;
            if (this.#failed) throw this.#failure;
            return this.#checked(message);
          default:
            throw new SockError("protocol", `the server answered a command with ${message.type}`);
        }
        if (this.#failed) throw this.#failure;
      }
    } catch (thrown) {
      // refused: the session lives on
      if (channel.failure === undefined) this.#finish();
      // what waits to be written after that must not come after the result
      this.#failed = true;
      await this.#writing;
      throw thrown;
    } finally {
      this.#credit.close();
    }
  }

  /** What came behind it would be taken for the next request. */
  #finish(): void {
    this.#send({ type: "finish" });
    this.#finished = true;
    this.#credit.close();
  }

  #send(header: Parameters<Session["channel"]["send"]>[0], body?: Uint8Array): void {
    if (!this.#finished) this.#session.channel.send(header, body);
  }

  /** What was counted there has to be what came: an end that was cut is no end. */
  #checked(exit: Exit): Exit {
    const { out, err } = this.#arrived;
    if (exit.out === out && exit.err === err) return exit;
    throw new SockError("cut", `${out + err} of ${exit.out + exit.err} bytes of its output arrived`);
  }

  #take(stream: "out" | "err", bytes: Uint8Array, release: (() => void) | undefined): void {
    if (!this.#consumed[stream].arrived(bytes.length)) {
      throw new SockError("protocol", "the server sent more than there is credit for");
    }
    this.#arrived[stream] += bytes.length;
    this.#writing = this.#written(this.#writing, this.#options.output(stream, bytes), stream, bytes, release);
  }

  async #written(
    before: Promise<void>,
    writing: Promise<void>,
    stream: "out" | "err",
    bytes: Uint8Array,
    release: (() => void) | undefined,
  ): Promise<void> {
    try {
      await writing;
      await before;
      if (this.#failed) return;
      this.#consumed[stream].used(bytes.length);
      release?.();
    } catch (thrown) {
      this.#failed = true;
      this.#failure = thrown;
      this.#session.channel.fail(
        thrown instanceof SockError ? thrown : new SockError("io", "stdout is closed"),
      );
    }
  }

  /** Sends the input as the server takes it. What fails here is the command's own end to tell of. */
  #feed(input: AsyncIterable<Uint8Array>): void {
    const { channel } = this.#session;
    const feed = async (): Promise<void> => {
      for await (const chunk of input) {
        for (let at = 0; at < chunk.length;) {
          const room = Math.min(await this.#credit.some(), MAX_BODY_BYTES);
          if (room === 0) return;
          const piece = chunk.subarray(at, at + room);
          this.#credit.take(piece.length);
          at += piece.length;
          this.#send({ type: "in", size: piece.length }, piece);
        }
        // the memory of what was read is used again
        await channel.flushed();
      }
      this.#send({ type: "in_end" });
    };
    feed().catch((thrown: unknown) => {
      if (channel.failure === undefined) {
        channel.fail(thrown instanceof SockError ? thrown : new SockError("io", "stdin can't be read"));
      }
    });
  }

  #consumedOf(stream: "out" | "err"): Consumed {
    return new Consumed(STREAM_CREDIT, (bytes) => this.#send({ type: "credit", stream, bytes }));
  }
}

const EMPTY = new Uint8Array(0);

/** Each word in UTF-8, ended by a zero byte. Throws `usage`. */
function encodeWords(words: readonly string[]): Uint8Array {
  for (const word of words) {
    if (!word.isWellFormed() || word.includes("\0")) {
      throw new SockError("usage", "a word of the command is not valid text");
    }
  }
  const bytes = new TextEncoder().encode(words.map((word) => `${word}\0`).join(""));
  if (bytes.length > MAX_ARGV_BYTES) {
    throw new SockError(
      "usage",
      "the command's words are longer than 2 MiB",
      "send it by stdin: sock shell HOST -- sh",
    );
  }
  return bytes;
}
