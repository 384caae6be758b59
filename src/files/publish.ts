/** From a finished partial file to its name: one rename, or one link where nothing may be overwritten. */
import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { MAX_NAME_BYTES, MAX_RENAMES } from "../protocol/constants.ts";
import type { Action, OnExists } from "../protocol/file-messages.ts";
import type { Entry } from "./entry.ts";
import { errnoOf } from "./errno.ts";
import type { Folder } from "./folder.ts";
import { type Name, nameBytes, nameOf } from "./names.ts";
import type { Partial } from "./partials.ts";

/** Throws unless a file may take the place of what is there: a link is replaced itself, a folder or device never. */
export function mustBeReplaceable(existing: Entry | undefined): void {
  if (existing?.kind === "folder") throw new SockError("is-folder", "is a folder");
  if (existing?.kind === "other") throw new SockError("not-file", "is not a regular file");
}

/** A finished file under its temporary name. */
type Finished = Pick<Partial, "folder" | "name">;
export interface Placed {
  action: Action;
  name: Name;
}

/**
 * Gives `partial` its name in `parent`. What is there now decides, not what was there when it began.
 * Throws `exists`, `is-folder`, `not-file`, and what the system throws; then the destination is as it was.
 */
export async function publishPartial(
  partial: Finished,
  parent: Folder,
  name: Name,
  onExists: OnExists,
): Promise<Placed> {
  if (onExists !== "replace") return publishNow(partial, parent, name, onExists);
  const existing = parent.entry(name);
  mustBeReplaceable(existing);
  // On the thread pool: with much unwritten data ext4 holds a rename up.
  const from = partial.folder.path(partial.name);
  try {
    await fs.promises.rename(from, parent.path(name));
  } catch (thrown) {
    if (!unlock(parent, thrown)) throw thrown;
    await fs.promises.rename(from, parent.path(name));
  }
  return { action: existing === undefined ? "new" : "replaced", name };
}

/** The same at once, for small files. `known` is what a look a moment ago has found, if there was one. */
export function publishNow(
  partial: Finished,
  parent: Folder,
  name: Name,
  onExists: OnExists,
  known?: { readonly entry: Entry | undefined },
): Placed {
  if (onExists === "replace") {
    const existing = known === undefined ? parent.entry(name) : known.entry;
    mustBeReplaceable(existing);
    const from = partial.folder.path(partial.name);
    unlocked(parent, () => fs.renameSync(from, parent.path(name)));
    return { action: existing === undefined ? "new" : "replaced", name };
  }
  return unlocked(parent, () => {
    if (linkInto(partial, parent, name)) return { action: "new", name };
    if (onExists === "skip") return { action: "skipped", name };
    if (onExists === "refuse") throw new SockError("exists", "exists already");
    for (let count = 1; count <= MAX_RENAMES; count++) {
      const other = besideName(name, count);
      if (linkInto(partial, parent, other)) return { action: "renamed", name: other };
    }
    throw new SockError("exists", `exists already, with ${MAX_RENAMES} others of its name`);
  });
}

/** Runs `action`, once more where our own folder was closed for writing (0555): its mode is set again after its entries. */
export function unlocked<T>(folder: Folder, action: () => T): T {
  try {
    return action();
  } catch (thrown) {
    if (!unlock(folder, thrown)) throw thrown;
    return action();
  }
}

function unlock(folder: Folder, thrown: unknown): boolean {
  if (errnoOf(thrown) !== "EACCES" || process.platform === "win32") return false;
  const { uid, mode } = fs.statSync(folder.path());
  if (uid !== process.geteuid?.() || (mode & 0o300) === 0o300) return false;
  fs.chmodSync(folder.path(), (mode & 0o7777) | 0o300);
  return true;
}

/** `NAME.new`, `NAME.new2`…; NAME is cut, at a character, where that would be too long. */
export function besideName(name: Name, count: number): Name {
  const suffix = Buffer.from(count === 1 ? ".new" : `.new${count}`);
  const bytes = nameBytes(name);
  let end = Math.min(bytes.length, MAX_NAME_BYTES - suffix.length);
  if (end < bytes.length && typeof name === "string") {
    while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  }
  return nameOf(Buffer.concat([bytes.subarray(0, end), suffix]));
}

/** link(2) never replaces: whoever was faster keeps the name. False when it is taken. */
function linkInto(partial: Finished, parent: Folder, name: Name): boolean {
  const from = partial.folder.path(partial.name);
  const to = parent.path(name);
  try {
    fs.linkSync(from, to);
  } catch (thrown) {
    const code = errnoOf(thrown);
    if (code === "EEXIST") return false;
    if (code !== undefined && NO_LINKS.has(code)) return claimInto(from, to);
    throw thrown;
  }
  fs.unlinkSync(from);
  return true;
}

/** How file systems without hard links (FAT, many of FUSE) answer. */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EINVAL"]);

/** Where there are no hard links: an empty file claims the name, and is replaced. Readers may see it empty for a moment. */
export function claimInto(from: string, to: string | Buffer): boolean {
  try {
    fs.closeSync(fs.openSync(to, "wx", 0o600));
  } catch (thrown) {
    if (errnoOf(thrown) === "EEXIST") return false;
    throw thrown;
  }
  try {
    fs.renameSync(from, to);
    return true;
  } catch (thrown) {
    fs.rmSync(to, { force: true });
    throw thrown;
  }
}
