/** The folder of the file before: of many small files most are in the same one, and opening it costs more than a file. */
import { SockError } from "../errors.ts";
import { type FileId, sameFile } from "./entry.ts";
import { Folder } from "./folder.ts";
import { type Segments, sameName } from "./names.ts";
import type { Root } from "./root.ts";

/** A folder that was in its place is taken to be there still for so long, ms: no look is closer to the write than that. */
export const STILL_MS = 5;

/** Grows when a folder of ours has changed names with another: nothing held from before is taken to be in its place. */
let moves = 0;

export function foldersMoved(): void {
  moves += 1;
}

/** What is asked of a root here. */
type Opens = Pick<Root, "openFolder" | "top">;

interface BelowOptions {
  readonly behind?: ((segments: Segments) => Folder) | undefined;
  /** Folders that nothing may reach. */
  readonly isForbidden?: ((id: FileId) => boolean) | undefined;
}

export class Parents {
  readonly #root: Opens;
  #checked = 0;
  #moves = 0;
  #segments: Segments = [];
  #folder: Folder | undefined;

  constructor(root: Opens) {
    this.#root = root;
  }

  /**
   * Below a folder that is held open, for reading only. The folder stays the caller's, whatever has its name by now. Links
   * are not followed, but where `behind` opens what a path leads to through them.
   */
  static of(top: Folder, options: BelowOptions = {}): Parents {
    return new Parents({ top, openFolder: (segments) => enterAll(top, segments, options) });
  }

  /**
   * The folder at `segments`, held until the next call; not for the caller to close. It is still the one that the path
   * leads to: a folder that was moved away, or replaced by a link, is not written to. Throws as `Root.openFolder` does.
   */
  open(segments: Segments, create: boolean): Folder {
    const held = this.#folder;
    if (held !== undefined && isSame(segments, this.#segments) && this.#isInPlace(held)) return held;
    this.close();
    const folder = this.#root.openFolder(segments, { create });
    this.#folder = folder;
    this.#looked();
    this.#segments = segments;
    return folder;
  }

  close(): void {
    this.#folder?.close();
    this.#folder = undefined;
  }

  #looked(): void {
    this.#checked = performance.now();
    this.#moves = moves;
  }

  #isInPlace(held: Folder): boolean {
    if (this.#moves === moves && performance.now() - this.#checked < STILL_MS) return true;
    this.#looked();
    try {
      const there = this.#root.top.statBelow(this.#segments);
      return there !== undefined && sameFile(there, held);
    } catch {
      // longer than one call takes: name by name the way is found, or what is in it
      return false;
    }
  }
}

function enterAll(top: Folder, segments: Segments, { behind, isForbidden }: BelowOptions): Folder {
  let folder = top.again();
  for (const name of segments) {
    const next = folder.enter(name);
    folder.close();
    if (!(next instanceof Folder)) {
      if (next.found === "link" && behind !== undefined) return behind(segments);
      throw new SockError("not-found", "no such folder");
    }
    folder = next;
    if (isForbidden?.(folder) !== true) continue;
    folder.close();
    throw new SockError("outside", "not served");
  }
  return folder;
}

function isSame(a: Segments, b: Segments): boolean {
  if (a.length !== b.length) return false;
  for (let index = a.length - 1; index >= 0; index--) {
    if (!sameName(a[index] ?? "", b[index] ?? "")) return false;
  }
  return true;
}
