/** This side's terminal in raw mode, and back, whatever happens. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import type { Output } from "./output.ts";

export class RawTerminal {
  readonly #stdin = process.stdin;
  /** The terminal once more, never blocking; undefined where it can't be opened a second time. */
  readonly #direct = openDirect();
  #raw = false;
  #noticed = false;
  #stopReading: () => void = () => undefined;
  #onSize: (() => void) | undefined;
  readonly #restore = (): void => this.#setRaw(false);

  size(): { cols: number; rows: number } {
    const { columns, rows } = process.stdout;
    return { cols: columns || 80, rows: rows || 24 };
  }

  /** Keys come to `take`, and wait where it says so; `resized` hears of each new size. */
  begin(
    take: (bytes: Uint8Array) => Promise<void> | undefined,
    resized: (size: { cols: number; rows: number }) => void,
  ): void {
    process.on("exit", this.#restore);
    this.#setRaw(true);
    // without the layers of process.stdin
    const reader = Bun.stdin.stream().getReader();
    const read = async (): Promise<void> => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        const taken = take(next.value);
        if (taken !== undefined) await taken;
      }
    };
    read().catch(() => undefined);
    this.#stopReading = () => void reader.cancel().catch(() => undefined);
    this.#onSize = () => resized(this.size());
    process.on("SIGWINCH", this.#onSize);
  }

  end(): void {
    this.notice("");
    this.#stopReading();
    this.#setRaw(false);
    process.off("exit", this.#restore);
    if (this.#direct !== undefined) closeSync(this.#direct);
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

  /** To the screen: at once where the terminal takes it, for an echo that waits is felt; else in its turn by `output`. */
  async write(bytes: Uint8Array, output: Output): Promise<void> {
    let at = 0;
    if (this.#direct !== undefined && output.idle) {
      try {
        at = writeSync(this.#direct, bytes);
      } catch {
        // it is full
      }
    }
    if (at < bytes.length) await output.lent(bytes.subarray(at));
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

function openDirect(): number | undefined {
  if (process.platform !== "linux") return undefined;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined;
  }
}
