/** From a finished partial file to its name: one rename, or one link where nothing may be overwritten. */
import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { MAX_NAME_BYTES, MAX_RENAMES } from "../protocol/constants.ts";
import type { Action, OnExists } from "../protocol/messages.ts";
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

/**
 * Gives `partial` its name in `parent`. What is there now decides, not what was there when it began.
 * Throws `exists`, `is-folder`, `not-file`, and what the system throws; then the destination is as it was.
 */
export async function publishPartial(
  partial: Partial,
  parent: Folder,
  name: Name,
  onExists: OnExists,
): Promise<{ action: Action; name: Name }> {
  if (onExists === "replace") {
    const existing = parent.entry(name);
    mustBeReplaceable(existing);
    // On the thread pool: with much unwritten data ext4 holds a rename up.
    await fs.promises.rename(partial.folder.path(partial.name), parent.path(name));
    return { action: existing === undefined ? "new" : "replaced", name };
  }
  if (await linkInto(partial, parent, name)) return { action: "new", name };
  if (onExists === "skip") return { action: "skipped", name };
  if (onExists === "refuse") throw new SockError("exists", "exists already");
  for (let count = 1; count <= MAX_RENAMES; count++) {
    const other = besideName(name, count);
    if (await linkInto(partial, parent, other)) return { action: "renamed", name: other };
  }
  throw new SockError("exists", `exists already, with ${MAX_RENAMES} others of its name`);
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
async function linkInto(partial: Partial, parent: Folder, name: Name): Promise<boolean> {
  const from = partial.folder.path(partial.name);
  const to = parent.path(name);
  try {
    await fs.promises.link(from, to);
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
export async function claimInto(from: string, to: string | Buffer): Promise<boolean> {
  try {
    fs.closeSync(fs.openSync(to, "wx", 0o600));
  } catch (thrown) {
    if (errnoOf(thrown) === "EEXIST") return false;
    throw thrown;
  }
  try {
    await fs.promises.rename(from, to);
    return true;
  } catch (thrown) {
    fs.rmSync(to, { force: true });
    throw thrown;
  }
}
