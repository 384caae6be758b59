/** A program that runs for a client: in a session of its own, with nothing of ours but its three streams. */
import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { ChildPipe, ReadEnd, WriteEnd } from "./pipes.ts";
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
  readonly stdout: ReadEnd;
  readonly stderr: ReadEnd;
  /** Undefined where nothing will be written to it. */
  readonly stdin: WriteEnd | undefined;
  readonly ended: Promise<Ended>;

  private constructor(process: Bun.Subprocess, pipes: Pipes) {
    this.pid = process.pid;
    this.stdout = new ReadEnd(pipes.stdout.taken() ?? streamOf(process.stdout));
    this.stderr = new ReadEnd(pipes.stderr.taken() ?? streamOf(process.stderr));
    this.stdin = pipes.stdin && new WriteEnd(pipes.stdin.taken() ?? sinkOf(process.stdin));
    this.ended = endOf(process);
  }

  /** Throws `not-found`, `permission`, `not-folder`, `usage`, `busy`, and `failed` for what else the system says. */
  static start(options: ChildOptions): Child {
    const { cwd, env } = options;
    const argv = withProgram(options);
    const pipes = makePipes(options.stdin);
    try {
      const process = Bun.spawn(argv, {
        argv0: options.argv[0] ?? "",
        cwd,
        env,
        stdin: pipes.stdin?.theirs ?? "ignore",
        stdout: pipes.stdout.theirs,
        stderr: pipes.stderr.theirs,
        detached: true,
      });
      return new Child(process, pipes);
    } catch (thrown) {
      for (const pipe of Object.values(pipes)) pipe.close();
      throw spawnFailure(thrown, options.argv[0] ?? "");
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

interface Pipes {
  readonly stdin?: ChildPipe;
  readonly stdout: ChildPipe;
  readonly stderr: ChildPipe;
}

function makePipes(withStdin: boolean): Pipes {
  const made: ChildPipe[] = [];
  const make = (childReads: boolean): ChildPipe => {
    const pipe = new ChildPipe(childReads);
    made.push(pipe);
    return pipe;
  };
  try {
    return { ...(withStdin ? { stdin: make(true) } : {}), stdout: make(false), stderr: make(false) };
  } catch (thrown) {
    for (const pipe of made) pipe.close();
    throw thrown;
  }
}

function streamOf(stream: unknown): ReadableStream<Uint8Array> {
  if (stream instanceof ReadableStream) return stream;
  throw new SockError("failed", "the command has no output");
}

function sinkOf(sink: Bun.Subprocess["stdin"]): Bun.FileSink {
  if (typeof sink === "object") return sink;
  throw new SockError("failed", "the command has no input");
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
  const found = which(name, cwd, path);
  if (found !== null) return found;
  const direct = name.includes("/") ? statOf(resolveIn(cwd, name)) : undefined;
  const shown = name.slice(0, SHOWN);
  if (direct?.isDirectory() === true) throw new SockError("permission", `${shown}: is a folder`);
  if (direct !== undefined)
    throw new SockError("permission", `${shown}: may not be executed`, "chmod +x there");
  throw new SockError("not-found", `${shown}: command not found`, hint);
}

function which(name: string, cwd: string, path: string): string | null {
  try {
    return Bun.which(name, { PATH: path, cwd });
  } catch {
    return null; // too long for a path
  }
}

function statOf(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // a folder on the way that is a file, or closed, or a name too long
  }
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
