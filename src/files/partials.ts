/**
 * The folder of files that are on their way: hidden, 0700, reserved (no peer's path enters it), on the file system of the
 * destination, so that publishing is one rename.
 */
import * as fs from "node:fs";
import { createHmac, randomBytes } from "node:crypto";
import { SockError } from "../errors.ts";
import { PARTIAL_FOLDER } from "../protocol/constants.ts";
import { tryLock } from "../os/native.ts";
import { sameFile } from "./entry.ts";
import { errnoOf } from "./errno.ts";
import { fsFailure } from "./failure.ts";
import { Folder, O_NOFOLLOW, O_NONBLOCK } from "./folder.ts";
import { nameBytes, type Segments } from "./names.ts";
import type { Root } from "./root.ts";

/** Trees that are on their way as one have names that begin so. */
export const STAGED_PREFIX = "tree-";
/** Beside such a tree, a file of its name and this holds the run that it belongs to. */
export const RUN_SUFFIX = ".run";
/** Notes of other folders of partial files have names that begin so. */
export const NOTE_PREFIX = "beside-";

/** A file that is open for writing and reading, 0600, under a name that nobody can guess. */
export interface Partial {
  /** Where `folder` is in: the root, or the destination's parent. */
  holder: Folder;
  folder: Folder;
  name: string;
  fd: number;
  /** Bytes that an earlier transfer left in it. */
  bytes: number;
  /** May be left behind for a later transfer to go on with. */
  resumable: boolean;
}

/** What a transfer that broke leaves its file under: nobody without the owner's key comes to the same name. */
export function partialId(owner: string, path: Segments): string {
  const hmac = createHmac("sha256", owner);
  for (const name of path) hmac.update(nameBytes(name)).update("/");
  return hmac.digest("hex").slice(0, 40);
}

/**
 * Makes a partial file for something in `parent`: in the root's folder of them, or where that is another file system or
 * may not be written, in one beside the destination. With `id` it is the one that an earlier transfer left, if nobody
 * else writes it now. The caller closes `folder` and `fd`. Throws what the system throws.
 */
export function createPartial(root: Root, parent: Folder, id?: string): Partial {
  const { partials } = root;
  const isTop = sameFile(parent, partials);
  if (isTop || parent.mount === partials.mount) {
    try {
      return createPartialIn(partials, id);
    } catch (thrown) {
      if (isTop || fsFailure(thrown, "").code !== "permission") throw thrown;
    }
  }
  root.beside.remember(parent);
  return createPartialIn(parent, id);
}

/** Bytes of the partial file that `createPartial` would find; 0 where there is none. */
export function partialBytes(root: Root, parent: Folder, id: string): number {
  for (const holder of [root.partials, parent]) {
    const stat = fs.lstatSync(`${holder.path()}/${PARTIAL_FOLDER}/${id}`, { throwIfNoEntry: false });
    if (stat?.isFile() === true) return stat.size;
  }
  return 0;
}

function createPartialIn(holder: Folder, id: string | undefined): Partial {
  for (let attempt = 1; ; attempt++) {
    const folder = openPartialFolder(holder);
    try {
      return openPartial(holder, folder, id);
    } catch (thrown) {
      folder.close();
      // Another process removed the folder, which was empty, between our two calls.
      if (errnoOf(thrown) !== "ENOENT" || attempt === 3) throw thrown;
    }
  }
}

function openPartial(holder: Folder, folder: Folder, id: string | undefined): Partial {
  const { O_RDWR, O_CREAT, O_EXCL } = fs.constants;
  if (id !== undefined) {
    const fd = fs.openSync(folder.path(id), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    const bytes = ownedBytes(fd, folder.path(id));
    if (bytes !== undefined) return { holder, folder, name: id, fd, bytes, resumable: true };
    fs.closeSync(fd);
  }
  const name = randomBytes(16).toString("hex");
  const fd = fs.openSync(folder.path(name), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  // so that a sweep sees that it is in use
  tryLock(fd);
  return { holder, folder, name, fd, bytes: 0, resumable: false };
}

/** Size of a partial that is ours alone from now on; undefined where another process has it, or it is no plain file. */
function ownedBytes(fd: number, path: string): number | undefined {
  if (tryLock(fd) !== "locked") return undefined;
  const stat = fs.fstatSync(fd);
  const there = fs.lstatSync(path, { throwIfNoEntry: false });
  // published or removed by its last owner between our two calls, or a link to a file of somebody's
  if (there?.ino !== stat.ino || !stat.isFile() || stat.nlink !== 1) return undefined;
  return stat.size;
}

/** Whether partial files lie in the folder of that path, or may. */
export function holdsPartials(path: string): boolean {
  try {
    using names = fs.opendirSync(`${path}/${PARTIAL_FOLDER}`, { bufferSize: 4 });
    for (let one = names.readSync(); one !== null; one = names.readSync()) {
      if (!one.name.startsWith(NOTE_PREFIX)) return true;
    }
    return false;
  } catch (thrown) {
    return errnoOf(thrown) !== "ENOENT";
  }
}

export function openPartialFolder(holder: Folder): Folder {
  let folder = holder.enter(PARTIAL_FOLDER);
  if (!(folder instanceof Folder) && folder.found === "missing") {
    try {
      fs.mkdirSync(holder.path(PARTIAL_FOLDER), 0o700);
    } catch (thrown) {
      if (errnoOf(thrown) !== "EEXIST") throw thrown;
    }
    folder = holder.enter(PARTIAL_FOLDER);
  }
  if (!(folder instanceof Folder)) {
    throw new SockError(
      "outside",
      `${PARTIAL_FOLDER} is not a folder`,
      `remove ${holder.realPath()}/${PARTIAL_FOLDER}`,
    );
  }
  try {
    makePrivate(holder, folder);
    return folder;
  } catch (thrown) {
    folder.close();
    throw thrown;
  }
}

/** A folder of a third user could hand us other bytes than we wrote; one that others may enter is closed to them. */
function makePrivate(holder: Folder, folder: Folder): void {
  if (process.platform === "win32") return;
  const { uid, mode } = fs.statSync(folder.path());
  if (uid !== process.geteuid?.() && uid !== fs.statSync(holder.path()).uid) {
    const path = `${holder.realPath()}/${PARTIAL_FOLDER}`;
    throw new SockError("permission", `${PARTIAL_FOLDER} belongs to another user`, `remove ${path}`);
  }
  if ((mode & 0o077) !== 0) fs.chmodSync(folder.path(), 0o700);
}

/** Removes the folder of partial files in `holder` if nothing is in it; never throws. */
export function removeEmptyPartialFolder(holder: Folder): void {
  try {
    fs.rmdirSync(holder.path(PARTIAL_FOLDER));
  } catch {
    // Not empty, not there, or not ours: it may stay.
  }
}
