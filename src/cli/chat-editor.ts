/** A line that is typed at the foot of the terminal, while others come in above it. */
import type { Interface } from "node:readline";

export class ChatEditor {
  readonly #lines: Interface;
  readonly #waiting: string[] = [];
  #wake: (() => void) | undefined;
  #isOver = false;
  /** Ctrl-C, and not Ctrl-D, was the end. */
  interrupted = false;

  private constructor(lines: Interface) {
    this.#lines = lines;
    lines.on("line", (line) => {
      this.#waiting.push(line);
      this.#wake?.();
      lines.prompt();
    });
    lines.on("SIGINT", () => {
      this.interrupted = true;
      lines.close();
    });
    // Ctrl-Z, and fg
    lines.on("SIGCONT", () => lines.prompt(true));
    lines.on("close", () => {
      if (!this.#isOver) process.stderr.write("\n");
      this.#isOver = true;
      this.#wake?.();
    });
  }

  /** Line editing takes 20 ms to load, and only people need it. */
  static async open(prompt: string): Promise<ChatEditor> {
    const { createInterface } = await import("node:readline");
    const lines = createInterface({ input: process.stdin, output: process.stderr, prompt, historySize: 100 });
    const editor = new ChatEditor(lines);
    lines.prompt();
    return editor;
  }

  prompt(text: string): void {
    if (this.#isOver) return;
    this.#around(() => this.#lines.setPrompt(text));
  }

  /** Shows lines, which are safe to show, above the one that is typed. */
  print(text: string): void {
    if (this.#isOver) process.stderr.write(`${text}\n`);
    else this.#around(() => process.stderr.write(`${text}\n`));
  }

  /** What is typed, line by line, until Ctrl-D. */
  async *typed(): AsyncGenerator<string> {
    for (;;) {
      const line = this.#waiting.shift();
      if (line !== undefined) yield line;
      else if (this.#isOver) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // the line that is empty goes
    process.stderr.write("\r\x1b[K");
    this.#lines.close();
  }

  /** The typed line is taken away, as many rows as it has, and drawn again with its cursor. */
  #around(action: () => void): void {
    const { rows } = this.#lines.getCursorPos();
    process.stderr.write(`${rows > 0 ? `\x1b[${rows}A` : ""}\r\x1b[J`);
    action();
    // readline believes that the cursor is where it was last drawn
    Reflect.set(this.#lines, "prevRows", 0);
    this.#lines.prompt(true);
  }
}
