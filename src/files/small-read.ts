import * as fs from "node:fs";
import { errnoOf } from "./errno.ts";
import type { Entry } from "./entry.ts";
import { O_NOFOLLOW, O_NONBLOCK } from "./folder.ts";
import { isJustWritten } from "./outgoing.ts";

const FLAGS = fs.constants.O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

/**
 * All bytes of a small file that was looked at before (`entry`), with as few calls as will do. Undefined where it is not
 * what it was: then there is a slower way to find out what it is. Throws what the system throws.
 */
export function readSmall(path: string | Buffer, entry: Entry): Uint8Array | undefined {
  if (isJustWritten(entry.mtimeUs)) return undefined;
  let fd: number;
  try {
    fd = fs.openSync(path, FLAGS);
  } catch (thrown) {
    if (errnoOf(thrown) === "ELOOP") return undefined;
    throw thrown;
  }
  try {
    const bytes = Buffer.allocUnsafeSlow(entry.bytes + 1);
    const count = fs.readSync(fd, bytes, 0, bytes.length, 0);
    const stat = fs.fstatSync(fd);
    const isSame =
      count === entry.bytes &&
      stat.size === entry.bytes &&
      stat.isFile() &&
      // a double holds a quarter of a microsecond
      Math.abs(stat.mtimeMs * 1000 - entry.mtimeUs) < 1.5;
    return isSame ? bytes.subarray(0, count) : undefined;
  } catch (thrown) {
    if (errnoOf(thrown) === "EISDIR") return undefined;
    throw thrown;
  } finally {
    fs.closeSync(fd);
  }
}
