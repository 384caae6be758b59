/**
 * The folder of files that are on their way: hidden, 0700, reserved (no peer's path enters it), on the file system of the
 * destination, so that publishing is one rename.
 */
import * as fs from "node:fs";
import { randomBytes } from "node:crypto";
import { SockError } from "../errors.ts";
import { PARTIAL_FOLDER, PARTIAL_TTL_MS, SWEEP_SLICE } from "../protocol/constants.ts";
import { sameFile } from "./entry.ts";
import { errnoOf } from "./errno.ts";
import { fsFailure } from "./failure.ts";
import { Folder, O_NOFOLLOW } from "./folder.ts";
import type { Root } from "./root.ts";

/** An empty file that is open for writing and reading, 0600, under a name that nobody can guess. */
export interface Partial {
  /** Where `folder` is in: the root, or the destination's parent. */
  holder: Folder;
  folder: Folder;
  name: string;
  fd: number;
}

/**
 * Makes a partial file for something in `parent`: in the root's folder of them, or where that is another file system or
 * may not be written, in one beside the destination. The caller closes `folder` and `fd`. Throws what the system throws.
 */
export function createPartial(root: Root, parent: Folder): Partial {
  const isTop = sameFile(parent, root.top);
  if (!isTop && parent.mount !== root.top.mount) return createPartialIn(parent);
  try {
    return createPartialIn(root.top);
  } catch (thrown) {
    if (isTop || fsFailure(thrown, "").code !== "permission") throw thrown;
    return createPartialIn(parent);
  }
}

function createPartialIn(holder: Folder): Partial {
  for (let attempt = 1; ; attempt++) {
    const folder = openPartialFolder(holder);
    try {
      const name = randomBytes(16).toString("hex");
      const { O_RDWR, O_CREAT, O_EXCL } = fs.constants;
      return {
        holder,
        folder,
        name,
        fd: fs.openSync(folder.path(name), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
      };
    } catch (thrown) {
      folder.close();
      // Another process removed the folder, which was empty, between our two calls.
      if (errnoOf(thrown) !== "ENOENT" || attempt === 3) throw thrown;
    }
  }
}

function openPartialFolder(holder: Folder): Folder {
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

/**
 * Removes the root's partial files that nothing was written to for PARTIAL_TTL_MS; `now` in ms since 1970. In slices, so that
 * the event loop goes on. Returns how many were removed.
 */
export async function sweepPartials(root: Root, now: number): Promise<number> {
  const folder = root.top.enter(PARTIAL_FOLDER);
  if (!(folder instanceof Folder)) return 0;
  let removed = 0;
  try {
    const names = await folder.names();
    for (let at = 0; at < names.length; at += SWEEP_SLICE) {
      for (const name of names.slice(at, at + SWEEP_SLICE)) {
        const stat = fs.lstatSync(folder.path(name), { throwIfNoEntry: false });
        // By ctime: the modification time of a finished partial is already that of its source.
        if (stat === undefined || stat.isDirectory() || now - stat.ctimeMs < PARTIAL_TTL_MS) continue;
        fs.rmSync(folder.path(name), { force: true });
        removed += 1;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  } catch (thrown) {
    throw fsFailure(thrown, `${root.show([])}/${PARTIAL_FOLDER}`);
  } finally {
    folder.close();
  }
  return removed;
}
