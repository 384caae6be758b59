/** A program that runs for a client: in a session of its own, with nothing of ours but its three streams. */
import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { endSession, signalGroup } from "./session-processes.ts";

export interface ChildOptions {
  /** Program, as a path or a name to be found in the PATH of `env`, and its words. */
  readonly argv: readonly string[];
  readonly cwd: string;
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether something will be written to its stdin. */
  readonly stdin: boolean;
  /** What to say where there is no such program. */
  readonly notFoundHint?: string | undefined;
}

/** Longest part of a program's name in an error, characters. */
const SHOWN = 200;

export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
}

export class Child {
  readonly pid: number;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly ended: Promise<Ended>;
  readonly #stdin: Bun.FileSink | undefined;

  private constructor(process: Bun.Subprocess<"pipe" | "ignore", "pipe", "pipe">) {
    this.pid = process.pid;
    this.stdout = process.stdout;
    this.stderr = process.stderr;
    this.#stdin = process.stdin;
    this.ended = endOf(process);
  }

  /** Throws `not-found`, `permission`, `not-folder`, `usage`, and `failed` for what else the system says. */
  static start(options: ChildOptions): Child {
    const { cwd, env } = options;
    const argv = withProgram(options);
    try {
      return new Child(
        Bun.spawn(argv, {
          argv0: options.argv[0] ?? "",
          cwd,
          env,
          stdin: options.stdin ? "pipe" : "ignore",
          stdout: "pipe",
          stderr: "pipe",
          detached: true,
        }),
      );
    } catch (thrown) {
      throw spawnFailure(thrown, options.argv[0] ?? "");
    }
  }

  /** Resolves when the bytes are in the pipe, false where nobody reads it any more. */
  async write(bytes: Uint8Array): Promise<boolean> {
    try {
      await this.#stdin?.write(bytes);
      await this.#stdin?.flush();
      return true;
    } catch {
      return false;
    }
  }

  async endInput(): Promise<void> {
    try {
      await this.#stdin?.end();
    } catch {
      // nobody reads it any more
    }
  }

  /** To all processes of its group. */
  signal(name: NodeJS.Signals): void {
    signalGroup(this.pid, name);
  }

  /** Ends it and all that it has begun in its session: SIGTERM, and after a moment SIGKILL. */
  async end(): Promise<void> {
    await endSession(this.pid, this.ended);
  }
}

export async function endOf(process: Bun.Subprocess): Promise<Ended> {
  await process.exited;
  const { exitCode, signalCode } = process;
  return signalCode === null
    ? { status: exitCode, signal: null }
    : { status: null, signal: String(signalCode) };
}

/** Its words, the first of them the program's path. Throws `not-found`, `permission`, `not-folder` and `usage`. */
export function withProgram({ argv, cwd, env, notFoundHint }: Omit<ChildOptions, "stdin">): string[] {
  const [name = "", ...words] = argv;
  mustBeFolder(cwd);
  return [findProgram(name, cwd, env["PATH"] ?? "", notFoundHint), ...words];
}

function findProgram(name: string, cwd: string, path: string, hint: string | undefined): string {
  if (name === "") throw new SockError("usage", "the command has no name");
  if (name.includes("\0")) throw new SockError("usage", "the command has a zero byte");
  const found = Bun.which(name, { PATH: path, cwd });
  if (found !== null) return found;
  const direct = name.includes("/")
    ? fs.statSync(resolveIn(cwd, name), { throwIfNoEntry: false })
    : undefined;
  const shown = name.slice(0, SHOWN);
  if (direct?.isDirectory() === true) throw new SockError("permission", `${shown}: is a folder`);
  if (direct !== undefined)
    throw new SockError("permission", `${shown}: may not be executed`, "chmod +x there");
  throw new SockError("not-found", `${shown}: command not found`, hint);
}

function resolveIn(cwd: string, name: string): string {
  return name.startsWith("/") ? name : `${cwd}/${name}`;
}

/** Throws `not-found`, `permission`, `not-folder`. */
function mustBeFolder(cwd: string): void {
  let stat: fs.Stats | undefined;
  try {
    stat = fs.statSync(cwd, { throwIfNoEntry: false });
  } catch {
    throw new SockError("permission", `${cwd}: may not be entered`);
  }
  if (stat === undefined) throw new SockError("not-found", `${cwd}: no such folder`);
  if (!stat.isDirectory()) throw new SockError("not-folder", `${cwd}: is not a folder`);
}

export function spawnFailure(thrown: unknown, program: string): SockError {
  const name = program.slice(0, SHOWN);
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "ENOENT") return new SockError("not-found", `${name}: its interpreter was not found`);
  if (code === "EACCES") return new SockError("permission", `${name}: may not be executed`);
  if (code === "E2BIG") return new SockError("usage", "the command's words and environment are too long");
  if (code === "EMFILE" || code === "ENFILE" || code === "EAGAIN" || code === "ENOMEM") {
    return new SockError("busy", "too many programs run there now", "try again later");
  }
  const words = thrown instanceof Error ? thrown.message : String(thrown);
  return new SockError("failed", `${name}: can't be started: ${words}`);
}
