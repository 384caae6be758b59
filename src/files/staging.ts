/**
 * A folder that changes as one: what comes is gathered in a tree beside it, which gets what else is in the folder as hard
 * links, and then the two change names in one step. Until then nobody sees anything of it; who holds the old one open goes
 * on reading it until it is removed.
 */
import * as fs from "node:fs";
import { relative } from "node:path";
import { SockError } from "../errors.ts";
import { exchange, tryLock } from "../os/native.ts";
import { MAX_PARTIALS, MAX_WATCHED_FOLDERS } from "../protocol/constants.ts";
import { type Entry, sameFile } from "./entry.ts";
import { errnoOf } from "./errno.ts";
import { fsFailure } from "./failure.ts";
import { Folder, O_NOFOLLOW } from "./folder.ts";
import { setPathMtime } from "./metadata.ts";
import { type Name, type Segments, showPath } from "./names.ts";
import { foldersMoved } from "./parents.ts";
import {
  openPartialFolder,
  partialId,
  removeEmptyPartialFolder,
  RUN_SUFFIX,
  STAGED_PREFIX,
} from "./partials.ts";
import { removeTree } from "./remove-tree.ts";
import { Root } from "./root.ts";
import { walk } from "./walk.ts";

export class StagedTree {
  /** Where what comes is written; its paths in messages are those of the destination. */
  readonly root: Root;
  /** The folder that is to change, or undefined where there is none yet. */
  readonly live: Folder | undefined;
  /** What an earlier connection of this run has sent is in it, or was published. */
  readonly kept: boolean;
  readonly #held: Held;
  readonly #shown: string;

  private constructor(held: Held, root: Root, shown: string) {
    this.root = root;
    this.live = held.live;
    this.kept = held.kept;
    this.#held = held;
    this.#shown = shown;
  }

  /**
   * Begins; or goes on, where a connection of the same `run` broke before. Makes missing parents. Throws `outside` for the
   * root itself, `not-folder`, `permission`, `busy`, and what the walk throws.
   */
  static async begin(
    root: Root,
    segments: Segments,
    owner: { key: string; run: string; shown?: string },
  ): Promise<StagedTree> {
    const shown = owner.shown ?? root.show(segments);
    if (segments.length === 0) {
      throw new SockError(
        "outside",
        "the served folder itself can't be exchanged",
        "put into a folder below it",
      );
    }
    const stack = new DisposableStack();
    try {
      const real = realSegments(root, segments);
      const { folder: parent, name } = root.openParent(real, { create: true });
      stack.defer(() => parent.close());
      const live = openLive(parent, name, shown);
      stack.defer(() => live?.close());
      const holder = parent.mount === root.partials.mount ? root.partials.again() : parent.again();
      stack.defer(() => holder.close());
      root.beside.remember(holder);
      const partials = openPartialFolder(holder);
      stack.defer(() => {
        partials.close();
        removeEmptyPartialFolder(holder);
      });
      const staged = STAGED_PREFIX + partialId(owner.key, real);
      const place = `${holder.mount} ${holder.ino} ${staged}`;
      const claimed = await claim(partials, staged, owner.run);
      stack.defer(() => fs.closeSync(claimed.lock));
      const kept = claimed.kept || published.get(place) === owner.run;
      const inner = Root.open(partials.path(staged), { name: shown, writable: true, partials: holder });
      stack.defer(() => inner.close());
      const held = { parent, name, live, partials, staged, kept, place, run: owner.run };
      return new StagedTree({ ...held, stack: stack.move() }, inner, shown);
    } catch (thrown) {
      stack.dispose();
      throw fsFailure(thrown, shown);
    }
  }

  /** The folder changes now. Throws what is in the way; then it is as it was, and what came is kept for the next try. */
  async publish(): Promise<"new" | "replaced"> {
    const { parent, name, partials, staged, place, run } = this.#held;
    const from = partials.path(staged);
    const to = parent.path(name);
    // before the change: after a crash the old version, which lies there then, must not pass for what came
    const unmark = (): void => fs.rmSync(partials.path(staged + RUN_SUFFIX), { force: true });
    try {
      if (this.live === undefined) {
        unmark();
        fs.renameSync(from, to);
        remember(place, run);
        return "new";
      }
      const watched = await merge(this.live, this.root.top, this.#shown);
      // nothing else happens in this process from here to the change
      if (watched.some((folder) => hasChanged(this.live, folder))) throw changed(this.#shown);
      const now = parent.entry(name);
      if (now === undefined || !sameFile(now, this.live)) {
        throw new SockError("changed", `${this.#shown}: was replaced meanwhile`, "try it again");
      }
      unmark();
      if (!exchange(from, to)) {
        throw new SockError("failed", `${this.#shown}: this file system can't exchange two folders`, WITHOUT);
      }
      foldersMoved();
      remember(place, run);
      return "replaced";
    } catch (thrown) {
      throw fsFailure(thrown, this.#shown);
    }
  }

  /** Removes the old version, or what came where it is not to be published. Never throws: what is left expires. */
  async remove(): Promise<void> {
    const { partials, staged } = this.#held;
    try {
      fs.rmSync(partials.path(staged + RUN_SUFFIX), { force: true });
      await removeTree(partials, staged);
    } catch {
      // it expires
    }
  }

  /** Lets it go; what came and was neither published nor removed is kept, for a connection of the same run. */
  close(): void {
    this.#held.stack.dispose();
  }
}

/** What helps where a folder can't change as one. */
const WITHOUT = "leave --atomic out";

interface Held {
  readonly parent: Folder;
  readonly name: Name;
  readonly live: Folder | undefined;
  readonly partials: Folder;
  readonly staged: string;
  readonly kept: boolean;
  /** The staging folder, on this machine. */
  readonly place: string;
  readonly run: string;
  readonly stack: DisposableStack;
}

/** Which run has published last from a staging folder: its client comes back where the connection broke before it heard of it. */
const published = new Map<string, string>();

function remember(place: string, run: string): void {
  published.delete(place);
  published.set(place, run);
  if (published.size <= MAX_PARTIALS) return;
  for (const oldest of published.keys()) {
    published.delete(oldest);
    return;
  }
}

function openLive(parent: Folder, name: Name, shown: string): Folder | undefined {
  const live = parent.enter(name);
  if (!(live instanceof Folder)) {
    if (live.found === "missing") return undefined;
    throw new SockError("not-folder", `${shown}: is not a folder`);
  }
  if (live.mount === parent.mount) return live;
  live.close();
  throw mountPoint(shown);
}

function mountPoint(shown: string): SockError {
  return new SockError("permission", `${shown}: is a mount point, which can't be exchanged`, WITHOUT);
}

/** Where the way leads through links that stay inside, the way without them: a link has nothing that could be exchanged. */
function realSegments(root: Root, segments: Segments): Segments {
  let folder: Folder;
  try {
    folder = root.openFolder(segments, { create: false });
  } catch {
    return segments;
  }
  try {
    const path = relative(root.top.realPath(), folder.realPath());
    const real = path === "" ? segments : path.split(/[/\\]/);
    // a name that is no text comes out as another
    const there = root.top.statBelow(real);
    if (there !== undefined && sameFile(there, folder)) return real;
    throw new SockError("bad-name", `${root.show(segments)}: leads through a link to a name that is no text`);
  } finally {
    folder.close();
  }
}

/**
 * The staging folder of that name, ours alone as long as the descriptor is open; empty, unless this run has begun it (`kept`).
 */
async function claim(
  partials: Folder,
  name: string,
  run: string,
): Promise<{ readonly lock: number; readonly kept: boolean }> {
  const marker = partials.path(name + RUN_SUFFIX);
  const { O_RDONLY, O_DIRECTORY } = fs.constants;
  for (;;) {
    let made = true;
    try {
      fs.mkdirSync(partials.path(name), 0o755);
    } catch (thrown) {
      if (errnoOf(thrown) !== "EEXIST") throw thrown;
      made = false;
    }
    const lock = fs.openSync(partials.path(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      if (tryLock(lock) === "busy") {
        throw new SockError("busy", "another transfer changes this folder now", "try again when it is done");
      }
      const begun = fs.existsSync(marker) ? fs.readFileSync(marker, "latin1") : undefined;
      if (begun === run) return { lock, kept: !made };
      if (made || fs.readdirSync(partials.path(name)).length === 0) {
        fs.writeFileSync(marker, run, { mode: 0o600 });
        return { lock, kept: false };
      }
    } catch (thrown) {
      fs.closeSync(lock);
      throw thrown;
    }
    // what another run has left is of another version, perhaps
    try {
      await removeTree(partials, name);
    } finally {
      fs.closeSync(lock);
    }
  }
}

/** A folder of the old tree as it was when what is in it was taken over. */
interface Watched {
  readonly path: Segments;
  readonly ctimeNs: bigint;
}

/** Whether names came, went or were replaced in a folder since: with the change they would be lost. */
function hasChanged(top: Folder | undefined, { path, ctimeNs }: Watched): boolean {
  try {
    return top !== undefined && fs.statSync(top.pathBelow(path), { bigint: true }).ctimeNs !== ctimeNs;
  } catch (thrown) {
    // too long a path for one call: that one is not watched
    return errnoOf(thrown) !== "ENAMETOOLONG";
  }
}

function changed(shown: string): SockError {
  return new SockError("changed", `${shown}: something else was put there meanwhile`, "try it again");
}

/**
 * Gives the new tree what is only in the old one: files as hard links, folders with their mode and time. Returns the
 * folders of the old one, MAX_WATCHED_FOLDERS at most.
 */
async function merge(old: Folder, fresh: Folder, shown: string): Promise<Watched[]> {
  const watched: Watched[] = [];
  /** The folders of the new tree on the way to where the walk is; undefined below one that is only in the old. */
  const levels: { folder: Folder; made: boolean }[] = [];
  try {
    for await (const step of walk(old)) {
      const at = levels.at(-1)?.folder ?? fresh;
      switch (step.kind) {
        case "failed":
          throw step.error;
        case "enter": {
          const name = step.path.at(-1);
          if (step.folder.mount !== old.mount) throw mountPoint(`${shown}/${showPath(step.path)}`);
          const { ctimeNs, mtimeNs } = fs.statSync(step.folder.path(), { bigint: true });
          // its names were read before this
          if (Number(mtimeNs / 1000n) !== step.entry.mtimeUs && mtimeNs >= 0n) throw changed(shown);
          if (watched.length < MAX_WATCHED_FOLDERS) watched.push({ path: step.path, ctimeNs });
          levels.push(name === undefined ? { folder: fresh.again(), made: false } : enter(at, name, shown));
          break;
        }
        case "leave": {
          const level = levels.pop();
          try {
            if (level !== undefined) keepOwner(step.folder, level.folder, `${shown}/${showPath(step.path)}`);
            if (level?.made === true) {
              // with setgid and sticky: it is the owner's own, and stays as it is
              fs.chmodSync(level.folder.path(), step.entry.mode);
              setPathMtime(level.folder.path(), step.entry.mtimeUs);
            }
          } finally {
            level?.folder.close();
          }
          break;
        }
        case "entry":
          carry(step.folder, step.name, step.entry, at, `${shown}/${showPath(step.path)}`);
          break;
        default:
          step satisfies never;
      }
    }
    return watched;
  } finally {
    for (const { folder } of levels) folder.close();
  }
}

/** A folder stays whose it was: programs of that user write into it. */
function keepOwner(from: Folder, to: Folder, shown: string): void {
  const { uid, gid } = fs.statSync(from.path());
  const now = fs.statSync(to.path());
  if (uid === now.uid && gid === now.gid) return;
  try {
    fs.chownSync(to.path(), uid, gid);
  } catch (thrown) {
    // a group that we are not in is less than another owner
    if (errnoOf(thrown) !== "EPERM" || uid !== now.uid) {
      throw new SockError("permission", `${shown}: belongs to another user, and would be ours`, WITHOUT);
    }
  }
}

function enter(holder: Folder, name: Name, shown: string): { folder: Folder; made: boolean } {
  let made = true;
  try {
    fs.mkdirSync(holder.path(name), 0o700);
  } catch (thrown) {
    if (errnoOf(thrown) !== "EEXIST") throw thrown;
    made = false;
  }
  const folder = holder.enter(name);
  if (folder instanceof Folder) return { folder, made };
  throw new SockError("is-folder", `${shown}: ${showPath([name])} is a folder there, and no folder came`);
}

function carry(from: Folder, name: Name, entry: Entry, to: Folder, shown: string): void {
  const there = to.entry(name);
  if (there !== undefined) {
    if (there.kind === "folder")
      throw new SockError("not-folder", `${shown}: is no folder there, and a folder came`);
    return;
  }
  if (entry.kind === "link") {
    fs.symlinkSync(fs.readlinkSync(from.path(name), { encoding: "buffer" }), to.path(name));
    return;
  }
  if (entry.kind === "file") linkOrCopy(from.path(name), to.path(name));
  // a copy of a FIFO would wait for what never comes
  else fs.linkSync(from.path(name), to.path(name));
}

/** A second name for the same file; where that can't be, a copy with its mode and time. */
export function linkOrCopy(from: string | Buffer, to: string | Buffer): void {
  try {
    fs.linkSync(from, to);
  } catch (thrown) {
    const code = errnoOf(thrown);
    if (code === "EEXIST" || code === "ENOENT" || code === "ENOSPC") throw thrown;
    fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL);
    const stat = fs.lstatSync(from);
    fs.chmodSync(to, stat.mode & 0o777);
    fs.utimesSync(to, stat.atime, stat.mtime);
  }
}
