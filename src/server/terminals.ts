/** The terminals of one server. Each outlives its client's connection for a while, and belongs to one key. */
import { randomBytes } from "node:crypto";
import { SockError } from "../errors.ts";
import type { Ended } from "../os/child.ts";
import { Pty } from "../os/pty.ts";
import { LINGER_MS, MAX_TERMINALS, MAX_TERMINALS_OF_KEY, TERMINAL_UNACKED } from "../protocol/constants.ts";

/** The client of a terminal, as long as it is there. */
export interface Viewer {
  /** There is output, or an end, to be sent. */
  wake(): void;
  /** Input up to here was taken. */
  taken(at: number): void;
  /** Somebody else has it now. */
  replaced(): void;
  /** It ends, for that reason. */
  stopped(reason: SockError): void;
}

export interface TerminalOptions {
  readonly owner: string;
  readonly run: string;
  readonly name: string | undefined;
  readonly argv: readonly string[];
  readonly calledAs: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cols: number;
  readonly rows: number;
}

export class Terminals {
  readonly #all = new Map<string, RemoteTerminal>();
  readonly lingerMs: number;

  constructor(lingerMs = LINGER_MS) {
    this.lingerMs = lingerMs;
  }

  /** Throws `busy` where there are too many, `exists` for a name that is taken, and what starting it throws. */
  open(options: TerminalOptions): RemoteTerminal {
    if (this.#isFull(options.owner)) {
      throw new SockError("busy", "too many terminals are open there", "sock shell HOST --list");
    }
    const { name } = options;
    const own = this.of(options.owner);
    if (name !== undefined && own.some((terminal) => terminal.name === name)) {
      throw new SockError(
        "exists",
        `a terminal ${name} is there already`,
        `sock shell HOST --attach ${name}`,
      );
    }
    const terminal = new RemoteTerminal(options, name ?? this.#freeName(own), this.lingerMs, () =>
      this.#all.delete(terminal.id),
    );
    this.#all.set(terminal.id, terminal);
    return terminal;
  }

  /** The terminals of a key, the oldest first; not those that have ended and wait for their run only. */
  of(owner: string): RemoteTerminal[] {
    return [...this.#all.values()].filter((terminal) => terminal.owner === owner && !terminal.isOver);
  }

  /** After a break: only the run that had it. Throws `not-found`. */
  again(owner: string, run: string, id: string): RemoteTerminal {
    const terminal = this.#all.get(id);
    if (terminal === undefined || terminal.owner !== owner || terminal.run !== run) {
      throw new SockError("not-found", "the terminal is gone");
    }
    return terminal;
  }

  /** From elsewhere, by its name; without one the only one that nobody looks at. Throws `not-found`, `usage`. */
  find(owner: string, name: string | null): RemoteTerminal {
    const own = this.of(owner);
    const fitting = own.filter((terminal) =>
      name === null ? own.length === 1 || !terminal.attached : terminal.name === name,
    );
    const [only] = fitting;
    if (only === undefined)
      throw new SockError("not-found", name === null ? "no terminal waits there" : `no terminal ${name}`);
    if (fitting.length > 1) {
      throw new SockError(
        "usage",
        `several terminals wait: ${fitting.map((one) => one.name).join(", ")}`,
        "sock shell HOST --attach NAME",
      );
    }
    return only;
  }

  /** Ends those of keys that are not good any more. */
  async keepOnly(isGood: (owner: string) => boolean): Promise<void> {
    for (const terminal of this.#all.values()) if (!isGood(terminal.owner)) await terminal.hangUp();
  }

  /** Ends those in which nothing has happened since this was asked before, and tells their clients why. */
  endIdle(error: SockError): void {
    for (const terminal of this.#all.values()) terminal.endIdle(error);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all.values()].map(async (terminal) => terminal.hangUp()));
  }

  /** Those that have ended make room for one that begins. */
  #isFull(owner: string): boolean {
    for (const terminal of this.#all.values()) {
      const ofAll = this.#all.size >= MAX_TERMINALS;
      const ofKey =
        [...this.#all.values()].filter((one) => one.owner === owner).length >= MAX_TERMINALS_OF_KEY;
      if (!ofAll && !ofKey) return false;
      if (terminal.isOver && (ofAll || terminal.owner === owner)) terminal.forget();
    }
    return this.#all.size >= MAX_TERMINALS || this.of(owner).length >= MAX_TERMINALS_OF_KEY;
  }

  #freeName(own: readonly RemoteTerminal[]): string {
    for (let number = 1; ; number++) {
      if (!own.some((terminal) => terminal.name === String(number))) return String(number);
    }
  }
}

export class RemoteTerminal {
  readonly id = randomBytes(16).toString("hex");
  readonly owner: string;
  /** The run that may go on with it after a break. */
  run: string;
  readonly name: string;
  readonly command: string;
  readonly since = Date.now();
  /** Set when the program has ended. */
  ended: Ended | undefined;
  readonly #pty: Pty;
  readonly #lingerMs: number;
  readonly #onGone: () => void;
  /** Output that the client has not said to have used, oldest first. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  /** Offset of the first byte that is kept, and of the next one that comes. */
  #keptFrom = 0;
  #end = 0;
  /** Input bytes that have come, and those that the program's side has taken. */
  #received = 0;
  #taken = 0;
  #viewer: Viewer | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;
  /** The viewer that it had last was lost, and may come back for the rest. */
  #awaits = false;
  #stopping = false;
  /** What `endIdle` saw. */
  #idleMark: string | undefined;

  constructor(options: TerminalOptions, name: string, lingerMs: number, onGone: () => void) {
    const { owner, run, argv, calledAs, cwd, env, cols, rows } = options;
    this.owner = owner;
    this.run = run;
    this.name = name;
    this.command = argv[0] ?? "";
    this.#lingerMs = lingerMs;
    this.#onGone = onGone;
    this.#pty = Pty.start({
      argv,
      calledAs,
      cwd,
      env,
      cols,
      rows,
      onData: (bytes) => this.#output(bytes),
      onTaken: (bytes) => this.#inputTaken(bytes),
    });
    this.#watch().catch(() => undefined);
  }

  get attached(): boolean {
    return this.#viewer !== undefined;
  }

  /** It has ended, and nobody has its last output yet. */
  get isOver(): boolean {
    return this.ended !== undefined && this.#viewer === undefined;
  }

  /** Offset of the oldest output that can still be sent, of the next that comes; input bytes that came and were taken. */
  get from(): number {
    return this.#keptFrom;
  }
  get end(): number {
    return this.#end;
  }
  get received(): number {
    return this.#received;
  }
  get taken(): number {
    return this.#taken;
  }

  /** The viewer from now on; the one before is told. */
  attach(viewer: Viewer, size: { cols: number; rows: number }): void {
    clearTimeout(this.#linger);
    const before = this.#viewer;
    this.#viewer = viewer;
    before?.replaced();
    this.#pty.resize(size.cols, size.rows);
  }

  /** It has no viewer any more, and waits for the next one; its end waits only for one that was lost, and not for one that left. */
  detach(viewer: Viewer, isLost: boolean): void {
    if (this.#viewer !== viewer) return;
    this.#viewer = undefined;
    this.#awaits = isLost;
    if (this.ended !== undefined && !isLost) this.forget();
    else this.#linger = setTimeout(() => void this.hangUp().catch(() => undefined), this.#lingerMs);
  }

  /** For a client that has seen nothing of it: keys of the one before that nothing has read are forgotten. */
  beginAnew(): void {
    this.#taken += this.#pty.dropInput();
  }

  redraw(): void {
    this.#pty.redraw();
  }

  resize(cols: number, rows: number): void {
    this.#pty.resize(cols, rows);
  }

  /**
   * Keys from offset `at` on; those that came before are left out. Throws `protocol` for a gap, and for more than the
   * program has room for.
   */
  input(at: number, bytes: Uint8Array): void {
    if (at > this.#received) throw new SockError("protocol", "input is missing");
    const fresh = bytes.subarray(Math.min(bytes.length, this.#received - at));
    if (this.#pty.waiting + fresh.length > TERMINAL_UNACKED) {
      throw new SockError("protocol", "more input than the terminal takes");
    }
    this.#received += fresh.length;
    this.#pty.write(fresh.slice());
  }

  /** Output from offset `at` on, at most `most` bytes; empty where there is none yet. */
  output(at: number, most: number): Uint8Array {
    let skip = at - this.#keptFrom;
    for (const piece of this.#kept) {
      if (skip < piece.length) return piece.subarray(skip, skip + most);
      skip -= piece.length;
    }
    return EMPTY;
  }

  /** Nobody else has it. */
  isFreeFor(viewer: Viewer): boolean {
    return this.#viewer === undefined || this.#viewer === viewer;
  }

  /** The client has used everything before `at`. Throws `protocol` for what was never there. */
  used(at: number): void {
    if (at > this.#end) throw new SockError("protocol", "more was used than was sent");
    while (this.#keptFrom < at) {
      const [first] = this.#kept;
      if (first === undefined) return;
      const count = Math.min(first.length, at - this.#keptFrom);
      if (count === first.length) this.#kept.shift();
      else this.#kept[0] = first.subarray(count);
      this.#keptFrom += count;
      this.#keptBytes -= count;
    }
    if (this.#keptBytes < TERMINAL_UNACKED / 2) this.#pty.hold(false);
  }

  /**
   * Ends it where nothing has happened in it since this was asked before: its shell waits for a command, and its client
   * has used all of its output. One look could find the shell between two commands, or output that nothing has read yet.
   */
  endIdle(reason: SockError): void {
    const work = this.#viewer !== undefined && this.#keptBytes > 0 ? undefined : this.#pty.idleMark;
    const mark = work === undefined ? undefined : `${work} ${this.#end}`;
    const isIdle = mark !== undefined && mark === this.#idleMark;
    this.#idleMark = mark;
    if (!isIdle || this.#stopping) return;
    this.#stopping = true;
    this.#viewer?.stopped(reason);
    this.hangUp().catch(() => undefined);
  }

  async hangUp(): Promise<void> {
    clearTimeout(this.#linger);
    await this.#pty.hangUp();
    if (this.#viewer === undefined) this.forget();
  }

  forget(): void {
    clearTimeout(this.#linger);
    this.#onGone();
  }

  #output(bytes: Uint8Array): void {
    this.#kept.push(bytes.slice());
    this.#keptBytes += bytes.length;
    this.#end += bytes.length;
    if (this.#keptBytes >= TERMINAL_UNACKED) this.#pty.hold(true);
    this.#viewer?.wake();
  }

  #inputTaken(bytes: number): void {
    this.#taken += bytes;
    this.#viewer?.taken(this.#taken);
  }

  async #watch(): Promise<void> {
    this.ended = await this.#pty.ended;
    this.#viewer?.wake();
    if (this.#viewer === undefined && !this.#awaits) this.forget();
  }
}

const EMPTY = new Uint8Array(0);
