/** The items of a tree below a root, as they travel. */
import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import type { Entry } from "../files/entry.ts";
import { fsFailure } from "../files/failure.ts";
import { Folder } from "../files/folder.ts";
import { checkLinkTarget } from "../files/link-target.ts";
import { joinPath, type Name, nameOf, type Segments, showPath } from "../files/names.ts";
import { Outgoing } from "../files/outgoing.ts";
import { Parents } from "../files/parents.ts";
import { openFile, type Root } from "../files/root.ts";
import { readSmall } from "../files/small-read.ts";
import { walk } from "../files/walk.ts";
import { MAX_PATH_BYTES } from "../protocol/constants.ts";
import type { Links, WirePath, WireTarget } from "../protocol/file-messages.ts";
import type { Item, LostItem } from "./items.ts";

export interface TreeOptions {
  readonly links: Links;
  /** In a get: which of its paths this is. */
  readonly source?: number | undefined;
  /** Goes before the paths: the name that the tree has at the receiver; none for the tree itself. */
  readonly name?: Name | undefined;
  /** Before paths in messages to people. */
  readonly shown: string;
  /** In place of the files' own. */
  readonly mode?: number | undefined;
  readonly exclude?: ((path: Segments, isFolder: boolean) => boolean) | undefined;
  /** The top is a folder that keeps its own mode and time: the receiver's root. */
  readonly silentTop?: boolean;
  /** Links may be followed to anywhere: what is sent is the user's own. */
  readonly anywhere?: boolean;
}

/** All that is at and below `base` in `root`. Throws where `base` is no folder; what fails below it is an item. */
export async function* treeItems(root: Root, base: Segments, options: TreeOptions): AsyncGenerator<Item> {
  const top = root.openFolder(base, { create: false });
  const { links, source, name, exclude } = options;
  // the folder itself and not its path, which may lead to another version by then
  const behind = (path: Segments): Folder => root.openFolder([...base, ...path], { create: false });
  const parents = Parents.of(top, {
    isForbidden: (id) => root.isForbidden(id),
    ...(links === "follow" ? { behind } : {}),
  });
  const ownPath = (path: Segments): WirePath => wire(name === undefined ? path : [name, ...path]);
  /** Too long a path is told as one of the top. */
  const known = (path: Segments): LostItem["at"] => {
    const own = ownPath(path);
    return source === undefined ? undefined : { source, path: tooLong(own) ? { path: "." } : own };
  };
  const shownOf = (path: Segments): string =>
    path.length === 0 ? options.shown : `${options.shown}/${showPath(path)}`;
  const follow = (path: Segments, folder: Folder, last: Name): Folder | Entry =>
    followed(root, [...base, ...path], options.anywhere === true ? { folder, name: last } : undefined);
  try {
    const walked = walk(top, {
      isForbidden: (id) => root.isForbidden(id),
      exclude,
      ...(links === "follow" ? { follow } : {}),
    });
    for await (const step of walked) {
      const shown = shownOf(step.path);
      const at = source === undefined ? {} : { source };
      if (step.kind === "failed") {
        yield { kind: "failed", at: known(step.path), shown, error: renamed(step.error, shown) };
      } else if (step.kind === "leave") {
        yield { kind: "leave" };
      } else if (tooLong(ownPath(step.path))) {
        // its folders are gone through all the same: each of them says so
        if (step.kind === "enter")
          yield { kind: "enter", path: { path: "." }, shown, mtimeUs: null, mode: null, silent: true };
        const error = new SockError("bad-name", `${shown}: the path is too long`);
        yield { kind: "failed", at: known([]), shown, error };
      } else if (step.kind === "enter") {
        const { mtimeUs, mode } = step.entry;
        const silent = step.path.length === 0 && options.silentTop === true;
        yield { kind: "enter", path: ownPath(step.path), shown, ...at, mtimeUs, mode, silent };
      } else if (step.entry.kind === "file") {
        const { path } = step;
        const full = [...base, ...path];
        yield {
          kind: "file",
          path: ownPath(step.path),
          shown,
          ...at,
          length: step.entry.bytes,
          mtimeUs: step.entry.mtimeUs,
          mode: options.mode ?? step.entry.mode,
          read: () => readBelow(parents, path, step.entry, shown),
          open: () =>
            openBelow(parents, root, { path, full }, shown, links === "follow" && options.anywhere === true),
        };
      } else if (step.entry.kind === "link" && links === "keep") {
        yield linkItem(
          step.folder,
          step.name,
          step.path,
          { ...at, path: ownPath(step.path), shown },
          step.entry,
        );
      } else {
        const { kind } = step.entry;
        const what = kind === "link" ? "a symbolic link" : "not a regular file";
        const error = new SockError("not-file", `${shown}: ${what}, skipped`);
        yield { kind: "passed", at: known(step.path), shown, error };
      }
    }
    yield { kind: "drain" };
  } finally {
    parents.close();
    top.close();
  }
}

function wire(path: Segments): WirePath {
  if (path.length === 0) return { path: "." };
  const joined = joinPath(path);
  return typeof joined === "string" ? { path: joined } : { path64: Buffer.from(joined).toString("base64") };
}

function tooLong(path: WirePath): boolean {
  if ("path64" in path) return Buffer.byteLength(path.path64, "base64") > MAX_PATH_BYTES;
  return path.path.length * 3 > MAX_PATH_BYTES && Buffer.byteLength(path.path) > MAX_PATH_BYTES;
}

/** What is behind a link; throws what is in the way. */
function followed(
  root: Root,
  path: Segments,
  own: { folder: Folder; name: Name } | undefined,
): Folder | Entry {
  if (own !== undefined) {
    const at = own.folder.path(own.name);
    const real = fs.realpathSync.native(at);
    if (fs.statSync(real).isDirectory()) return Folder.open(real, own.folder.fd === undefined);
    const file = Outgoing.open(real);
    file.close();
    return file.entry;
  }
  const entry = root.statEntry(path);
  return entry.kind === "folder" ? root.openFolder(path, { create: false }) : entry;
}

function readBelow(parents: Parents, path: Segments, entry: Entry, shown: string): Uint8Array | undefined {
  try {
    const folder = parents.open(path.slice(0, -1), false);
    return readSmall(folder.path(path.at(-1) ?? ""), entry);
  } catch (thrown) {
    throw fsFailure(thrown, shown);
  }
}

function openBelow(
  parents: Parents,
  root: Root,
  { path, full }: { readonly path: Segments; readonly full: Segments },
  shown: string,
  anywhere: boolean,
): Outgoing {
  if (anywhere) return Outgoing.open(root.top.pathBelow(full), shown);
  const name = path.at(-1) ?? "";
  const folder = parents.open(path.slice(0, -1), false);
  const entry = folder.entry(name);
  if (entry?.kind === "link") return Outgoing.fromFd(root.openForRead(full).fd, shown);
  try {
    return Outgoing.fromFd(openFile(folder.path(name)).fd, shown);
  } catch (thrown) {
    throw fsFailure(thrown, shown);
  }
}

function linkItem(
  folder: Folder,
  name: Name,
  path: Segments,
  base: { path: WirePath; shown: string; source?: number },
  { mtimeUs }: Entry,
): Item {
  const { shown } = base;
  try {
    const target = fs.readlinkSync(folder.path(name), { encoding: "buffer" });
    checkLinkTarget(path, target);
    return { kind: "link", ...base, target: targetOf(target), mtimeUs };
  } catch (thrown) {
    const why = thrown instanceof SockError ? thrown.message : String(thrown);
    const { source } = base;
    const at = source === undefined ? undefined : { source, path: base.path };
    return { kind: "passed", at, shown, error: new SockError("outside", `${shown}: ${why}, skipped`) };
  }
}

function targetOf(target: Buffer): WireTarget {
  const text = nameOf(target);
  return typeof text === "string" ? { target: text } : { target64: target.toString("base64") };
}

/** The walk knows only the path below its top. */
function renamed(error: SockError, shown: string): SockError {
  const colon = error.message.lastIndexOf(": ");
  return new SockError(error.code, `${shown}: ${error.message.slice(colon + 2)}`, error.hint);
}
