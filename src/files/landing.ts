import { SockError } from "../errors.ts";
import { type Name, parseDestination, wireSegments } from "./names.ts";
import type { Root } from "./root.ts";

/**
 * Where a file lands that is put as `name` to `path` (both as the peer wrote them; bytes where they are not UTF-8):
 * `x/` and an existing folder `x` are gone into, `""` is the root, any other `x` is the file's new name. Nothing is made.
 * Throws `outside`, `bad-name`, `permission`.
 */
export function land(root: Root, path: string | Uint8Array, name: string | Uint8Array): Name[] {
  const [own, ...rest] = wireSegments(name);
  if (own === undefined || rest.length > 0) throw new SockError("bad-name", "the name of a file has a /");
  const { segments, into } = parseDestination(path);
  return into || isFolder(root, segments) ? [...segments, own] : segments;
}

/** Behind links that stay inside; a link that leads outside is refused here and not replaced by accident. */
function isFolder(root: Root, segments: Name[]): boolean {
  try {
    return root.statEntry(segments).kind === "folder";
  } catch (thrown) {
    if (thrown instanceof SockError && (thrown.code === "not-found" || thrown.code === "not-folder"))
      return false;
    throw thrown;
  }
}
