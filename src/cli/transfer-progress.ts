/** How a transfer goes on: one live line on a terminal, else a line now and then for whoever reads the log. */
import { SockError } from "../errors.ts";
import { formatBytes, formatRate } from "../text/units.ts";
import { Progress } from "./progress.ts";
import type { Ui } from "./ui.ts";

/** Time between two lines where there is no terminal, ms. */
const LOG_MS = 10_000;

export class TransferProgress {
  readonly #ui: Ui;
  #total: number | null;
  readonly #clock: () => number;
  readonly #live: Progress;
  readonly #started: number;
  #logged: number;
  /** Where it is now, and where this run began. */
  #bytes = 0;
  #from = 0;
  /** Bytes that are there and were compared before anything moved. */
  #compared = 0;

  /** `total` in bytes, null where nobody knows. */
  constructor(ui: Ui, total: number | null, clock: () => number = () => performance.now()) {
    this.#ui = ui;
    this.#total = total;
    this.#clock = clock;
    this.#live = new Progress(ui, "", total, clock);
    this.#started = clock();
    this.#logged = this.#started;
  }

  /** It is one file, this long, bytes. */
  begin(total: number | null): void {
    this.#total = total;
    this.#live.total = total;
  }

  /** The one file goes on after so many bytes that are there already. */
  goOn(bytes: number): void {
    if (this.#total === null) return;
    if (this.#bytes === 0 && bytes > 0 && bytes < this.#total)
      this.#ui.info(`goes on at ${formatBytes(bytes)} of ${formatBytes(this.#total)}`);
    this.#from += bytes - this.#bytes;
    this.#bytes = bytes;
    this.#live.jump(bytes);
  }

  /** Before anything moves, so many bytes that are there are compared. */
  compare(bytes: number): void {
    this.#compared = bytes;
  }

  /** Of the one file: what this run did not have to move, bytes. */
  get there(): number {
    return Math.max(0, this.#from);
  }

  /** `bytes` more have gone; `current` is what they are of, escaped; `files` are done. */
  update(bytes: number, current: string, files: number): void {
    this.#bytes += bytes;
    const label = files > 0 ? `${files} files  ${current}` : current;
    this.#live.label = label;
    this.#live.update(this.#bytes);
    const now = this.#clock();
    if (this.#ui.terminal || now - this.#logged < LOG_MS) return;
    this.#logged = now;
    const rate = formatRate((Math.max(0, this.#bytes - this.#from) / (now - this.#started)) * 1000);
    const of = this.#total === null ? "" : ` of ${formatBytes(this.#total)}`;
    this.#ui.report(`${label}  ${formatBytes(this.#bytes)}${of}, ${rate}`);
  }

  done(): void {
    this.#live.done();
  }

  /**
   * What was thrown, or where a signal stopped something that was under way: how far it came, and what to do (`next`).
   */
  stopped(thrown: unknown, signal: AbortSignal, files: number, next: string): unknown {
    const reason: unknown = signal.reason;
    const isNew = this.#bytes === 0 && files === 0;
    if (!(reason instanceof SockError) || (isNew && this.#compared === 0)) return thrown;
    const isOver = reason.code === "timeout";
    if (!isOver && reason.code !== "interrupted" && reason.code !== "terminated") return thrown;
    const total = this.#total ?? 0;
    const share = Math.min(99, Math.floor((this.#bytes / total) * 100));
    const where = isNew
      ? `while ${formatBytes(this.#compared)} that are there were compared`
      : total > 0
        ? `at ${share} % of ${formatBytes(total)}`
        : `after ${files} file${files === 1 ? "" : "s"}, ${formatBytes(this.#bytes)}`;
    if (isOver) return new SockError(reason.code, `${reason.message} ${where}`, next);
    return new SockError(reason.code, `stopped ${where}; ${next}`);
  }
}
