/** One line of progress on a terminal: how much, how fast, how long still. Nothing anywhere else. */
import { formatBytes, formatDuration } from "../text/units.ts";
import type { Ui } from "./ui.ts";

/** Least time between two frames, ms. */
const FRAME_MS = 100;
/** Nothing is shown for what is done before this, ms. */
const QUIET_MS = 300;
/** The rate is that of about the last 3 s, so that it follows the line and does not jump. */
const RATE_WINDOW_MS = 3000;
const BAR_CELLS = 20;

export class Progress {
  readonly #ui: Ui;
  /** What is worked on now; escaped. */
  label: string;
  /** Bytes; null where it is unknown. */
  total: number | null;
  readonly #clock: () => number;
  readonly #format: (amount: number) => string;
  readonly #start: number;
  #shown: number;
  #rate = 0;
  #seen: { at: number; bytes: number };

  /** `total` in bytes, null where it is unknown; `format` for what is not bytes. */
  constructor(
    ui: Ui,
    label: string,
    total: number | null,
    clock: () => number = () => performance.now(),
    format: (amount: number) => string = formatBytes,
  ) {
    this.#ui = ui;
    this.#format = format;
    this.label = label;
    this.total = total;
    this.#clock = clock;
    this.#start = clock();
    this.#shown = this.#start + QUIET_MS - FRAME_MS;
    this.#seen = { at: this.#start, bytes: 0 };
  }

  /** Bytes done so far, not the last piece; cheap to call for every block. */
  update(bytes: number): void {
    const now = this.#clock();
    if (now - this.#shown < FRAME_MS) return;
    this.#shown = now;
    this.#ui.live(this.#line(bytes, now));
  }

  /** Bytes that were there before and did not come now: they are no rate. */
  jump(bytes: number): void {
    this.#seen = { at: this.#clock(), bytes };
  }

  done(): void {
    this.#ui.clearLive();
  }

  #line(bytes: number, now: number): string {
    const passed = now - this.#seen.at;
    if (passed > 0) {
      const weight = this.#rate === 0 ? 1 : Math.min(1, passed / RATE_WINDOW_MS);
      this.#rate += weight * ((bytes - this.#seen.bytes) / passed - this.#rate);
      this.#seen = { at: now, bytes };
    }
    const rate = `${this.#format(Math.round(Math.max(0, this.#rate) * 1000))}/s`;
    if (this.total === null || this.total === 0) return `${this.label}  ${this.#format(bytes)}  ${rate}`;
    const share = Math.min(1, bytes / this.total);
    const left = this.#rate > 0 ? `  ${formatDuration((this.total - bytes) / this.#rate)} left` : "";
    return `${this.label}  ${bar(share)} ${Math.floor(share * 100)} %  ${this.#format(bytes)} of ${this.#format(this.total)}  ${rate}${left}`;
  }
}

function bar(share: number): string {
  const full = Math.floor(share * BAR_CELLS);
  return `[${"#".repeat(full)}${".".repeat(BAR_CELLS - full)}]`;
}
