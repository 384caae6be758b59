/** A program in a terminal of its own (a PTY), whose output can be held back. */
import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { type ChildOptions, type Ended, endOf, spawnFailure, withProgram } from "./child.ts";
import { flow } from "./native.ts";
import { PtyDirectInput } from "./pty-direct-input.ts";
import { PtyInput } from "./pty-input.ts";
import { forgetInput, PtyMaster } from "./pty-master.ts";
import { endSession, workOf } from "./session-processes.ts";
import { Silence } from "./timer.ts";

export interface PtyOptions extends Omit<ChildOptions, "stdin"> {
  readonly cols: number;
  readonly rows: number;
  /** Name that the program is called by, `-bash` for a login shell. */
  readonly calledAs: string;
  onData(bytes: Uint8Array): void;
  /** So many bytes of what was written are the terminal's now; it holds few. */
  onTaken(bytes: number): void;
}

export class Pty {
  readonly pid: number;
  /** Resolves when the program has ended and all of its output was given to `onData`. */
  readonly ended: Promise<Ended>;
  readonly #terminal: Bun.Terminal;
  readonly #input: PtyInput | PtyDirectInput;
  readonly #onTaken: (bytes: number) => void;
  #master: PtyMaster | undefined;
  /** The program's side, by which its output is stopped; undefined where that can't be done. */
  #slave: number | undefined;
  #held = false;
  #over = false;
  #size: { cols: number; rows: number };
  #redrawing: ReturnType<typeof setTimeout> | undefined;

  private constructor(
    child: Bun.Subprocess,
    terminal: Bun.Terminal,
    input: PtyInput,
    options: PtyOptions,
    closed: Promise<void>,
  ) {
    this.pid = child.pid;
    this.#terminal = terminal;
    this.#size = { cols: options.cols, rows: options.rows };
    this.#onTaken = (bytes) => options.onTaken(bytes);
    const path = slaveOf(child.pid);
    this.#slave = path === undefined ? undefined : openSlave(path);
    const master = path === undefined ? undefined : PtyMaster.of(path.slice(SLAVES.length));
    this.#master = master;
    this.#input =
      master === undefined ? input : new PtyDirectInput((bytes) => master.write(bytes), this.#onTaken);
    this.ended = this.#end(child, closed);
  }

  /** Throws as `Child.start` does. */
  static start(options: PtyOptions): Pty {
    const { cwd, env, cols, rows, calledAs } = options;
    const argv = withProgram(options);
    const closed = Promise.withResolvers<void>();
    let terminal: Bun.Terminal | undefined;
    const input = new PtyInput(
      (bytes) => void (terminal?.closed === false && terminal.write(bytes)),
      (bytes) => options.onTaken(bytes),
    );
    try {
      const child = Bun.spawn(argv, {
        argv0: calledAs,
        cwd,
        env,
        terminal: {
          cols,
          rows,
          name: env["TERM"] ?? "xterm-256color",
          data: (_terminal, bytes) => options.onData(bytes),
          drain: () => input.drained(),
          exit: () => closed.resolve(),
        },
      });
      ({ terminal } = child);
      if (terminal === undefined) throw new SockError("failed", "this machine has no terminals");
      return new Pty(child, terminal, input, options, closed.promise);
    } catch (thrown) {
      if (thrown instanceof SockError) throw thrown;
      throw spawnFailure(thrown, options.argv[0] ?? "");
    }
  }

  /** Bytes that wait because the program does not read. */
  get waiting(): number {
    return this.#input.waiting;
  }

  /**
   * What the program that it was begun with has done so far, where no other has the foreground and its output flows: the
   * same at two looks means that it waited. undefined also where that can't be told.
   */
  get idleMark(): string | undefined {
    return !this.#held && this.#master?.foreground() === this.pid ? workOf(this.pid) : undefined;
  }

  /** A program that does not read what was typed is interrupted all the same: the key for it must not wait behind that. */
  write(bytes: Uint8Array): void {
    // the master's number may be another file's by now, and nobody reads that any more
    if (this.#over) {
      this.#onTaken(bytes.length);
      return;
    }
    this.#input.push(bytes);
    if (this.waiting === 0 || this.#slave === undefined) return;
    const key = this.#master?.signalKey(bytes);
    if (key === undefined) return;
    const behind = bytes.subarray(key.at + 1);
    if (this.waiting <= behind.length) return;
    this.#onTaken(this.#input.clear() - behind.length);
    forgetInput(this.#slave);
    this.#master?.signal(key);
    this.#input.push(behind);
  }

  /** What waits is forgotten; returns how much that is. */
  dropInput(): number {
    return this.#input.clear();
  }

  resize(cols: number, rows: number): void {
    clearTimeout(this.#redrawing);
    this.#size = { cols, rows };
    if (!this.#terminal.closed) this.#terminal.resize(cols, rows);
  }

  /** Stops its output, as Ctrl-S does, or lets it go on; what came before may still come. */
  hold(held: boolean): void {
    if (held === this.#held || this.#slave === undefined) return;
    this.#held = held;
    flow(this.#slave, held);
  }

  /** Has the program draw anew, by another size for a moment: who looks at the screen is not always the shell. */
  redraw(): void {
    const { cols, rows } = this.#size;
    this.resize(cols, rows > 1 ? rows - 1 : rows + 1);
    this.#size = { cols, rows };
    this.#redrawing = setTimeout(() => this.resize(cols, rows), REDRAW_MS);
  }

  async hangUp(): Promise<void> {
    // its number may be another's by now
    if (this.#over) return;
    this.hold(false);
    await endSession(this.pid, this.ended);
  }

  async #end(child: Bun.Subprocess, closed: Promise<void>): Promise<Ended> {
    const ended = await endOf(child);
    this.#over = true;
    clearTimeout(this.#redrawing);
    this.#input.clear();
    this.#master?.close();
    this.#master = undefined;
    // our own hold on it would keep it open
    if (this.#slave !== undefined) {
      if (this.#held) flow(this.#slave, false);
      fs.closeSync(this.#slave);
      this.#slave = undefined;
    }
    const late = Promise.withResolvers<void>();
    // something that the shell has left in the background may hold it open for ever
    const silence = new Silence(AFTER_END_MS, late.resolve);
    await Promise.race([closed, late.promise]);
    silence.stop();
    if (!this.#terminal.closed) this.#terminal.close();
    return ended;
  }
}

/** So long the other size lasts, ms: less(1) compares the size when it comes to it. */
const REDRAW_MS = 100;
/** After the end of the program its output may come for so long, ms. */
const AFTER_END_MS = 300;

const SLAVES = "/dev/pts/";

function slaveOf(pid: number): string | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const path = fs.readlinkSync(`/proc/${pid}/fd/0`);
    return path.startsWith(SLAVES) ? path : undefined;
  } catch {
    return undefined;
  }
}

function openSlave(path: string): number | undefined {
  try {
    return fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NOCTTY | fs.constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}
