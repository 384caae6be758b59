/** `--receipt FILE`: one line for each file whose bytes were proved, as sha256sum writes and reads them. */
import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { fsFailure } from "../files/failure.ts";
import { pathBytes } from "../files/names.ts";
import type { DigestFlag } from "./transfer.ts";

/** Lines are written together up to this, bytes. */
const GATHER_BYTES = 64 * 1024;
const BACKSLASH = 0x5c;
/** What GNU coreutils escape in a name. */
const ESCAPES = new Map([
  [BACKSLASH, "\\\\"],
  [0x0a, "\\n"],
  [0x0d, "\\r"],
]);

export class Receipt {
  readonly #path: string;
  readonly #fd: number;
  readonly #isNew: boolean;
  #lines: Uint8Array[] = [];
  #gathered = 0;
  #written = 0;

  /** Throws what the system throws, before anything is transferred. An older receipt stays until there is a new line. */
  constructor(path: string) {
    this.#path = path;
    const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
    const made = attempt(() => fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL, 0o666));
    // only what was made here is ever taken away again: a link like /dev/stdout is not ours
    this.#isNew = made !== undefined;
    try {
      this.#fd = made ?? fs.openSync(path, O_WRONLY | O_CREAT, 0o666);
    } catch (thrown) {
      throw fsFailure(thrown, path);
    }
  }

  /** `path` as `showPath` makes it. */
  add(digest: string, path: string): void {
    const line = lineOf(digest, pathBytes(path));
    this.#lines.push(line);
    this.#gathered += line.length;
    if (this.#gathered >= GATHER_BYTES) this.#write();
  }

  /** A run that has proved nothing leaves what was there, or nothing. */
  close(): void {
    try {
      this.#write();
    } finally {
      fs.closeSync(this.#fd);
      if (this.#written === 0 && this.#isNew) fs.rmSync(this.#path, { force: true });
    }
  }

  #write(): void {
    if (this.#gathered === 0) return;
    const text = Buffer.concat(this.#lines);
    this.#lines = [];
    this.#gathered = 0;
    try {
      if (this.#written === 0 && fs.fstatSync(this.#fd).isFile()) fs.ftruncateSync(this.#fd);
      for (let at = 0; at < text.length;) at += fs.writeSync(this.#fd, text, at);
    } catch (thrown) {
      throw fsFailure(thrown, this.#path);
    }
    this.#written += text.length;
  }
}

/** GNU coreutils: a line whose name is escaped begins with a backslash; `-` alone would be stdin. */
function lineOf(digest: string, path: Uint8Array): Uint8Array {
  const isEscaped = path.some((byte) => ESCAPES.has(byte));
  const name = isEscaped ? Buffer.concat(Array.from(path, escaped)) : path;
  const start = `${isEscaped ? "\\" : ""}${digest}  ${path.length === 1 && path[0] === 0x2d ? "./" : ""}`;
  return Buffer.concat([Buffer.from(start), name, Buffer.from("\n")]);
}

function escaped(byte: number): Uint8Array {
  const text = ESCAPES.get(byte);
  return text === undefined ? Uint8Array.of(byte) : Buffer.from(text);
}

/** The receipt that was asked for. Throws `usage` where it could prove nothing. */
export function receiptOf(given: {
  readonly receipt: string | undefined;
  readonly digest: DigestFlag;
  readonly "dry-run": boolean;
}): Receipt | undefined {
  if (given.receipt === undefined) return undefined;
  if (given.digest !== "sha256") {
    throw new SockError(
      "usage",
      `--receipt is for sha256sum, which cannot check ${given.digest}`,
      "leave --digest out; --json has the digests of either kind",
    );
  }
  if (given["dry-run"])
    throw new SockError("usage", "--receipt names what was moved, and --dry-run moves nothing");
  return new Receipt(given.receipt);
}

function attempt(open: () => number): number | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}
