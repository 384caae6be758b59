import { parseDestination, type Segments } from "../files/names.ts";
import type { Root } from "../files/root.ts";
import type { Grant } from "./grant.ts";
import type { Shares } from "./shares.ts";

/** What a path of a client names. */
export interface Located {
  readonly root: Root;
  /** Below `root`; empty for the root itself. */
  readonly segments: Segments;
  /** The path was empty or ended in a slash: only a folder can be meant. */
  readonly isFolder: boolean;
  /** Goes before a path under `root` to make it the client's again. */
  readonly prefix: string;
}

/** Throws `not-found` for a folder that is not served, `outside` and `bad-name` as `wireSegments` does. */
export function locate(shares: Shares, grant: Grant, path: string | Uint8Array): Located {
  if (typeof path === "string") {
    const place = shares.place(grant, path);
    const { segments, into } = parseDestination(place.path);
    return { root: place.root, segments, isFolder: into, prefix: place.prefix };
  }
  const { segments, into } = parseDestination(path);
  const [head] = segments;
  // the name of a served folder is text, and gone from the rest of the path
  const place = shares.place(grant, typeof head === "string" ? head : "");
  const rest = typeof head === "string" && place.path === "" ? segments.slice(1) : segments;
  return { root: place.root, segments: rest, isFolder: into, prefix: place.prefix };
}
