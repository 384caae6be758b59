/** Removes a tree of our own, whatever its modes, never through a link, in slices. */
import * as fs from "node:fs";
import { errnoOf } from "./errno.ts";
import { Folder } from "./folder.ts";
import type { Name } from "./names.ts";
import { Slice } from "./slice.ts";

/** Removes what `name` is in `holder`. Throws what the system throws. */
export async function removeTree(holder: Folder, name: Name, slice = new Slice()): Promise<void> {
  const folder = holder.enter(name);
  if (!(folder instanceof Folder)) {
    fs.rmSync(holder.path(name), { force: true });
    return;
  }
  try {
    if (process.platform !== "win32") fs.chmodSync(folder.path(), 0o700);
    for (const inner of await folder.names()) {
      try {
        fs.unlinkSync(folder.path(inner));
      } catch (thrown) {
        const code = errnoOf(thrown);
        if (code === "ENOENT") continue;
        if (code !== "EISDIR" && code !== "EPERM") throw thrown;
        await removeTree(folder, inner, slice);
      }
      const wait = slice.over();
      if (wait !== undefined) await wait;
    }
  } finally {
    folder.close();
  }
  fs.rmdirSync(holder.path(name));
}
