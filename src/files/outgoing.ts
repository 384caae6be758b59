import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { type Entry, entryOf, mustBeFile } from "./entry.ts";
import { errnoOf } from "./errno.ts";
import { fsFailure } from "./failure.ts";
import { O_NONBLOCK } from "./folder.ts";

/** Two writes within this time may leave the same time in a file: the kernel's clock for it ticks every 1 to 10 ms, ms. */
export const STAMP_MS = 20;

/** Whether a write that comes now could leave the file's time as it is, so that only its bytes tell of it. */
export function isJustWritten(mtimeUs: number): boolean {
  return Math.abs(Date.now() - mtimeUs / 1000) < STAMP_MS;
}

/** One regular file that is read to be sent, with what it was like when it was opened. */
export class Outgoing {
  readonly length: number;
  /** Permission bits as they are; the receiver drops setuid, setgid and sticky. */
  readonly mode: number;
  readonly mtimeUs: number;
  readonly entry: Entry;
  readonly #fd: number;
  readonly #shown: string;
  readonly #opened: { size: bigint; mtimeNs: bigint };
  #reading = 0;
  #open = true;

  private constructor(fd: number, shown: string) {
    this.#fd = fd;
    this.#shown = shown;
    const stat = fs.fstatSync(fd, { bigint: true });
    const entry = entryOf(stat);
    mustBeFile(entry);
    this.entry = entry;
    this.length = entry.bytes;
    this.mode = entry.mode;
    this.mtimeUs = entry.mtimeUs;
    this.#opened = stat;
  }

  /** Takes the descriptor over: `close` closes it, and so does a refusal. `shown` names the file in errors. */
  static fromFd(fd: number, shown = "the file"): Outgoing {
    try {
      return new Outgoing(fd, shown);
    } catch (thrown) {
      fs.closeSync(fd);
      if (thrown instanceof SockError) throw new SockError(thrown.code, `${shown}: ${thrown.message}`);
      throw fsFailure(thrown, shown);
    }
  }

  /** A path of this user's own: links are followed, a FIFO or device is refused and not waited for. */
  static open(path: string | Buffer, shown = String(path)): Outgoing {
    let fd: number;
    try {
      // A device is not opened at all: that alone can rewind a tape.
      const stat = fs.statSync(path, { bigint: true });
      if (!stat.isFile() && !stat.isDirectory())
        throw new SockError("not-file", `${shown}: not a regular file`);
      if (stat.isDirectory()) throw new SockError("is-folder", `${shown}: is a folder`);
      fd = fs.openSync(path, fs.constants.O_RDONLY | O_NONBLOCK);
    } catch (thrown) {
      throw fsFailure(thrown, shown);
    }
    return Outgoing.fromFd(fd, shown);
  }

  /** Fills `buffer` from `position` (bytes) on, off the main thread; fewer bytes only at the end of the file, then 0. */
  async read(buffer: Uint8Array, position: number): Promise<number> {
    if (!this.#open) throw new SockError("internal", "a closed file was read");
    this.#reading += 1;
    try {
      let filled = 0;
      while (filled < buffer.length) {
        const count = await readOnce(this.#fd, buffer, filled, position + filled);
        if (count === 0) break;
        filled += count;
      }
      return filled;
    } catch (thrown) {
      throw errnoOf(thrown) === undefined ? thrown : fsFailure(thrown, this.#shown);
    } finally {
      this.#reading -= 1;
      this.#closeIfIdle();
    }
  }

  /** All bytes at once, for small files; undefined where it was written to meanwhile. */
  readWhole(): Uint8Array | undefined {
    const isUnsure = isJustWritten(this.mtimeUs);
    const bytes = this.#readAll();
    if (bytes === undefined || !isUnsure) return bytes;
    const again = this.#readAll();
    return again !== undefined && Buffer.compare(bytes, again) === 0 ? bytes : undefined;
  }

  #readAll(): Uint8Array | undefined {
    const bytes = Buffer.allocUnsafeSlow(this.length + 1);
    let filled = 0;
    try {
      for (let count = -1; count !== 0 && filled < bytes.length; filled += count) {
        count = fs.readSync(this.#fd, bytes, filled, bytes.length - filled, filled);
      }
    } catch (thrown) {
      throw fsFailure(thrown, this.#shown);
    }
    return filled !== this.length || this.changed() ? undefined : bytes.subarray(0, filled);
  }

  /** Whether the file was written to since it was opened: the bytes that were read may be of two versions. */
  changed(): boolean {
    if (!this.#open) throw new SockError("internal", "a closed file was asked for changes");
    const { size, mtimeNs } = fs.fstatSync(this.#fd, { bigint: true });
    return size !== this.#opened.size || mtimeNs !== this.#opened.mtimeNs;
  }

  /** Closes when the last read has ended, so that no read meets another file under the same number. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#closeIfIdle();
  }

  #closeIfIdle(): void {
    if (!this.#open && this.#reading === 0) fs.closeSync(this.#fd);
  }
}

/** One read(2) on the thread pool. */
export function readOnce(fd: number, buffer: Uint8Array, offset: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, offset, buffer.length - offset, position, (error, count) => {
      if (error) reject(error);
      else resolve(count);
    });
  });
}
