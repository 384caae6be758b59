import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { RESUME_BYTES } from "../protocol/constants.ts";
import type { Action, OnExists } from "../protocol/file-messages.ts";
import { formatBytes } from "../text/units.ts";
import { sameFile } from "./entry.ts";
import { fsFailure } from "./failure.ts";
import type { Folder } from "./folder.ts";
import { setMode, setMtime } from "./metadata.ts";
import type { Segments } from "./names.ts";
import { createPartial, type Partial, removeEmptyPartialFolder } from "./partials.ts";
import { mustBeReplaceable, publishPartial } from "./publish.ts";
import { readOnce } from "./outgoing.ts";
import { fsync, readsBackAs } from "./read-back.ts";
import type { Root } from "./root.ts";
import { sweepFolder } from "./sweep.ts";

/** So much is written between two looks at the free space, where some must stay, bytes. */
const LOOK_BYTES = 8 * 1024 * 1024;

export interface IncomingOptions {
  onExists: OnExists;
  /** Permission bits of the source; null for those of a new file. */
  mode: number | null;
  /** Microseconds since 1970; null for now. */
  mtimeUs: number | null;
  /** Bytes; null for a stream of unknown length. */
  length: number | null;
  /** Bytes that must stay free on the file system. */
  minFree?: number;
  /** Published only when it would survive a power cut. */
  sync: boolean;
  /** Read back from the disk before it is published. */
  verify: boolean;
  /** Name of the partial file that may be left behind and gone on with (`partialId`). */
  partialId?: string | undefined;
}

export interface Published {
  action: Action;
  /** Where it is; with `renamed` not where it was to be. */
  path: Segments;
}

/** A partial file and the folder that it goes to, both held open. */
interface Held {
  parent: Folder;
  partial: Partial;
}

/**
 * One file on its way in. It is written under another name and published whole: until then the destination is untouched,
 * and nobody sees a part of it. Ends with `publish` or `discard`; either leaves nothing else behind.
 */
export class Incoming {
  readonly #root: Root;
  readonly #segments: Segments;
  readonly #options: IncomingOptions;
  readonly #held: Held | undefined;
  #written = 0;
  /** Bytes since the free space was looked at. */
  #unseen = 0;
  /** Calls on the descriptor that are under way on the thread pool. */
  #users = 0;
  #open = true;
  /** Given up for now: its bytes stay. */
  #kept = false;
  /** It is decided how much of what was there before is good. */
  #begun = false;

  private constructor(root: Root, segments: Segments, options: IncomingOptions, held: Held | undefined) {
    this.#root = root;
    this.#segments = segments;
    this.#options = options;
    this.#held = held;
  }

  /**
   * Makes missing parents and the partial file. Throws `read-only`, `is-folder`, `not-file`, `exists` (`refuse`),
   * `no-space`, and what the walk throws.
   */
  static create(root: Root, segments: Segments, options: IncomingOptions): Incoming {
    if (!root.writable)
      throw new SockError("read-only", `${root.show(segments)}: the folder is served read only`);
    const { folder: parent, name } = root.openParent(segments, { create: true });
    let partial: Partial | undefined;
    try {
      const existing = parent.entry(name);
      mustBeReplaceable(existing);
      if (existing !== undefined && options.onExists === "refuse")
        throw new SockError("exists", "exists already");
      if (existing !== undefined && options.onExists === "skip") {
        parent.close();
        return new Incoming(root, segments, options, undefined);
      }
      partial = createPartial(root, parent, options.partialId);
      mustHaveSpace(partial.folder, options, partial.bytes);
      return new Incoming(root, segments, options, { parent, partial });
    } catch (thrown) {
      if (partial !== undefined) {
        unlinkPartial(partial);
        fs.closeSync(partial.fd);
        release({ parent, partial });
      }
      parent.close();
      throw named(thrown, root.show(segments));
    }
  }

  /** The destination exists and is to be kept: no byte is wanted, writes go nowhere, and `publish` says `skipped`. */
  get skipped(): boolean {
    return this.#held === undefined;
  }

  /** Bytes that an earlier transfer left, unproved. */
  get kept(): number {
    return this.#held?.partial.bytes ?? 0;
  }

  /** Fills `buffer` from what an earlier transfer left. Returns the bytes read. */
  async readKept(buffer: Uint8Array, position: number): Promise<number> {
    const { partial } = this.#held ?? {};
    if (partial === undefined) return 0;
    return this.#use(() => readOnce(partial.fd, buffer, 0, position));
  }

  /** Writing goes on at `at` (bytes); what was left behind that is dropped. To be called before the first write. */
  startAt(at: number): void {
    if (this.#held === undefined) return;
    if (this.#held.partial.bytes > at) fs.ftruncateSync(this.#held.partial.fd, at);
    this.#written = at;
    this.#begun = true;
  }

  /** Writes all of `buffer` at `position` (bytes), off the main thread. Several may be under way. */
  write(buffer: Uint8Array, position: number): Promise<void> {
    return this.writeAll([buffer], position);
  }

  /** Writes the pieces one after another from `position` (bytes) on, with as few calls as will do. */
  async writeAll(pieces: readonly Uint8Array[], position: number): Promise<void> {
    const { partial } = this.#held ?? {};
    if (partial === undefined) return;
    let bytes: number;
    try {
      this.#mustStayFree(partial.folder, pieces);
      bytes = await this.#use(() => writeVector(partial.fd, pieces, position));
    } catch (thrown) {
      throw named(thrown, this.#root.show(this.#segments));
    }
    this.#written += bytes;
  }

  /** Looks again now and then: others write too, and of a stream nobody knows how long it gets. Throws `no-space`. */
  #mustStayFree(folder: Folder, pieces: readonly Uint8Array[]): void {
    const { minFree } = this.#options;
    if (minFree === undefined) return;
    for (const piece of pieces) this.#unseen += piece.length;
    if (this.#unseen < LOOK_BYTES) return;
    mustHaveSpace(folder, { length: this.#unseen, minFree }, 0);
    this.#unseen = 0;
  }

  /**
   * Publishes what was written, which must be `bytes` long; all writes must have ended. Throws `cut` for another length,
   * `differs` when it does not read back (`verify`), `exists`, `changed` for a folder that was moved away, `cut` after
   * `discard`. After a failure nothing is left.
   */
  async publish(whole: { bytes: number; digest?: string }): Promise<Published> {
    if (this.#held === undefined) return { action: "skipped", path: this.#segments };
    try {
      return await this.#publish(this.#held, whole);
    } catch (thrown) {
      this.discard();
      throw named(thrown, this.#root.show(this.#segments));
    }
  }

  /** Gives it up for now: what came stays for a later transfer, where that is possible and worth it. */
  async keep(): Promise<void> {
    const held = this.#held;
    if (held === undefined || !this.#open) return;
    // what was there stays also where nobody came to say how much of it is right
    const bytes = this.#begun ? this.#written : Math.max(this.#written, held.partial.bytes);
    if (!held.partial.resumable || bytes < RESUME_BYTES) {
      this.discard();
      return;
    }
    const folder = held.partial.folder.again();
    this.#open = false;
    this.#kept = true;
    this.#closeIfIdle();
    try {
      await sweepFolder(folder, await folder.names(), Date.now());
    } finally {
      folder.close();
    }
  }

  /** Gives it up, unless it was published; at any time, also twice. */
  discard(): void {
    const held = this.#held;
    if (held === undefined || !this.#open) return;
    this.#open = false;
    unlinkPartial(held.partial);
    this.#closeIfIdle();
  }

  async #publish({ parent, partial }: Held, whole: { bytes: number; digest?: string }): Promise<Published> {
    const { verify, sync, mode, mtimeUs, onExists } = this.#options;
    const { fd } = partial;
    if (this.#users > 0) throw new SockError("internal", "published while it is written");
    this.#mustBeOpen();
    if (this.#written !== whole.bytes || fs.fstatSync(fd).size !== whole.bytes) {
      throw new SockError("cut", `${this.#written} of ${whole.bytes} bytes arrived`);
    }
    if (verify) {
      const { digest } = whole;
      if (digest === undefined) throw new SockError("internal", "nothing to verify against");
      if (!(await this.#use(() => readsBackAs(fd, whole.bytes, digest)))) {
        throw new SockError("differs", "the disk gives other bytes back than were written", "check the disk");
      }
    }
    setMode(fd, mode);
    setMtime(fd, mtimeUs);
    if (sync) await this.#use(() => fsync(fd));
    this.#mustBeInPlace(parent);
    const name = this.#segments.at(-1) ?? "";
    const placed = await this.#use(() => publishPartial(partial, parent, name, onExists));
    if (sync && placed.action !== "skipped") await this.#syncFolders();
    this.discard();
    return { action: placed.action, path: [...this.#segments.slice(0, -1), placed.name] };
  }

  /** The path must still lead to the folder that was opened first: what was moved away, or replaced by a link, gets nothing. */
  #mustBeInPlace(parent: Folder): void {
    const now = this.#root.openFolder(this.#segments.slice(0, -1), { create: false });
    now.close();
    if (!sameFile(now, parent))
      throw new SockError("changed", "the folder was replaced meanwhile", "send it again");
  }

  /** All of them up to the root: some may be new. */
  async #syncFolders(): Promise<void> {
    for (let depth = this.#segments.length - 1; depth >= 0; depth--) {
      const folder = this.#root.openFolder(this.#segments.slice(0, depth), { create: false });
      await folder.sync().finally(() => folder.close());
    }
  }

  #mustBeOpen(): void {
    if (!this.#open) throw new SockError("cut", "it was given up");
  }

  /**
   * Runs a call on the thread pool. Every descriptor stays open until the last of them has ended, whatever else happens:
   * a number that was closed too early may already mean another file, or another folder.
   */
  async #use<T>(action: () => Promise<T>): Promise<T> {
    this.#mustBeOpen();
    this.#users += 1;
    let result: T;
    try {
      result = await action();
    } finally {
      this.#users -= 1;
      this.#closeIfIdle();
    }
    this.#mustBeOpen();
    return result;
  }

  #closeIfIdle(): void {
    if (this.#open || this.#users > 0 || this.#held === undefined) return;
    const { fd } = this.#held.partial;
    // at once, so that who goes on with it finds it unlocked
    if (this.#kept) fs.closeSync(fd);
    // on the thread pool: here the blocks of a large file are freed
    else fs.close(fd, () => undefined);
    release(this.#held);
  }
}

/** Removes the name; never throws. The space is freed when the descriptor is closed. */
function unlinkPartial({ folder, name }: Partial): void {
  try {
    fs.rmSync(folder.path(name), { force: true });
  } catch {
    // It expires.
  }
}

function release({ parent, partial }: Held): void {
  partial.folder.close();
  // The root's own one is kept for the next file, until the root is closed.
  if (partial.holder === parent) removeEmptyPartialFolder(parent);
  parent.close();
}

function mustHaveSpace(
  folder: Folder,
  { length, minFree }: Pick<IncomingOptions, "length" | "minFree">,
  have: number,
): void {
  if (length === null && minFree === undefined) return;
  const { blocks, bavail, bsize } = fs.statfsSync(folder.path());
  // Some network file systems say nothing.
  if (blocks === 0) return;
  const missing = Math.max(0, (length ?? 0) - have) + (minFree ?? 0) - bavail * bsize;
  if (missing > 0) throw noSpace(missing, minFree ?? 0);
}

/** `missing` bytes would have to be free besides those that are; `minFree` of them are not for files at all. */
export function noSpace(missing: number, minFree: number): SockError {
  return new SockError(
    "no-space",
    `${formatBytes(missing)} of free space are missing`,
    minFree > 0 ? "--min-free keeps space free there" : "make room there, and send it again",
  );
}

/** A short write is gone on with; on a full disk the next one says so. Returns the bytes of all pieces. */
async function writeVector(fd: number, pieces: readonly Uint8Array[], position: number): Promise<number> {
  let left = pieces.filter((piece) => piece.length > 0);
  let done = 0;
  while (left.length > 0) {
    const count = await writevOnce(fd, left, position + done);
    if (count === 0) throw new SockError("io", "the disk takes no more bytes");
    done += count;
    left = after(left, count);
  }
  return done;
}

/** What is left of the pieces when `count` bytes are gone. */
function after(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  let index = 0;
  for (; index < pieces.length; index++) {
    const length = pieces[index]?.length ?? 0;
    if (skip < length) break;
    skip -= length;
  }
  return pieces.slice(index).map((piece, at) => (at === 0 ? piece.subarray(skip) : piece));
}

function writevOnce(fd: number, pieces: Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, pieces, position, (error, count) => {
      if (error) reject(error);
      else resolve(count);
    });
  });
}

function named(thrown: unknown, shown: string): SockError {
  if (!(thrown instanceof SockError)) return fsFailure(thrown, shown);
  if (thrown.message.startsWith(`${shown.toWellFormed()}: `)) return thrown;
  return new SockError(thrown.code, `${shown}: ${thrown.message}`, thrown.hint, { cause: thrown });
}
