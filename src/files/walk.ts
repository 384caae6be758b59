/** What is below a folder, one entry after another, whatever its size: at most the names of one branch's folders are held. */
import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { MAX_DEPTH } from "../protocol/constants.ts";
import { type Entry, entryOf, type FileId, sameFile } from "./entry.ts";
import { fsFailure } from "./failure.ts";
import { Folder } from "./folder.ts";
import { isReserved, type Name, type Segments, showPath } from "./names.ts";
import { Slice } from "./slice.ts";
import { type SortedNames, sortedNames } from "./sorted-names.ts";

export type Walked =
  /** A file, a link, a device; with `flat` a folder too. `folder`, which it is in, is open until the next step. */
  | { kind: "entry"; path: Segments; folder: Folder; name: Name; entry: Entry }
  /** A folder, before what is in it; the outermost has an empty path. `skip` leaves out what is in it. */
  | { kind: "enter"; path: Segments; folder: Folder; entry: Entry; skip: () => void }
  /** The same folder, after what is in it. */
  | { kind: "leave"; path: Segments; folder: Folder; entry: Entry }
  /** It can't be looked at; the walk goes on after it. `entry` is what is known of it. */
  | { kind: "failed"; path: Segments; entry: Entry | undefined; error: SockError };

export interface WalkOptions {
  /** Folders that are passed over, by any path: the state folder. */
  readonly isForbidden?: ((id: FileId) => boolean) | undefined;
  /** What is left out, with all below it. */
  readonly exclude?: ((path: Segments, isFolder: boolean) => boolean) | undefined;
  /** Folders in the outermost one are entries, and not entered. */
  readonly flat?: boolean | undefined;
  /**
   * Called for symbolic links: a folder to walk into in its place (the walk closes it), or the entry of a file that it
   * stands for. Without it links are entries.
   */
  readonly follow?: ((path: Segments, folder: Folder, name: Name) => Folder | Entry | undefined) | undefined;
}

interface Level {
  readonly folder: Folder;
  readonly path: Segments;
  readonly entry: Entry;
  readonly names: SortedNames;
  next: number;
}

/**
 * Depth first, names in the order of their bytes. Links are not followed, and the folder of partial files is not seen.
 * `top` stays the caller's.
 */
export async function* walk(top: Folder, options: WalkOptions = {}): AsyncGenerator<Walked, void, void> {
  const levels: Level[] = [];
  const slice = new Slice();
  const enter = (level: Level): Walked => {
    levels.push(level);
    const skip = (): void => {
      level.next = level.names.length;
    };
    return { kind: "enter", path: level.path, folder: level.folder, entry: level.entry, skip };
  };
  try {
    const first = await open(top, [], slice);
    if (!("names" in first)) {
      yield first;
      return;
    }
    yield enter(first);
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const wait = slice.over();
      if (wait !== undefined) await wait;
      if (level.next >= level.names.length) {
        yield { kind: "leave", path: level.path, folder: level.folder, entry: level.entry };
        levels.pop();
        if (level.folder !== top) level.folder.close();
        continue;
      }
      const step = look(level, level.names.at(level.next++), options, levels);
      if (step === undefined) continue;
      if (!(step instanceof Inner)) {
        yield step;
        continue;
      }
      const inner = await open(step.folder, step.path, slice).catch((thrown: unknown) => {
        step.folder.close();
        throw thrown;
      });
      if ("names" in inner) {
        yield enter(inner);
      } else {
        step.folder.close();
        yield inner;
      }
    }
  } finally {
    for (const level of levels) if (level.folder !== top) level.folder.close();
  }
}

/** A folder that is to be walked into. */
class Inner {
  readonly folder: Folder;
  readonly path: Segments;

  constructor(folder: Folder, path: Segments) {
    this.folder = folder;
    this.path = path;
  }
}

/** One name: a folder to walk into, something to tell, or nothing. */
function look(
  level: Level,
  name: Name,
  options: WalkOptions,
  levels: readonly Level[],
): Walked | Inner | undefined {
  if (isReserved(name)) return undefined;
  const path = [...level.path, name];
  let entry: Entry | undefined;
  let inner: Folder | undefined;
  try {
    entry = level.folder.entry(name);
    // gone since its name was read
    if (entry === undefined) return undefined;
    if (entry.kind === "link") {
      const behind = options.follow?.(path, level.folder, name);
      if (behind instanceof Folder) inner = behind;
      else entry = behind ?? entry;
    }
    const isFolder = inner !== undefined || entry.kind === "folder";
    const isHidden = isFolder && options.isForbidden?.(inner ?? entry) === true;
    if (isHidden || options.exclude?.(path, isFolder) === true) {
      inner?.close();
      return undefined;
    }
    if (!isFolder || (options.flat === true && inner === undefined)) {
      return { kind: "entry", path, folder: level.folder, name, entry };
    }
    const found = inner ?? level.folder.enter(name);
    // replaced since it was looked at
    if (!(found instanceof Folder)) return undefined;
    inner = found;
    if (options.isForbidden?.(inner) === true) {
      inner.close();
      return undefined;
    }
    mustEnd(found, path, levels);
    return new Inner(found, path);
  } catch (thrown) {
    inner?.close();
    return { kind: "failed", path, entry, error: fsFailure(thrown, showPath(path)) };
  }
}

/** A link may lead into a folder that holds it, and each folder on the way costs a descriptor. */
function mustEnd(folder: Folder, path: Segments, levels: readonly Level[]): void {
  if (levels.some((outer) => sameFile(outer.folder, folder))) {
    throw new SockError("outside", `${showPath(path)}: a link leads in a circle`);
  }
  if (levels.length >= MAX_DEPTH) {
    throw new SockError("too-large", `${showPath(path)}: more than ${MAX_DEPTH} folders deep`);
  }
}

async function open(folder: Folder, path: Segments, slice: Slice): Promise<Level | Walked> {
  let entry: Entry | undefined;
  try {
    entry = entryOf(fs.statSync(folder.path(), { bigint: true }));
    return { folder, path, entry, names: await sortedNames(folder, slice), next: 0 };
  } catch (thrown) {
    return { kind: "failed", path, entry, error: fsFailure(thrown, showPath(path) || ".") };
  }
}
