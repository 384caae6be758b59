/** What became of the files of one run: told as it goes on, summed up at its end, and turned into the exit status. */
import { type ExitStatus, SockError, STATUS } from "../errors.ts";
import { pathBytes } from "../files/names.ts";
import { escapeBytes, escapeForDisplay } from "../text/escape.ts";
import { formatBytes, formatDuration, formatRate } from "../text/units.ts";
import type { Receipt } from "./receipt.ts";
import type { Context } from "./verb.ts";

/** One file, as the transfer tells of it. */
export interface Told {
  readonly kind: "file" | "folder" | "link";
  /** As the user would write it; not escaped. */
  readonly path: string;
  /** In a receipt: where whoever checks it looks for the file; `path` where left out. */
  readonly receiptPath?: string;
  readonly bytes: number;
  /** Hex, or empty where nothing was hashed. */
  readonly digest: string;
  readonly action: "new" | "replaced" | "renamed" | "skipped" | "same" | "repaired" | "failed";
  readonly error?: SockError | undefined;
  readonly ms: number;
}

export interface TallyOptions {
  readonly algorithm: string;
  /** One file is asked for: its failure is the run's. */
  readonly single: boolean;
  readonly dry: boolean;
  /** All or nothing: where one fails, nothing was changed. */
  readonly atomic?: boolean;
  readonly receipt: Receipt | undefined;
}

/** These go before `some-failed`: the caller can do something about them. */
const FIRST: ReadonlySet<ExitStatus> = new Set([STATUS.unreachable, STATUS.noSpace]);

/** Hints that are remembered: a peer may have many. */
const MOST_HINTS = 100;

export class Tally {
  readonly #context: Context;
  readonly #options: TallyOptions;
  #single: boolean;
  readonly #started = performance.now();
  #files = 0;
  #bytes = 0;
  #skipped = 0;
  /** Those of them that were there already, equal. */
  #same = 0;
  #failed = 0;
  #repaired = 0;
  #replaced = 0;
  #only: Told | undefined;
  #failure: SockError | undefined;
  #alike = true;
  /** Those that were said. */
  readonly #hints = new Set<string>();

  constructor(context: Context, options: TallyOptions) {
    this.#context = context;
    this.#options = options;
    this.#single = options.single;
  }

  /** Files that have their end, good or bad. */
  get seen(): number {
    return this.#files + this.#skipped + this.#failed;
  }

  /** The one thing that was asked for has turned out to be a folder. */
  manyFiles(): void {
    this.#single = false;
  }

  add(told: Told): void {
    const { action, error } = told;
    if (action === "failed" && error !== undefined) {
      this.#fail(told, error);
      return;
    }
    if (told.kind === "folder") return;
    if (action === "same") this.#same += 1;
    if (action === "skipped" || action === "same") this.#skipped += 1;
    else this.#files += 1;
    if (action === "repaired") this.#repaired += 1;
    else if (action !== "skipped" && action !== "same") this.#bytes += told.bytes;
    if (action === "replaced") this.#replaced += 1;
    this.#only = told;
    this.#event(told);
    if (told.digest !== "" && told.kind === "file") {
      this.#options.receipt?.add(told.digest, told.receiptPath ?? told.path);
    }
    if (error !== undefined) this.#context.ui.warn(error.message);
    else if (!this.#single && (this.#options.dry || this.#context.verbose > 0)) {
      this.#context.ui.report(`${this.#word(told)}  ${escapePath(told.path)}`);
    }
  }

  /**
   * The lines at the end, and the result event's fields. `where` is what the user asked for; `ended`: nothing broke it off;
   * `there`: bytes of the one file that did not have to be moved.
   */
  finish(host: string, where: string, ended: boolean, there: number): void {
    const seconds = (performance.now() - this.#started) / 1000;
    const undone = this.#options.atomic === true && this.#failed > 0;
    this.#context.json.result({
      host,
      files: undone ? 0 : this.#files,
      bytes: undone ? 0 : this.#bytes,
      skipped: this.#skipped,
      failed: this.#failed,
      seconds: Number(seconds.toFixed(3)),
    });
    const only = this.#only;
    const isEmpty = this.seen === 0 && !ended;
    if (undone || isEmpty || (this.#failed > 0 && this.#failed === this.seen)) return;
    if (this.#single && only !== undefined && this.seen === 1) this.#reportOne(only, there);
    else this.#reportAll(where, seconds, ended);
  }

  /** Throws what makes the run fail. */
  check(): void {
    const first = this.#failure;
    if (first === undefined) return;
    if (this.#single && this.seen === 1) throw first;
    const end = this.#options.atomic === true ? ", so nothing was changed" : "";
    const words = `${this.#failed} of ${this.seen} failed${end}`;
    const code =
      FIRST.has(first.status) || (this.#alike && this.#failed === this.seen) ? first.code : "some-failed";
    throw new SockError(code, words);
  }

  #fail(told: Told, error: SockError): void {
    this.#failed += 1;
    const first = this.#failure;
    if (first === undefined || (FIRST.has(error.status) && !FIRST.has(first.status))) this.#failure = error;
    if (first !== undefined && first.status !== error.status) this.#alike = false;
    const { code, message, hint } = error;
    const why = { code, message, ...(hint === undefined ? {} : { hint }) };
    this.#context.json.emit({ type: "file", ...pathField(told.path), action: "failed", ...why });
    if (!this.#single && !this.#context.json.enabled) this.#context.ui.error(this.#hintedOnce(error));
  }

  /** What helps against many failures of one kind is said with the first of them. */
  #hintedOnce(error: SockError): SockError {
    const { code, message, hint } = error;
    if (hint === undefined) return error;
    if (this.#hints.has(hint)) return new SockError(code, message, undefined, { cause: error });
    if (this.#hints.size < MOST_HINTS) this.#hints.add(hint);
    return error;
  }

  #event({ path, bytes, digest, action, kind }: Told): void {
    const { algorithm, dry } = this.#options;
    this.#context.json.emit({
      type: "file",
      ...pathField(path),
      ...(kind === "link" ? { kind } : {}),
      size: bytes,
      digest: digest === "" ? null : digest,
      algorithm,
      action,
      ...(dry ? { dry } : {}),
    });
  }

  #word({ action }: Told): string {
    return this.#options.dry ? `would be ${action}` : action;
  }

  #reportOne(file: Told, there: number): void {
    const { ui } = this.#context;
    const path = escapePath(file.path);
    if (this.#options.dry) ui.report(`${path}  ${this.#word(file)}`);
    else if (file.action === "skipped") ui.report(`${path}  is there already, skipped`);
    else if (file.action === "same")
      ui.report(`${path}  is there already, with the same ${file.digest === "" ? "size and time" : "bytes"}`);
    else if (file.action === "repaired") ui.report(`${path}  was there already, mode and time set`);
    else {
      const time = formatDuration(file.ms);
      const rate = formatRate(Math.max(0, file.bytes - there) / (file.ms / 1000));
      ui.report(
        `${path}  ${formatBytes(file.bytes)} in ${time} (${rate}), ${file.action}, verified on both sides`,
      );
      if (file.digest !== "") ui.report(`${this.#options.algorithm} ${file.digest}`);
    }
  }

  #reportAll(where: string, seconds: number, ended: boolean): void {
    const parts = [`${this.#files} ${this.#files === 1 ? "file" : "files"}`];
    if (this.#options.dry) parts.push(formatBytes(this.#bytes), "nothing was changed");
    else if (this.#bytes > 0) {
      const rate = formatRate(this.#bytes / seconds);
      parts[0] += `, ${formatBytes(this.#bytes)} in ${formatDuration(seconds * 1000)} (${rate})`;
    }
    if (this.#replaced > 0) parts.push(`${this.#replaced} replaced`);
    if (this.#repaired > 0) parts.push(`${this.#repaired} with mode and time set only`);
    if (this.#same > 0) parts.push(`${this.#same} there already`);
    if (this.#skipped > this.#same) parts.push(`${this.#skipped - this.#same} skipped`);
    if (this.#failed > 0) parts.push(`${this.#failed} failed`);
    else if (!ended) parts.push("then it broke off");
    else if (this.#bytes > 0 && !this.#options.dry) parts.push("verified on both sides");
    this.#context.ui.report(`${escapeForDisplay(where)}  ${parts.join(", ")}`);
  }
}

/** Where it is no UTF-8, base64 of the bytes. */
function pathField(path: string): { path: string } | { path64: string } {
  return path.isWellFormed() ? { path } : { path64: Buffer.from(pathBytes(path)).toString("base64") };
}

function escapePath(path: string): string {
  return path.isWellFormed() ? escapeForDisplay(path) : escapeBytes(pathBytes(path));
}
