/**
 * A folder that is served, or that a client reads from and writes to, and the walk below it. Every path of a peer goes
 * through here: name by name from the held root, links followed only by hand and only to what lies below the root.
 */
import * as fs from "node:fs";
import { dirname, resolve } from "node:path";
import { SockError } from "../errors.ts";
import { MAX_LINK_HOPS, MAX_WALK_STEPS } from "../protocol/constants.ts";
import { Beside } from "./beside.ts";
import { type Entry, entryOf, type FileId, mustBeFile, sameFile } from "./entry.ts";
import { errnoOf } from "./errno.ts";
import { fsFailure } from "./failure.ts";
import { Folder, HAS_PROC, O_NOFOLLOW, O_NONBLOCK } from "./folder.ts";
import { absoluteNames, linkSteps, type Step, UP } from "./links.ts";
import { checkName, isReserved, type Name, type Segments, showPath, wireSegments } from "./names.ts";
import { holdsPartials, removeEmptyPartialFolder } from "./partials.ts";
import { unlocked } from "./publish.ts";

export interface RootOptions {
  /** What people call it in messages (`drop`); may be empty. */
  name: string;
  writable: boolean;
  /** Folder below `dir` that is the root for this key; made when missing and writable. */
  scope?: string | undefined;
  /** Folders that nothing may reach by any path: the state folder. */
  forbidden?: readonly FileId[] | undefined;
  /** Holds the folder of partial files, in place of the root itself. */
  partials?: Folder | undefined;
  /** Walk as where /proc is missing; for tests. */
  portable?: boolean | undefined;
}

/** The folder of an entry, its name there (undefined: the root itself), and where asked for, the entry. */
interface Place {
  folder: Folder;
  name: Name | undefined;
  entry: Entry | undefined;
}

export class Root {
  readonly name: string;
  readonly writable: boolean;
  /** The root itself, held until `close`; not for callers to close. */
  readonly top: Folder;
  /** The folder that the one of partial files is in. */
  readonly partials: Folder;
  /** Other folders of partial files. */
  readonly beside: Beside;
  /** Folders that nothing may reach by any path. */
  readonly #forbidden: readonly FileId[];
  /** Absolute paths that mean this root, for links that were made with absolute targets. */
  readonly #aliases: readonly (readonly Name[])[];

  private constructor(top: Folder, alias: string, options: RootOptions) {
    this.top = top;
    this.partials = options.partials ?? top;
    this.beside = new Beside(this.partials);
    this.name = options.name;
    this.writable = options.writable;
    this.#forbidden = options.forbidden ?? [];
    this.#aliases = [top.realPath(), alias].map(absoluteNames);
  }

  /** Opens `dir` (which may be a link) and holds it until `close`. Throws `not-found`, `not-folder`, `outside`, `permission`. */
  static open(dir: string, options: RootOptions): Root {
    const portable = options.portable ?? !HAS_PROC;
    let top: Folder;
    try {
      top = Folder.open(dir, portable);
    } catch (thrown) {
      throw fsFailure(thrown, options.name || dir);
    }
    let root: Root | undefined;
    try {
      root = new Root(top, resolve(dir), options);
      root.#refuseForbiddenAncestors();
      if (options.scope === undefined) return root;
      const scope = wireSegments(options.scope.replace(/\/$/, ""));
      const inner = root.openFolder(scope, { create: options.writable });
      return new Root(inner, resolve(dir, options.scope), options);
    } catch (thrown) {
      top.close();
      throw fsFailure(thrown, options.name || dir);
    } finally {
      if (options.scope !== undefined) top.close();
    }
  }

  /** Lets it go; an empty folder of partial files goes with it. */
  close(): void {
    if (this.writable) {
      this.beside.settle();
      removeEmptyPartialFolder(this.partials);
    }
    this.top.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether this is a folder that nothing may reach. */
  isForbidden(id: FileId): boolean {
    return this.#forbidden.some((other) => sameFile(other, id));
  }

  /** The path as people know it: `drop/a/b`. Not escaped. */
  show(segments: Segments): string {
    const path = showPath(segments);
    return this.name === "" ? path || "." : path === "" ? this.name : `${this.name}/${path}`;
  }

  /** A handle on a folder, to be closed by the caller; with `create`, missing ones are made (0777 under the umask). */
  openFolder(segments: Segments, options: { create: boolean }): Folder {
    return this.#named(segments, () => this.#walk(segments, "folder", options.create).folder);
  }

  /** A handle on the folder that holds the last name, to be closed by the caller. The last name is not looked at. */
  openParent(segments: Segments, options: { create: boolean }): { folder: Folder; name: Name } {
    return this.#named(segments, () => {
      const name = segments.at(-1);
      if (name === undefined) throw new SockError("is-folder", "is the served folder itself");
      checkName(name);
      return { folder: this.#walk(segments.slice(0, -1), "folder", options.create).folder, name };
    });
  }

  /** Runs `action` with the parent folder and closes it. `action` is synchronous; its errors get the path's name. */
  withParent<T>(
    segments: Segments,
    options: { create: boolean },
    action: (folder: Folder, name: Name) => T,
  ): T {
    const { folder, name } = this.openParent(segments, options);
    try {
      return action(folder, name);
    } catch (thrown) {
      throw fsFailure(thrown, this.show(segments));
    } finally {
      folder.close();
    }
  }

  /**
   * True where there is nothing at `segments`, or a folder with nothing in it that a peer can see; and no partial file waits
   * that could be gone on with.
   */
  isFresh(segments: Segments): boolean {
    if (holdsPartials(this.partials.path())) return false;
    try {
      const folder = this.openFolder(segments, { create: false });
      try {
        // a folder with many names is not empty long before all of them are read
        using names = fs.opendirSync(folder.path(), { bufferSize: 4 });
        for (let one = names.readSync(); one !== null; one = names.readSync()) {
          if (!isReserved(one.name)) return false;
        }
        return !holdsPartials(folder.path());
      } finally {
        folder.close();
      }
    } catch (thrown) {
      if (thrown instanceof SockError && thrown.code === "not-found") return true;
      throw thrown;
    }
  }

  /** Throws `outside` where the way to a folder leads through a link, also through one that stays inside. */
  mustBeReal(segments: Segments): void {
    let folder = this.top.again();
    try {
      for (const name of segments) {
        const next = folder.enter(name);
        if (!(next instanceof Folder)) {
          if (next.found === "link") throw outside("a link is on the way");
          return;
        }
        folder = swap(folder, next);
      }
    } finally {
      folder.close();
    }
  }

  /**
   * What a path is: by default behind links (a target outside is `outside`, a dangling link `not-found`), with
   * `follow: false` the last name itself.
   */
  statEntry(segments: Segments, options: { follow: boolean } = { follow: true }): Entry {
    return this.#named(segments, () => {
      const place = this.#walk(segments, options.follow ? "follow" : "keep", false);
      place.folder.close();
      return found(place);
    });
  }

  /** A descriptor of a regular file, to be closed by the caller. A FIFO or device is refused without being opened. */
  openForRead(segments: Segments): { fd: number; entry: Entry } {
    return this.#named(segments, () => {
      const place = this.#walk(segments, "follow", false);
      try {
        mustBeFile(found(place));
        const path = place.name === undefined ? place.folder.path() : place.folder.path(place.name);
        return openFile(path);
      } finally {
        place.folder.close();
      }
    });
  }

  #named<T>(segments: Segments, action: () => T): T {
    try {
      return action();
    } catch (thrown) {
      const shown = this.show(segments);
      if (!(thrown instanceof SockError)) throw fsFailure(thrown, shown);
      throw new SockError(thrown.code, `${shown}: ${thrown.message}`, thrown.hint, { cause: thrown });
    }
  }

  /**
   * Walks from the root. `last` says what the last name is: a folder to enter, kept as it is, or followed to the entry
   * behind its links. The cost is bounded by MAX_LINK_HOPS and MAX_WALK_STEPS, whatever the links say.
   */
  #walk(segments: Segments, last: "folder" | "keep" | "follow", create: boolean): Place {
    for (const name of segments) checkName(name);
    let folder = this.top.again();
    let walked: Name[] = [];
    /** What is still to do, the next step last. */
    const steps: Step[] = segments.toReversed();
    let hops = 0;
    try {
      for (let count = 0; ; count++) {
        if (count > MAX_WALK_STEPS) throw outside("too long a way through links");
        const step = steps.pop();
        if (step === undefined) return { folder, name: undefined, entry: this.#selfEntry(folder) };
        if (step === UP) {
          if (walked.pop() === undefined) throw outside("a link leads outside");
          // Several in a row cost one restart.
          if (steps.at(-1) !== UP) {
            steps.push(...walked.toReversed());
            walked = [];
            folder = swap(folder, this.top.again());
          }
          continue;
        }
        if (steps.length === 0 && last !== "folder") {
          const entry = folder.entry(step);
          if (entry?.kind !== "link" || last === "keep") return { folder, name: step, entry };
        }
        const next = this.#enter(folder, step, create);
        if (next instanceof Folder) {
          folder = swap(folder, next);
          walked.push(step);
          if (this.#forbidden.some((id) => sameFile(id, next))) throw outside("not served");
          continue;
        }
        if (next.found !== "link") {
          throw new SockError(next.found === "missing" ? "not-found" : "not-folder", obstacle(next.found));
        }
        if (++hops > MAX_LINK_HOPS) throw outside("too many links");
        const link = linkSteps(next.target, this.#aliases);
        steps.push(...link.steps.toReversed());
        if (link.absolute) {
          walked = [];
          folder = swap(folder, this.top.again());
        }
      }
    } catch (thrown) {
      folder.close();
      throw thrown;
    }
  }

  #enter(folder: Folder, name: Name, create: boolean): ReturnType<Folder["enter"]> {
    const next = folder.enter(name);
    if (!create || next instanceof Folder || next.found !== "missing") return next;
    if (!this.writable) throw new SockError("read-only", "the folder is served read only");
    let made = true;
    try {
      unlocked(folder, () => fs.mkdirSync(folder.path(name), 0o777));
    } catch (thrown) {
      if (errnoOf(thrown) !== "EEXIST") throw thrown;
      made = false;
    }
    const entered = folder.enter(name);
    if (entered instanceof Folder) entered.isNew = made;
    return entered;
  }

  #selfEntry(folder: Folder): Entry {
    return entryOf(fs.statSync(folder.path(), { bigint: true }));
  }

  #refuseForbiddenAncestors(): void {
    if (this.#forbidden.length === 0) return;
    for (let path = this.top.realPath(); ; path = dirname(path)) {
      const id = fs.statSync(path, { bigint: true });
      if (this.#forbidden.some((other) => sameFile(other, id))) throw outside("not served");
      if (dirname(path) === path) return;
    }
  }
}

/** Opens a path for reading, if it is a regular file; never waits for a FIFO's other end, never follows a last link. */
export function openFile(path: string | Buffer): { fd: number; entry: Entry } {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const entry = entryOf(fs.fstatSync(fd, { bigint: true }));
    mustBeFile(entry);
    return { fd, entry };
  } catch (thrown) {
    fs.closeSync(fd);
    throw thrown;
  }
}

function found(place: Place): Entry {
  if (place.entry === undefined) throw new SockError("not-found", obstacle("missing"));
  return place.entry;
}

function obstacle(kind: "missing" | "other"): string {
  return kind === "missing" ? "no such file or folder" : "a part of the path is not a folder";
}

function outside(words: string): SockError {
  return new SockError("outside", words);
}

function swap(old: Folder, next: Folder): Folder {
  old.close();
  return next;
}
