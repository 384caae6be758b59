/** This side's terminal in raw mode, and back, whatever happens. */
import { writeSync } from "node:fs";

export class RawTerminal {
  readonly #stdin = process.stdin;
  #raw = false;
  #noticed = false;
  #onSize: (() => void) | undefined;
  readonly #restore = (): void => this.#setRaw(false);

  size(): { cols: number; rows: number } {
    const { columns, rows } = process.stdout;
    return { cols: columns || 80, rows: rows || 24 };
  }

  /** Keys come to `take`, one piece after another; `resized` hears of each new size. */
  begin(
    take: (bytes: Uint8Array) => Promise<void>,
    resized: (size: { cols: number; rows: number }) => void,
  ): void {
    process.on("exit", this.#restore);
    this.#setRaw(true);
    this.#stdin.on("data", (bytes: Uint8Array) => {
      this.#stdin.pause();
      take(bytes).then(
        () => this.#stdin.resume(),
        () => undefined,
      );
    });
    this.#onSize = () => resized(this.size());
    process.on("SIGWINCH", this.#onSize);
  }

  end(): void {
    this.notice("");
    this.#stdin.pause();
    this.#setRaw(false);
    process.off("exit", this.#restore);
    if (this.#onSize !== undefined) process.off("SIGWINCH", this.#onSize);
  }

  /** Stops this process, as Ctrl-Z does; when it goes on, the terminal is raw again. */
  suspend(): void {
    this.#setRaw(false);
    process.once("SIGCONT", () => {
      this.#setRaw(true);
      this.#onSize?.();
    });
    process.kill(process.pid, "SIGSTOP");
  }

  print(text: string): void {
    writeSync(2, text);
  }

  /** One line at the foot of the screen, where the cursor is not; the empty one takes it away. False where nothing changes. */
  notice(text: string): boolean {
    if (text === "" && !this.#noticed) return false;
    this.#noticed = text !== "";
    const { cols, rows } = this.size();
    this.print(`\x1b7\x1b[${rows};1H\x1b[K\x1b[7m${text.slice(0, cols)}\x1b[0m\x1b8`);
    return true;
  }

  #setRaw(raw: boolean): void {
    if (raw === this.#raw) return;
    this.#raw = raw;
    this.#stdin.setRawMode(raw);
  }
}
