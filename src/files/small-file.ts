/** Files that came in one piece: written and published at once, with as few system calls as will do. */
import * as fs from "node:fs";
import { randomBytes } from "node:crypto";
import type { OnExists } from "../protocol/file-messages.ts";
import type { Entry } from "./entry.ts";
import { errnoOf } from "./errno.ts";
import { type Folder, O_NOFOLLOW } from "./folder.ts";
import { permissionBits, setMtime } from "./metadata.ts";
import type { Name } from "./names.ts";
import { openPartialFolder, removeEmptyPartialFolder } from "./partials.ts";
import { type Placed, publishNow } from "./publish.ts";
import type { Root } from "./root.ts";
import { SockError } from "../errors.ts";

export interface SmallFile {
  readonly bytes: Uint8Array;
  /** Permission bits of the source; null for those of a new file. */
  readonly mode: number | null;
  /** Microseconds since 1970; null for now. */
  readonly mtimeUs: number | null;
  readonly onExists: OnExists;
  /** What a look a moment ago has found under its name. */
  readonly known: Entry | undefined;
}

/** Where small files are written until they have their names: the partial folder of `holder`, kept open. */
export class SmallFiles {
  readonly #holder: Folder;
  readonly #root: Root;
  #folder: Folder | undefined;
  readonly #prefix = `${randomBytes(12).toString("hex")}-`;
  #count = 0;

  /** `holder` is on the file system of what will be published; it stays the caller's. */
  constructor(root: Root, holder: Folder) {
    this.#root = root;
    this.#holder = holder;
  }

  /** Throws `exists`, `is-folder`, `not-file`, and what the system throws; then nothing has changed. */
  publish(parent: Folder, name: Name, file: SmallFile): Placed {
    const folder = (this.#folder ??= this.#begin());
    const partial = { folder, name: this.#prefix + String(this.#count++) };
    try {
      this.#write(folder.path(partial.name), file);
      const placed = publishNow(partial, parent, name, file.onExists, { entry: file.known });
      if (placed.action === "skipped") fs.rmSync(folder.path(partial.name), { force: true });
      return placed;
    } catch (thrown) {
      fs.rmSync(folder.path(partial.name), { force: true });
      throw thrown;
    }
  }

  /** A symbolic link in place of what has that name. */
  publishLink(parent: Folder, name: Name, target: string | Buffer, onExists: OnExists): Placed {
    const folder = (this.#folder ??= this.#begin());
    const partial = { folder, name: this.#prefix + String(this.#count++) };
    fs.symlinkSync(target, folder.path(partial.name));
    try {
      return publishNow(partial, parent, name, onExists);
    } finally {
      fs.rmSync(folder.path(partial.name), { force: true });
    }
  }

  #begin(): Folder {
    this.#root.beside.remember(this.#holder);
    return openPartialFolder(this.#holder);
  }

  close(): void {
    if (this.#folder === undefined) return;
    this.#folder.close();
    this.#folder = undefined;
    removeEmptyPartialFolder(this.#holder);
  }

  #write(path: string, { bytes, mode, mtimeUs }: SmallFile): void {
    const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
    // the folder is closed to everybody else, so the file may have its last mode from the beginning
    const fd = this.#open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, permissionBits(mode));
    try {
      let written = 0;
      while (written < bytes.length) {
        const count = fs.writeSync(fd, bytes, written, bytes.length - written, written);
        if (count === 0) throw new SockError("io", "the disk takes no more bytes");
        written += count;
      }
      setMtime(fd, mtimeUs);
    } finally {
      fs.closeSync(fd);
    }
  }

  #open(path: string, flags: number, mode: number): number {
    try {
      return fs.openSync(path, flags, mode);
    } catch (thrown) {
      if (errnoOf(thrown) !== "ENOENT") throw thrown;
      // another process removed the folder, which was empty
      this.#folder?.close();
      this.#folder = openPartialFolder(this.#holder);
      return fs.openSync(this.#folder.path(path.slice(path.lastIndexOf("/") + 1)), flags, mode);
    }
  }
}
