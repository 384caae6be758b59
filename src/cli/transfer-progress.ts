/** How a transfer goes on: one live line on a terminal, else a line now and then for whoever reads the log. */
import { formatBytes, formatRate } from "../text/units.ts";
import { Progress } from "./progress.ts";
import type { Ui } from "./ui.ts";

/** Time between two lines where there is no terminal, ms. */
const LOG_MS = 10_000;

export class TransferProgress {
  readonly #ui: Ui;
  readonly #total: number | null;
  readonly #clock: () => number;
  readonly #live: Progress;
  readonly #started: number;
  #logged: number;
  #bytes = 0;

  /** `total` in bytes, null where nobody knows. */
  constructor(ui: Ui, total: number | null, clock: () => number = () => performance.now()) {
    this.#ui = ui;
    this.#total = total;
    this.#clock = clock;
    this.#live = new Progress(ui, "", total, clock);
    this.#started = clock();
    this.#logged = this.#started;
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
    const rate = formatRate((this.#bytes / (now - this.#started)) * 1000);
    const of = this.#total === null ? "" : ` of ${formatBytes(this.#total)}`;
    this.#ui.report(`${label}  ${formatBytes(this.#bytes)}${of}, ${rate}`);
  }

  done(): void {
    this.#live.done();
  }
}
