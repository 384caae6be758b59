/**
 * The only writer to the user. stdout is data; everything else goes to stderr: reports as they are, messages as
 * `sock: …` in lower case without a full stop, then `sock: hint: …` with what to do next.
 */
import { createConsola, LogTypes, type ConsolaInstance, type LogObject } from "consola/core";
import type { SockError } from "../errors.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { isTerminal, standardOutputs, type Output } from "./output.ts";

export interface UiOptions {
  /** -1 with `-q`, 0, then one for each `-v`. */
  verbosity: number;
  env: Record<string, string | undefined>;
  outputs?: { stdout: Output; stderr: Output };
}

/** Level of consola's messages for a verbosity: errors only, then all that is for everybody, debug, trace. */
const LEVELS = { quiet: 0, normal: 3, debug: 4, trace: 5 } as const;

/** A line longer than the terminal is wide must not wrap: `\r` would not find its start (DECAWM). */
const NO_WRAP = "\x1b[?7l";
const WRAP = "\x1b[?7h";
const RED = 31;
const YELLOW = 33;

export class Ui {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly quiet: boolean;
  readonly #env: Record<string, string | undefined>;
  readonly #messages: ConsolaInstance;
  #live = false;
  #colour: boolean | undefined;
  #terminal: boolean | undefined;

  constructor(options: UiOptions) {
    ({ stdout: this.stdout, stderr: this.stderr } = options.outputs ?? standardOutputs());
    this.quiet = options.verbosity < 0;
    this.#env = options.env;
    this.#messages = createConsola({
      level: levelOf(options.verbosity),
      throttle: 0, // repeated lines are never folded
      types: LogTypes,
      reporters: [{ log: (entry) => this.#message(entry) }],
    });
  }

  /** Data, as bytes or text, to stdout; await it before the next piece. */
  async data(bytes: Uint8Array | string): Promise<void> {
    await this.stdout.write(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
  }

  /** The same for memory that somebody else wants back: resolves when nothing of it waits to be written any more. */
  async lentData(bytes: Uint8Array): Promise<void> {
    await this.stdout.lent(bytes);
  }

  /** Lines of a report that was asked for (a table, a list), to stdout. A failed write shows at the end of the run. */
  print(text: string): void {
    this.stdout.write(new TextEncoder().encode(`${safeLines(text)}\n`)).catch(() => undefined);
  }

  /** Lines of a report beside the data, to stderr, without a prefix; not with `-q`. Names in it are already escaped. */
  report(text: string): void {
    if (!this.quiet) this.#line(safeLines(text));
  }

  info(text: string): void {
    this.#messages.info(text);
  }

  warn(text: string, hint?: string): void {
    this.#messages.warn(text);
    if (hint !== undefined) this.hint(hint);
  }

  hint(text: string): void {
    this.#messages.info(`hint: ${text}`);
  }

  debug(text: string): void {
    this.#messages.debug(text);
  }

  /** A failure and its hint; with `-v -v` its causes too. Shown with `-q` too. */
  error(error: SockError): void {
    this.#messages.error(error.message);
    if (error.hint !== undefined) this.#messages.error(`hint: ${error.hint}`);
    if (error.stack !== undefined) this.#messages.trace(error.stack);
    if (error.cause instanceof Error && error.cause.stack !== undefined) {
      this.#messages.trace(error.cause.stack);
    }
  }

  /** True where stderr is a terminal that shows progress. */
  get terminal(): boolean {
    this.#terminal ??= this.#env["TERM"] !== "dumb" && isTerminal(this.stderr.fd);
    return this.#terminal;
  }

  /** One line that the next one overwrites; skipped while older output still waits. Only for terminals. */
  live(line: string): void {
    if (this.quiet || !this.terminal || !this.stderr.idle) return;
    this.#live = line !== "";
    this.stderr.message(`\r\x1b[K${NO_WRAP}${safe(line)}${WRAP}`);
  }

  clearLive(): void {
    if (!this.#live) return;
    this.#live = false;
    this.stderr.message("\r\x1b[K");
  }

  /** The reader of stdout is far behind. */
  get behind(): boolean {
    return this.stdout.full;
  }

  /** Resolves when the reader of stdout is not far behind: for lines that strangers cause. */
  async kept(): Promise<void> {
    if (this.behind) await this.stdout.drain();
  }

  /** Everything is with the reader, or writing has failed (`stdout.failure`). */
  async drain(): Promise<void> {
    await this.stdout.drain();
    await this.stderr.drain();
  }

  #message(entry: LogObject): void {
    const words = entry.args.map(String).join(" ");
    const colour = entry.type === "error" ? RED : entry.type === "warn" ? YELLOW : 0;
    const prefix = colour !== 0 && this.#coloured ? `\x1b[${colour}msock:\x1b[0m` : "sock:";
    const kind = entry.type === "warn" ? "warning: " : "";
    this.#line(`${prefix} ${kind}${entry.type === "trace" ? safeLines(words) : safe(words)}`);
  }

  #line(text: string): void {
    this.clearLive();
    this.stderr.message(`${text}\n`);
  }

  get #coloured(): boolean {
    this.#colour ??= (this.#env["NO_COLOR"] ?? "") === "" && this.terminal;
    return this.#colour;
  }
}

function levelOf(verbosity: number): number {
  if (verbosity < 0) return LEVELS.quiet;
  if (verbosity === 0) return LEVELS.normal;
  return verbosity === 1 ? LEVELS.debug : LEVELS.trace;
}

/**
 * Second line of defence: whoever puts a peer's words into a line escapes them; no control byte passes here anyway.
 * Backslashes stay, so that what is escaped already is not escaped twice.
 */
function safe(line: string): string {
  return line.split("\\").map(escapeForDisplay).join("\\");
}

function safeLines(text: string): string {
  return text.split("\n").map(safe).join("\n");
}
