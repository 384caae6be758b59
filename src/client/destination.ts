/** Where on this machine fetched files and trees go. */
import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { SockError } from "../errors.ts";
import { errnoOf } from "../files/errno.ts";
import { fsFailure } from "../files/failure.ts";
import { checkName, type Name, nameBytes, showPath } from "../files/names.ts";
import { holdsPartials } from "../files/partials.ts";
import { Root } from "../files/root.ts";
import type { Landing } from "../transfer/receiving-options.ts";

/** The roots of one `get`, opened when they are needed and held until its end. */
export class Destinations implements Disposable {
  readonly #dest: string;
  readonly #several: boolean;
  readonly #dry: boolean;
  readonly #roots = new Map<string, Root>();
  /** Folders that were made for what comes. */
  readonly #made = new Set<string>();

  /** `dest` as the user wrote it; `several` things go there, so that it is a folder. */
  constructor(dest: string, several: boolean, dry: boolean) {
    this.#dest = dest;
    this.#several = several;
    this.#dry = dry;
  }

  /** Whether nothing is there yet that what comes would have to be compared with, or could be gone on with. */
  get fresh(): boolean {
    return !this.#several && !fs.existsSync(this.#dest) && !holdsPartials(dirname(this.#dest));
  }

  /**
   * The place of a file or tree that is called `name` at the server; without a name its contents are meant. Folders on the
   * way are made; `asked` is for messages. Throws `not-folder`, and what the system throws.
   */
  place(name: Name | undefined, kind: "file" | "folder", asked: string): Landing {
    const dest = this.#dest;
    if (kind === "folder") {
      const { folder, own, shown } = placeOfFolder(dest, this.#several, name);
      const landing = { ...this.#below(folder, own === undefined ? [] : [own]), shown };
      if (own !== undefined) return landing;
      // contents that are poured into a folder say nothing about that folder
      const owns = name !== undefined || this.#made.has(folder);
      return { ...landing, ownsRoot: owns, keepsRoot: !owns };
    }
    if (isInto(dest, this.#several) || isFolder(dest)) {
      if (name === undefined)
        throw new SockError("not-folder", `${asked}: is a file`, "leave out the / at its end");
      const folder = dest || ".";
      return { ...this.#below(folder, [checked(name)]), shown: shownIn(folder, name) };
    }
    mustBePlain(dest);
    return { ...this.#below(dirname(dest), [basename(dest)]), shown: dest };
  }

  [Symbol.dispose](): void {
    for (const root of this.#roots.values()) root.close();
    this.#roots.clear();
  }

  /** A root on the folder, made where it is missing; with nothing to be changed the nearest folder that is there. */
  #below(folder: string, names: readonly Name[]): { root: Root; segments: readonly Name[] } {
    if (this.#dry && !fs.existsSync(folder)) {
      return this.#below(dirname(folder), [basename(folder), ...names]);
    }
    let root = this.#roots.get(folder);
    if (root === undefined) {
      try {
        if (fs.mkdirSync(folder, { recursive: true }) !== undefined) this.#made.add(folder);
      } catch (cause) {
        if (errnoOf(cause) === "EEXIST") throw new SockError("not-folder", `${folder}: is not a folder`);
        throw fsFailure(cause, folder);
      }
      root = Root.open(folder, { name: folder === "." ? "" : join(folder), writable: true });
      this.#roots.set(folder, root);
    }
    return { root, segments: names };
  }
}

/** `dest` is a folder to go into, whatever is there. */
function isInto(dest: string, several: boolean): boolean {
  return several || dest === "" || /[/\\]$/.test(dest) || /^\.{1,2}$/.test(basename(dest));
}

/** Where a folder goes: it becomes `folder`, or is called `own` there. Throws `bad-name`. */
export function placeOfFolder(
  dest: string,
  several: boolean,
  name: Name | undefined,
): { readonly folder: string; readonly own: Name | undefined; readonly shown: string } {
  const folder = dest || ".";
  if (name === undefined || !isInto(dest, several)) {
    return { folder, own: undefined, shown: folder.replace(/(?<=.)\/+$/, "") };
  }
  return { folder, own: checked(name), shown: shownIn(folder, name) };
}

function checked(name: Name): Name {
  checkName(name);
  return name;
}

function shownIn(folder: string, name: Name): string {
  if (folder === ".") return showPath([name]);
  // join() itself would spoil a name that is not UTF-8
  return join(folder).replace(/\/?$/, "/") + showPath([name]);
}

/** A device, a pipe, or a link to one (/dev/stdout) is nothing that a file should take the place of. */
function mustBePlain(path: string): void {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isFile() || stat.isDirectory()) return;
  throw new SockError("not-file", `${path}: is no plain file`, "- means stdout: sock get HOST:PATH -");
}

function isFolder(path: string): boolean {
  try {
    return fs.statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** The last name of a remote path; undefined where the path ends in `/`, or is empty: then its contents are meant. */
export function lastName(path: string | Uint8Array): Name | undefined {
  if (path.length === 0) return undefined;
  if (typeof path === "string") return path.split("/").at(-1) || undefined;
  const slash = path.lastIndexOf(0x2f);
  const name = path.subarray(slash + 1);
  return nameBytes(name).length === 0 ? undefined : name;
}
