/** What `ls` shows: a line or an event for each name, written in pieces, never more at once than the reader takes. */
import type { Listed } from "../client/ls.ts";
import { SockError } from "../errors.ts";
import { joinPath, type Name, type Segments } from "../files/names.ts";
import { escapeBytes, escapeForDisplay } from "../text/escape.ts";
import { formatMode } from "../text/mode.ts";
import { formatBytes } from "../text/units.ts";
import type { Context } from "./verb.ts";

/** Lines are gathered up to this, characters. */
const PIECE = 32 * 1024;
/** Events between two waits for the reader. */
const EVENTS = 1024;
/** Widths of the columns of sizes: "999 kB", and exact up to some TB. */
const SIZE_WIDTH = 7;
const EXACT_WIDTH = 13;

type Path = string | Uint8Array;

export class ItemWriter {
  items = 0;
  failed = 0;
  /** Of the failed ones, those that had a name. */
  #named = 0;
  readonly #context: Context;
  readonly #long: boolean;
  readonly #exact: boolean;
  #lines = "";

  constructor(context: Context, options: { long: boolean; exact: boolean }) {
    this.#context = context;
    this.#long = options.long;
    this.#exact = options.exact;
  }

  /** `asked` is the path that was listed, `shownBase` what stands before the names in it. */
  async add(asked: Path, item: Listed, shownBase: Path): Promise<void> {
    this.items += 1;
    const name = below(shownBase, item.path);
    if (this.#context.json.enabled) {
      this.#context.json.emit(eventOf(below(asked, item.path), item));
      if (this.items % EVENTS === 0) await this.#context.ui.drain();
    } else {
      this.#lines += `${this.#line(name, item)}\n`;
      if (this.#lines.length >= PIECE) await this.#flush();
    }
    if (item.error === undefined) return;
    this.failed += 1;
    this.#named += 1;
    if (this.#context.json.enabled) return;
    await this.#flush();
    this.#context.ui.error(new SockError(item.error, `${show(name)}: could not be read (${item.error})`));
  }

  /** At the end of a listing: how many the server says have failed. */
  count(failed: number): void {
    // those without a name: their path is too long to be told
    this.failed += Math.max(0, failed - this.#named);
    this.#named = 0;
  }

  async end(): Promise<void> {
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = "";
    await this.#context.ui.data(lines);
  }

  #line(name: Path, item: Listed): string {
    const text = show(name);
    const shown = item.kind === "folder" && !text.endsWith("/") ? `${text}/` : text;
    if (!this.#long) return shown;
    const size = this.#size(item);
    const target = item.target === undefined ? "" : ` -> ${show(item.target)}`;
    return `${formatMode(item.kind, item.mode)}  ${size}  ${timeOf(item.mtimeUs)}  ${shown}${target}`;
  }

  #size({ kind, length }: Listed): string {
    const hasSize = kind === "file" && length !== null;
    const width = this.#exact ? EXACT_WIDTH : SIZE_WIDTH;
    return (hasSize ? (this.#exact ? String(length) : formatBytes(length)) : "-").padStart(width);
  }
}

/** A path below another one, which may be empty or end in a slash. */
function below(base: Path, path: Segments): Path {
  if (path.length === 0) return base;
  if (base.length === 0) return joinPath(path);
  const folder = typeof base === "string" ? base.replace(/\/$/, "") : withoutSlash(base);
  return joinPath([folder, ...path]);
}

function withoutSlash(path: Uint8Array): Uint8Array {
  return path.at(-1) === 0x2f ? path.subarray(0, -1) : path;
}

function show(name: Name): string {
  return typeof name === "string" ? escapeForDisplay(name) : escapeBytes(name);
}

function eventOf(path: Path, item: Listed): { type: string; [field: string]: unknown } {
  const { kind, length, mtimeUs, mode, error, target } = item;
  return {
    type: "item",
    ...field("path", path),
    kind,
    size: length,
    mtime_us: mtimeUs,
    mode: mode === null ? null : mode.toString(8).padStart(4, "0"),
    ...(target === undefined ? {} : field("target", target)),
    ...(error === undefined ? {} : { error }),
  };
}

function field(name: string, value: Path): Record<string, string> {
  return typeof value === "string"
    ? { [name]: value }
    : { [`${name}64`]: Buffer.from(value).toString("base64") };
}

/** `2026-11-21 14:02` by the clock here. */
function timeOf(us: number | null): string {
  if (us === null) return "-".padStart(16);
  const date = new Date(Math.floor(us / 1000));
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
