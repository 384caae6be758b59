/** Reads a file again that was just written, from the disk. */
import * as fs from "node:fs";
import { DATA_BYTES } from "../protocol/constants.ts";
import { algorithmOf, createDigester } from "./digest.ts";
import { errnoOf } from "./errno.ts";
import { HAS_PROC } from "./folder.ts";
import { readOnce } from "./outgoing.ts";

/** Whether the first `bytes` of an open file have this digest. They are flushed first, and read past the page cache if that can be. */
export async function readsBackAs(fd: number, bytes: number, digest: string): Promise<boolean> {
  await fsync(fd);
  const direct = HAS_PROC ? openDirect(fd) : undefined;
  const digester = createDigester(algorithmOf(digest), bytes);
  try {
    const block = new Uint8Array(new SharedArrayBuffer(DATA_BYTES));
    let source = direct ?? fd;
    for (let position = 0; position < bytes;) {
      let count: number;
      try {
        count = await readOnce(source, block, 0, position);
      } catch (thrown) {
        // This memory, or this place in the file, is not aligned as the disk wants it.
        if (errnoOf(thrown) !== "EINVAL" || source === fd) throw thrown;
        source = fd;
        continue;
      }
      if (count === 0) return false;
      await digester.update(block.subarray(0, count));
      position += count;
    }
    return (await digester.digest()) === digest;
  } finally {
    digester.close();
    if (direct !== undefined) fs.closeSync(direct);
  }
}

/** The same file without the page cache; undefined where the file system has no such thing (tmpfs). */
function openDirect(fd: number): number | undefined {
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDONLY | fs.constants.O_DIRECT);
  } catch {
    return undefined;
  }
}

/** fsync(2) on the thread pool. */
export function fsync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fsync(fd, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
