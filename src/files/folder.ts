/**
 * An open folder. On Linux it is held by a descriptor and its entries are reached through `/proc/self/fd/N/NAME`, which is
 * openat(2) without a foreign call: whoever renames or replaces a folder on the way cannot redirect what is done here.
 *
 * Elsewhere, and on Linux without /proc, it is held by its real path, compared again at each use. What remains there: who
 * may rename folders inside the root on that machine can win the moment between the comparison and the call. A peer
 * can't: it has no verb that makes links or moves folders.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { SockError } from "../errors.ts";
import { type Entry, entryOf, type FileId, sameFile } from "./entry.ts";
import { errnoOf } from "./errno.ts";
import { type Name, nameOf, splitBytes } from "./names.ts";

/** Bun's constants lack it; open(2): a handle that needs no right to list the folder. Same on x86-64 and arm64. */
const O_PATH = 0o10000000;
/** Windows has neither. */
export const O_NOFOLLOW = fs.constants.O_NOFOLLOW ?? 0;
export const O_NONBLOCK = fs.constants.O_NONBLOCK ?? 0;
const FOLDER = O_PATH | fs.constants.O_DIRECTORY;

export const HAS_PROC = process.platform === "linux" && fs.existsSync("/proc/self/fd");

/** What stands where a folder was expected: nothing, a link (its target in pieces), or something else. */
export type Obstacle = { found: "missing" } | { found: "link"; target: Name[] } | { found: "other" };

export class Folder implements FileId {
  readonly dev: bigint;
  readonly ino: bigint;
  /** Descriptor of the folder, only good for reaching entries; undefined where folders are held by path. */
  readonly fd: number | undefined;
  /** Made a moment ago by whoever holds it: nothing is in it that he did not put there. */
  isNew = false;
  readonly #base: string;
  #mount: string | undefined;
  #open = true;

  private constructor(fd: number | undefined, base: string) {
    this.fd = fd;
    this.#base = base;
    try {
      const stat =
        fd === undefined ? fs.statSync(base, { bigint: true }) : fs.fstatSync(fd, { bigint: true });
      this.dev = stat.dev;
      this.ino = stat.ino;
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  /** Opens a folder by a path that is trusted; links in it are followed. Throws what the system throws. */
  static open(path: string, portable: boolean): Folder {
    if (portable) {
      const real = fs.realpathSync.native(path);
      if (!fs.statSync(real).isDirectory()) throw new SockError("not-folder", `${path}: not a folder`);
      return new Folder(undefined, real);
    }
    const fd = fs.openSync(path, FOLDER);
    return new Folder(fd, `/proc/self/fd/${fd}`);
  }

  /** A second handle on the same folder, to be closed on its own. */
  again(): Folder {
    return Folder.open(this.path(), this.fd === undefined);
  }

  /** Path for a system call: of the entry `name`, or of the folder itself. */
  path(): string;
  path(name: string): string;
  path(name: Name): string | Buffer;
  path(name?: Name): string | Buffer {
    if (!this.#open) throw new SockError("internal", "a closed folder was used");
    if (this.fd === undefined && fs.realpathSync.native(this.#base) !== this.#base) {
      throw new SockError("outside", "a folder was replaced meanwhile");
    }
    if (name === undefined) return this.#base;
    if (typeof name !== "string") return Buffer.concat([Buffer.from(`${this.#base}/`), name]);
    return this.fd === undefined ? join(this.#base, name) : `${this.#base}/${name}`;
  }

  /** Where the folder is now, for messages to the owner and for absolute links. */
  realPath(): string {
    return this.fd === undefined ? this.#base : fs.readlinkSync(this.#base);
  }

  /** What a rename can't leave: the mount (a bind mount has the device of its source), else the device. */
  get mount(): string {
    if (this.#mount !== undefined) return this.#mount;
    const info = this.fd === undefined ? "" : fs.readFileSync(`/proc/self/fdinfo/${this.fd}`, "latin1");
    this.#mount = `${this.dev} ${/^mnt_id:\s*(\d+)/m.exec(info)?.[1] ?? ""}`;
    return this.#mount;
  }

  /** The entry itself, never what a link points to; undefined when there is none. */
  entry(name: Name): Entry | undefined {
    const stat = fs.lstatSync(this.path(name), { bigint: true, throwIfNoEntry: false });
    return stat && entryOf(stat);
  }

  /** A path below this folder for a system call that follows links: only where whoever wrote them is trusted. */
  pathBelow(segments: readonly Name[]): Buffer {
    const names = segments.flatMap((name) => [
      Buffer.from("/"),
      typeof name === "string" ? Buffer.from(name) : name,
    ]);
    return Buffer.concat([Buffer.from(this.path()), ...names]);
  }

  /** What a path below this folder leads to, links followed: only good to be compared with what is held open. */
  statBelow(segments: readonly Name[]): FileId | undefined {
    if (segments.length === 0) return this;
    return fs.statSync(this.pathBelow(segments), { bigint: true, throwIfNoEntry: false });
  }

  /** Opens a folder in this one, never through a link. Throws what the system throws, except for the obstacles. */
  enter(name: Name): Folder | Obstacle {
    const path = this.path(name);
    try {
      if (this.fd !== undefined) {
        const fd = fs.openSync(path, FOLDER | O_NOFOLLOW);
        return new Folder(fd, `/proc/self/fd/${fd}`);
      }
      const entry = this.entry(name);
      if (entry === undefined) return { found: "missing" };
      if (entry.kind === "folder") {
        const child = Folder.open(String(path), true);
        if (sameFile(child, entry)) return child;
        throw new SockError("outside", "a folder was replaced meanwhile");
      }
    } catch (thrown) {
      if (errnoOf(thrown) === "ENOENT") return { found: "missing" };
      if (errnoOf(thrown) !== "ENOTDIR" && errnoOf(thrown) !== "ELOOP") throw thrown;
    }
    try {
      const target = fs.readlinkSync(path, { encoding: "buffer" });
      return { found: "link", target: targetNames(target) };
    } catch (thrown) {
      if (errnoOf(thrown) === "EINVAL" || errnoOf(thrown) === "UNKNOWN") return { found: "other" };
      if (errnoOf(thrown) === "ENOENT") return { found: "missing" };
      throw thrown;
    }
  }

  /** All names, on the thread pool. */
  async names(): Promise<Name[]> {
    if (this.fd === undefined) return fs.promises.readdir(this.path());
    const names = await fs.promises.readdir(this.path(), { encoding: "buffer" });
    return names.map((bytes) => nameOf(bytes));
  }

  /** Makes renames and unlinks in this folder durable; does nothing where folders cannot be synced (Windows). */
  async sync(): Promise<void> {
    if (process.platform === "win32") return;
    const handle = await fs.promises.open(this.path(), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.fd !== undefined) fs.closeSync(this.fd);
  }
}

/** The names of a link's target; an absolute one begins with an empty name. */
function targetNames(target: Buffer): Name[] {
  if (process.platform !== "win32") return splitBytes(target);
  const text = target.toString().replaceAll("\\", "/");
  return (/^[a-z]:/i.test(text) ? `/${text}` : text).split("/");
}
