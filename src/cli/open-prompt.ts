/** The line that is typed at a terminal, with editing, history and completion. */
import type { Interface } from "node:readline";
import { isTerminal } from "./output.ts";

export interface PromptOptions {
  /** Newest first. */
  readonly history: readonly string[];
  complete(line: string): Promise<[string[], string]>;
}

/** Lines that are remembered. */
export const MAX_HISTORY = 1000;

export class Prompt {
  readonly #lines: Interface;
  readonly #output: NodeJS.WriteStream;
  readonly #waiting: string[] = [];
  #asked: ((line: string | undefined) => void) | undefined;
  #isOver = false;
  /** A completion that is not done yet uses the connection. */
  readonly #completing: { readonly last: Promise<void> };
  #history: string[];

  private constructor(
    lines: Interface,
    output: NodeJS.WriteStream,
    history: readonly string[],
    completing: { readonly last: Promise<void> },
  ) {
    this.#output = output;
    this.#completing = completing;
    this.#lines = lines;
    this.#history = [...history];
  }

  /** Line editing takes 20 ms to load, and only people need it. */
  static async open(options: PromptOptions): Promise<Prompt> {
    const { createInterface } = await import("node:readline");
    // stderr may go into a file
    const output = isTerminal(2) ? process.stderr : process.stdout;
    const completing = { last: Promise.resolve() };
    const answer = async (
      line: string,
      done: (error: null, found: [string[], string]) => void,
    ): Promise<void> => {
      let found: [string[], string] = [[], ""];
      try {
        found = await options.complete(line);
      } catch {
        // nothing is known then
      }
      done(null, found);
    };
    const lines = createInterface({
      input: process.stdin,
      output,
      history: [...options.history],
      historySize: MAX_HISTORY,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: null, found: [string[], string]) => void) => {
        completing.last = answer(line, done);
      },
    });
    const self = new Prompt(lines, output, options.history, completing);
    self.#listen();
    return self;
  }

  /** Newest first. */
  get history(): readonly string[] {
    return this.#history;
  }

  /** The next line, without its end; undefined at the end of all. */
  async ask(prompt: string): Promise<string | undefined> {
    if (this.#isOver) return undefined;
    const early = this.#waiting.shift();
    if (early !== undefined) return early;
    process.stdin.setRawMode(true);
    this.#lines.setPrompt(prompt);
    const line = await new Promise<string | undefined>((resolve) => {
      this.#asked = resolve;
      this.#lines.resume();
      this.#lines.prompt();
    });
    // what runs now has an ordinary terminal: Ctrl-C is a signal again
    if (!this.#isOver) {
      process.stdin.setRawMode(false);
      this.#lines.pause();
    }
    await this.#completing.last;
    return line;
  }

  close(): void {
    this.#isOver = true;
    this.#lines.close();
  }

  #listen(): void {
    this.#lines.on("line", (line) => this.#take(line));
    this.#lines.on("history", (history) => {
      // what begins with a blank is not for keeping
      this.#history = history.filter((line) => !line.startsWith(" "));
    });
    // Ctrl-C throws away what was typed
    this.#lines.on("SIGINT", () => {
      this.#output.write("^C\n");
      this.#lines.write(null, { ctrl: true, name: "e" });
      this.#lines.write(null, { ctrl: true, name: "u" });
      this.#lines.prompt();
    });
    // Ctrl-Z, and fg
    this.#lines.on("SIGCONT", () => this.#lines.prompt(true));
    this.#lines.on("close", () => {
      if (!this.#isOver) this.#output.write("\n");
      this.#isOver = true;
      this.#asked?.(undefined);
    });
  }

  #take(line: string): void {
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked === undefined) this.#waiting.push(line);
    else asked(line);
  }
}
