/** What is below a folder, one entry after another, whatever its size: at most the names of one branch's folders are held. */
import { SockError } from "../errors.ts";
import { MAX_DEPTH } from "../protocol/constants.ts";
import { type Entry, entryOf, type FileId, sameFile } from "./entry.ts";
import { fsFailure } from "./failure.ts";
import { Folder } from "./folder.ts";
import * as fs from "node:fs";
import { isReserved, type Name, nameBytes, type Segments, showPath } from "./names.ts";
import { Slice } from "./slice.ts";

export type Walked =
  /** A file, a link, a device: `folder` is open until the next step. */
  | { kind: "entry"; path: Segments; folder: Folder; name: Name; entry: Entry }
  /** A folder, before what is in it, and after; the outermost has an empty path. */
  | { kind: "enter"; path: Segments; folder: Folder; entry: Entry }
  | { kind: "leave"; path: Segments; folder: Folder; entry: Entry }
  /** It can't be looked at; the walk goes on after it. */
  | { kind: "failed"; path: Segments; error: SockError };

export interface WalkOptions {
  /** Folders that are passed over, by any path: the state folder. */
  readonly forbidden?: readonly FileId[] | undefined;
  /** What is left out, with all below it. */
  readonly exclude?: ((path: Segments, isFolder: boolean) => boolean) | undefined;
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
  readonly names: readonly Name[];
  next: number;
}

/**
 * Depth first, names in the order of their bytes. Links are not followed, and the folder of partial files is not seen.
 * `top` stays the caller's.
 */
export async function* walk(top: Folder, options: WalkOptions = {}): AsyncGenerator<Walked, void, void> {
  const levels: Level[] = [];
  const slice = new Slice();
  try {
    const first = await open(top, [], options);
    if (!("names" in first)) {
      yield first;
      return;
    }
    levels.push(first);
    yield { kind: "enter", path: first.path, folder: first.folder, entry: first.entry };
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const wait = slice.over();
      if (wait !== undefined) await wait;
      const name = level.names[level.next++];
      if (name === undefined) {
        yield { kind: "leave", path: level.path, folder: level.folder, entry: level.entry };
        levels.pop();
        if (level.folder !== top) level.folder.close();
        continue;
      }
      if (isReserved(name)) continue;
      const step = look(level, name, options, levels);
      if (step === undefined) continue;
      if (!(step instanceof Folder)) {
        yield step;
        continue;
      }
      const inner = await open(step, [...level.path, name], options);
      if ("names" in inner) {
        levels.push(inner);
        yield { kind: "enter", path: inner.path, folder: inner.folder, entry: inner.entry };
      } else {
        step.close();
        yield inner;
      }
    }
  } finally {
    for (const level of levels) if (level.folder !== top) level.folder.close();
  }
}

/** One name: a folder to walk into, something to tell, or nothing. */
function look(
  level: Level,
  name: Name,
  { exclude, follow }: WalkOptions,
  levels: readonly Level[],
): Walked | Folder | undefined {
  const path = [...level.path, name];
  try {
    let entry = level.folder.entry(name);
    // gone since its name was read
    if (entry === undefined) return undefined;
    let inner: Folder | undefined;
    if (entry.kind === "link" && follow !== undefined) {
      const behind = follow(path, level.folder, name);
      if (behind instanceof Folder) inner = behind;
      else entry = behind ?? entry;
    }
    if (exclude?.(path, inner !== undefined || entry.kind === "folder") === true) {
      inner?.close();
      return undefined;
    }
    if (inner === undefined && entry.kind !== "folder") {
      return { kind: "entry", path, folder: level.folder, name, entry };
    }
    const folder = inner ?? level.folder.enter(name);
    if (!(folder instanceof Folder)) return undefined;
    if (levels.length < MAX_DEPTH && !levels.some((outer) => sameFile(outer.folder, folder))) return folder;
    folder.close();
    return {
      kind: "failed",
      path,
      error: new SockError("outside", `${showPath(path)}: a link leads in a circle`),
    };
  } catch (thrown) {
    return { kind: "failed", path, error: fsFailure(thrown, showPath(path)) };
  }
}

async function open(folder: Folder, path: Segments, { forbidden }: WalkOptions): Promise<Level | Walked> {
  try {
    if (forbidden?.some((id) => sameFile(id, folder)) === true) throw new SockError("outside", "not served");
    const entry = entryOf(fs.statSync(folder.path(), { bigint: true }));
    return { folder, path, entry, names: sorted(await folder.names()), next: 0 };
  } catch (thrown) {
    return { kind: "failed", path, error: fsFailure(thrown, showPath(path) || ".") };
  }
}

function sorted(names: Name[]): readonly Name[] {
  if (names.every((name) => typeof name === "string")) return names.sort();
  return names.sort((a, b) => Buffer.compare(nameBytes(a), nameBytes(b)));
}
