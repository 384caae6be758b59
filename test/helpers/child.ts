/** A run of sock that is looked at while it goes on: with pipes, or under a terminal of its own. */
import { encodeJoinCode, parseJoinCode } from "../../src/protocol/join-code.ts";
import { childEnv, type RunOptions, SOCK } from "./run.ts";
import { temporaryFolder } from "./temp.ts";

export interface Child extends AsyncDisposable {
  readonly process: Bun.Subprocess;
  /** What it has written so far; of a terminal, both streams are in `stdout`. */
  stdout(): string;
  stderr(): string;
  bytes(): Buffer<ArrayBuffer>;
  /** Types at its terminal. */
  type(text: string): void;
  /** Its status, null where a signal ended it; everything it wrote has been read then. */
  ended(): Promise<number | null>;
}

export interface ChildOptions extends Omit<RunOptions, "timeout"> {
  terminal?: boolean;
  /** stdin is a pipe that stays open: `process.stdin`. */
  pipe?: boolean;
  /** Words before sock's own: `setpriv --reuid=65534`. */
  before?: readonly string[];
  /** Killed after this, ms. */
  longestMs?: number;
  /** A copy of the executable, where another user can reach it. */
  bin?: string;
}

const LONGEST_MS = 30_000;

/** Starts sock; it is killed with the scope. */
export async function start(args: readonly string[], options: ChildOptions = {}): Promise<Child> {
  const own = options.home === undefined ? await temporaryFolder() : undefined;
  const home = options.home ?? own?.path ?? "";
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  const common = { cwd: options.cwd ?? home, env: childEnv(home, options.env) };
  const argv = [...(options.before ?? []), options.bin ?? SOCK, ...args];
  const { promise: hungUp, resolve: hangUp } = Promise.withResolvers<void>();
  const child = options.terminal
    ? Bun.spawn(argv, {
        ...common,
        env: { ...common.env, TERM: "xterm-256color" },
        terminal: {
          cols: 400,
          rows: 40,
          data: (_, data) => void out.push(data.slice()),
          exit: () => hangUp(),
        },
      })
    : Bun.spawn(argv, { ...common, stdin: stdinOf(options), stdout: "pipe", stderr: "pipe" });
  const late = setTimeout(() => child.kill("SIGKILL"), options.longestMs ?? LONGEST_MS);
  const read = options.terminal ? [hungUp] : [collect(child.stdout, out), collect(child.stderr, err)];
  return {
    process: child,
    stdout: () => Buffer.concat(out).toString(),
    stderr: () => Buffer.concat(err).toString(),
    bytes: () => Buffer.concat(out),
    type: (text) => void child.terminal?.write(text),
    ended: async () => {
      await Promise.all([child.exited, ...read]);
      return child.exitCode;
    },
    [Symbol.asyncDispose]: async () => {
      clearTimeout(late);
      child.kill("SIGKILL");
      await child.exited;
      await own?.[Symbol.asyncDispose]();
    },
  };
}

function stdinOf(options: ChildOptions): "pipe" | "ignore" | Uint8Array<ArrayBuffer> | Blob {
  if (options.pipe === true) return "pipe";
  return typeof options.stdin === "string"
    ? new TextEncoder().encode(options.stdin)
    : (options.stdin ?? "ignore");
}

async function collect(stream: unknown, into: Uint8Array[]): Promise<void> {
  if (!(stream instanceof ReadableStream)) return;
  for await (const chunk of stream as ReadableStream<Uint8Array>) into.push(chunk);
}

/** The same code with another port of 127.0.0.1: the way through a relay. */
export function codeAt(code: string, port: number): string {
  const parsed = parseJoinCode(code);
  return encodeJoinCode({ ...parsed, addresses: [{ kind: "tcp", host: "127.0.0.1", port }] });
}

/** A direct code for another server's key: the pin is wrong. */
export function otherServer(code: string): string {
  const parsed = parseJoinCode(code);
  return encodeJoinCode({ ...parsed, pin: parsed.pin.map((byte) => byte ^ 1) });
}
