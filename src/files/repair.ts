/** Mode and time of something that is there already, without touching its bytes, and never through a link. */
import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { type FileId, sameFile } from "./entry.ts";
import { type Folder, HAS_PROC, O_NOFOLLOW } from "./folder.ts";
import { permissionBits, setPathMtime } from "./metadata.ts";
import type { Name } from "./names.ts";

/** open(2): a handle that needs no right to read. */
const O_PATH = 0o10000000;

export interface Metadata {
  /** Permission bits of the source; null leaves them. */
  readonly mode: number | null;
  /** Microseconds since 1970; null leaves it. */
  readonly mtimeUs: number | null;
}

/** `expected` is what was looked at: something else under that name now is `changed`. */
export function repair(folder: Folder, name: Name, expected: FileId, metadata: Metadata): void {
  if (!HAS_PROC || folder.fd === undefined) {
    apply(folder.path(name), metadata);
    return;
  }
  const fd = fs.openSync(folder.path(name), O_PATH | O_NOFOLLOW);
  try {
    if (!sameFile(fs.fstatSync(fd, { bigint: true }), expected)) {
      throw new SockError("changed", "it was replaced meanwhile", "send it again");
    }
    apply(`/proc/self/fd/${fd}`, metadata);
  } finally {
    fs.closeSync(fd);
  }
}

/** The same for a folder that is held open. */
export function repairFolder(folder: Folder, metadata: Metadata): void {
  apply(folder.path(), metadata);
}

function apply(path: string | Buffer, { mode, mtimeUs }: Metadata): void {
  if (mode !== null && process.platform !== "win32") fs.chmodSync(path, permissionBits(mode));
  setPathMtime(path, mtimeUs);
}
