/** Partial files that nobody goes on with any more: the expired ones go, and the oldest where there are too many. */
import * as fs from "node:fs";
import { MAX_PARTIALS, PARTIAL_FOLDER, PARTIAL_TTL_MS } from "../protocol/constants.ts";
import { tryLock } from "../os/native.ts";
import { fsFailure } from "./failure.ts";
import { Folder, O_NOFOLLOW, O_NONBLOCK } from "./folder.ts";
import type { Name } from "./names.ts";
import { NOTE_PREFIX, removeEmptyPartialFolder, RUN_SUFFIX } from "./partials.ts";
import { removeTree } from "./remove-tree.ts";
import type { Root } from "./root.ts";
import { Slice } from "./slice.ts";

/**
 * Removes the root's partial files, here and beside destinations, that nothing was written to for PARTIAL_TTL_MS; `now` in ms
 * since 1970. In slices, so that the event loop goes on. Returns how many were removed.
 */
export async function sweepPartials(root: Root, now: number): Promise<number> {
  const found = root.top.enter(PARTIAL_FOLDER);
  const own = found instanceof Folder ? found : undefined;
  try {
    const names = own === undefined ? [] : await own.names();
    let removed = own === undefined ? 0 : await sweepFolder(own, names, now);
    for (const path of root.beside.paths(own, names)) {
      let holder: Folder;
      try {
        holder = root.openFolder(path, { create: false });
      } catch {
        // it is gone, with all that was in it
        root.beside.forget(own, path);
        continue;
      }
      try {
        const folder = holder.enter(PARTIAL_FOLDER);
        if (folder instanceof Folder) {
          try {
            removed += await sweepFolder(folder, await folder.names(), now);
          } finally {
            folder.close();
          }
        }
        removeEmptyPartialFolder(holder);
        if (holder.entry(PARTIAL_FOLDER) === undefined) root.beside.forget(own, path);
      } finally {
        holder.close();
      }
    }
    return removed;
  } catch (thrown) {
    throw fsFailure(thrown, `${root.show([])}/${PARTIAL_FOLDER}`);
  } finally {
    own?.close();
  }
}

/** Removes what expired from one folder of partial files, and the oldest of what is more than MAX_PARTIALS. */
export async function sweepFolder(folder: Folder, names: readonly Name[], now: number): Promise<number> {
  const slice = new Slice();
  const left: { name: Name; ctimeMs: number }[] = [];
  let removed = 0;
  for (const name of names) {
    const isNote = typeof name === "string" && name.startsWith(NOTE_PREFIX);
    const stat = isNote ? undefined : fs.lstatSync(folder.path(name), { throwIfNoEntry: false });
    if (stat !== undefined) {
      // By ctime: the modification time of a finished partial is already that of its source.
      const { ctimeMs } = stat;
      // the clock may jump, and into a tree that is on its way something may come below for long
      if (now - ctimeMs < PARTIAL_TTL_MS || isInUse(folder, name)) left.push({ name, ctimeMs });
      else {
        await removeTree(folder, name);
        removed += 1;
      }
    }
    const wait = slice.over();
    if (wait !== undefined) await wait;
  }
  left.sort((a, b) => b.ctimeMs - a.ctimeMs);
  for (const { name } of left.slice(MAX_PARTIALS)) {
    if (isInUse(folder, name)) continue;
    await removeTree(folder, name);
    removed += 1;
  }
  return removed;
}

/** Whether a transfer holds it now. What can't be opened or locked is not in use by one that goes on with it. */
function isInUse(folder: Folder, name: Name): boolean {
  let fd: number;
  // whose run a tree is of stands beside it
  const held =
    typeof name === "string" && name.endsWith(RUN_SUFFIX) ? name.slice(0, -RUN_SUFFIX.length) : name;
  try {
    fd = fs.openSync(folder.path(held), fs.constants.O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    return tryLock(fd) === "busy";
  } finally {
    fs.closeSync(fd);
  }
}
