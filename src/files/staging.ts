/**
 * A folder that changes as one: what comes is gathered in a tree beside it, which gets what else is in the folder as hard
 * links, and then the two change names in one step. Until then nobody sees anything of it; who holds the old one open goes
 * on reading it until it is removed.
 */
import * as fs from "node:fs";
import { relative } from "node:path";
import { SockError } from "../errors.ts";
import { exchange, tryLock } from "../os/native.ts";
import { type Entry, sameFile } from "./entry.ts";
import { errnoOf } from "./errno.ts";
import { fsFailure } from "./failure.ts";
import { Folder, O_NOFOLLOW } from "./folder.ts";
import { setPathMtime } from "./metadata.ts";
import { type Name, type Segments, showPath } from "./names.ts";
import { openPartialFolder, partialId, removeEmptyPartialFolder, STAGED_PREFIX } from "./partials.ts";
import { removeTree } from "./remove-tree.ts";
import { Root } from "./root.ts";
import { walk } from "./walk.ts";

export class StagedTree {
  /** Where what comes is written; its paths in messages are those of the destination. */
  readonly root: Root;
  /** The folder that is to change, or undefined where there is none yet. */
  readonly live: Folder | undefined;
  readonly #held: Held;
  readonly #shown: string;

  private constructor(held: Held, root: Root, shown: string) {
    this.root = root;
    this.live = held.live;
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
    owner: { key: string; run: string },
  ): Promise<StagedTree> {
    const shown = root.show(segments);
    if (segments.length === 0) {
      throw new SockError(
        "outside",
        "the served folder itself can't be exchanged",
        "put into a folder below it",
      );
    }
    const stack = new DisposableStack();
    try {
      const { folder: parent, name } = root.openParent(realSegments(root, segments), { create: true });
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
      const staged = STAGED_PREFIX + partialId(owner.key, [shown]);
      const lock = await claim(partials, staged, owner.run);
      stack.defer(() => fs.closeSync(lock));
      const inner = Root.open(partials.path(staged), { name: shown, writable: true, partials: holder });
      stack.defer(() => inner.close());
      return new StagedTree({ parent, name, live, partials, staged, stack: stack.move() }, inner, shown);
    } catch (thrown) {
      stack.dispose();
      throw fsFailure(thrown, shown);
    }
  }

  /** The folder changes now. Throws what is in the way; then it is as it was, and what came is kept for the next try. */
  async publish(): Promise<"new" | "replaced"> {
    const { parent, name, partials, staged } = this.#held;
    const from = partials.path(staged);
    const to = parent.path(name);
    try {
      if (this.live === undefined) {
        fs.renameSync(from, to);
        fs.rmSync(partials.path(staged + RUN_SUFFIX), { force: true });
        return "new";
      }
      await merge(this.live, this.root.top, this.#shown);
      const now = parent.entry(name);
      if (now === undefined || !sameFile(now, this.live)) {
        throw new SockError("changed", `${this.#shown}: was replaced meanwhile`, "send it again");
      }
      if (!exchange(from, to)) {
        throw new SockError(
          "failed",
          `${this.#shown}: this file system can't exchange two folders`,
          "put without --atomic",
        );
      }
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

interface Held {
  readonly parent: Folder;
  readonly name: Name;
  readonly live: Folder | undefined;
  readonly partials: Folder;
  readonly staged: string;
  readonly stack: DisposableStack;
}

function openLive(parent: Folder, name: Name, shown: string): Folder | undefined {
  const live = parent.enter(name);
  if (!(live instanceof Folder)) {
    if (live.found === "missing") return undefined;
    throw new SockError("not-folder", `${shown}: is not a folder`);
  }
  if (live.mount === parent.mount) return live;
  live.close();
  throw new SockError(
    "permission",
    `${shown}: is a mount point, which can't be exchanged`,
    "put without --atomic",
  );
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
    return path === "" ? segments : path.split(/[/\\]/);
  } finally {
    folder.close();
  }
}

/** Beside a staging folder, a file of this name holds the run that it belongs to. */
const RUN_SUFFIX = ".run";

/** The staging folder of that name, ours alone as long as the descriptor is open; empty, unless this run has begun it. */
async function claim(partials: Folder, name: string, run: string): Promise<number> {
  const marker = partials.path(name + RUN_SUFFIX);
  const { O_RDONLY, O_DIRECTORY } = fs.constants;
  for (;;) {
    try {
      fs.mkdirSync(partials.path(name), 0o755);
    } catch (thrown) {
      if (errnoOf(thrown) !== "EEXIST") throw thrown;
    }
    const lock = fs.openSync(partials.path(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      if (tryLock(lock) === "busy") {
        throw new SockError("busy", "another transfer changes this folder now", "try again when it is done");
      }
      const begun = fs.existsSync(marker) ? fs.readFileSync(marker, "latin1") : undefined;
      if (begun === run) return lock;
      const isEmpty = fs.readdirSync(partials.path(name)).length === 0;
      if (isEmpty) {
        fs.writeFileSync(marker, run, { mode: 0o600 });
        return lock;
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

/** Gives the new tree what is only in the old one: files as hard links, folders with their mode and time. */
async function merge(old: Folder, fresh: Folder, shown: string): Promise<void> {
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
          levels.push(name === undefined ? { folder: fresh.again(), made: false } : enter(at, name, shown));
          break;
        }
        case "leave": {
          const level = levels.pop();
          if (level?.made === true) {
            fs.chmodSync(level.folder.path(), step.entry.mode & 0o777);
            setPathMtime(level.folder.path(), step.entry.mtimeUs);
          }
          level?.folder.close();
          break;
        }
        case "entry":
          carry(step.folder, step.name, step.entry, at, `${shown}/${showPath(step.path)}`);
          break;
        default:
          step satisfies never;
      }
    }
  } finally {
    for (const { folder } of levels) folder.close();
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
  linkOrCopy(from.path(name), to.path(name));
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
