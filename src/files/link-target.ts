/** Which symbolic links may travel: those that stay inside their tree, wherever it is put. */
import { SockError } from "../errors.ts";
import { MAX_LINK_TARGET_BYTES } from "../protocol/constants.ts";
import { checkName, type Segments, splitBytes } from "./names.ts";

/**
 * Throws `outside` unless a link at `path` (below the tree's top) with this target stays inside the tree. `..` may only
 * lead the target: after a name it could mean the folder above what another link leads to.
 */
export function checkLinkTarget(path: Segments, target: Uint8Array): void {
  if (target.length === 0 || target.length > MAX_LINK_TARGET_BYTES || target.includes(0)) {
    throw new SockError("bad-name", "a link with a bad target");
  }
  const names = splitBytes(target);
  let ups = 0;
  let down = false;
  for (const [index, name] of names.entries()) {
    if (name === "") {
      if (index === 0) throw outside();
      continue;
    }
    if (name === ".") continue;
    if (name === "..") {
      if (down || ++ups > path.length - 1) throw outside();
      continue;
    }
    checkName(name);
    down = true;
  }
}

function outside(): SockError {
  return new SockError("outside", "the link leads out of its tree");
}
