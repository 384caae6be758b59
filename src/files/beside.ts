/**
 * Folders of partial files that are not the root's own, because the destination is on another file system, or the root may
 * not be written: each is noted in the root's own folder of them, so that a sweep finds it after a crash, too.
 */
import * as fs from "node:fs";
import { createHash } from "node:crypto";
import { join, relative } from "node:path";
import { MAX_BESIDE, PARTIAL_FOLDER } from "../protocol/constants.ts";
import type { Folder } from "./folder.ts";
import type { Name, Segments } from "./names.ts";
import { NOTE_PREFIX, openPartialFolder } from "./partials.ts";

export class Beside {
  readonly #top: Folder;
  /** Paths below the root; as long as this process lives it knows them even where no note can be left. */
  readonly #known = new Set<string>();

  constructor(top: Folder) {
    this.#top = top;
  }

  /** Partial files are going to lie in `holder`. Never throws. */
  remember(holder: Folder): void {
    try {
      const path = relative(this.#top.realPath(), holder.realPath());
      if (path === "" || path.startsWith("..") || this.#known.has(path)) return;
      if (this.#known.size >= MAX_BESIDE) this.#known.clear();
      this.#known.add(path);
      const own = openPartialFolder(this.#top);
      try {
        fs.writeFileSync(own.path(noteOf(path)), path, { mode: 0o600, flag: "wx" });
      } finally {
        own.close();
      }
    } catch {
      // noted already, or the root can't be written: then the next put there is what reminds of it
    }
  }

  /** Where they may lie: the known ones, and those of the notes in the root's own folder of partial files. */
  *paths(own: Folder | undefined, names: readonly Name[]): Generator<Segments> {
    const all = new Set(this.#known);
    for (const name of names) {
      if (own === undefined || typeof name !== "string" || !name.startsWith(NOTE_PREFIX)) continue;
      if (all.size >= MAX_BESIDE) break;
      const note = fs.lstatSync(own.path(name), { throwIfNoEntry: false });
      if (note?.isFile() === true) all.add(fs.readFileSync(own.path(name), "utf8"));
    }
    for (const path of all) yield path.split(/[/\\]/);
  }

  /** Takes back the notes of places where nothing was left; never throws. */
  settle(): void {
    for (const path of this.#known) {
      try {
        const segments = [...path.split(/[/\\]/), PARTIAL_FOLDER];
        if (fs.lstatSync(this.#top.pathBelow(segments), { throwIfNoEntry: false }) !== undefined) continue;
        fs.rmSync(this.#top.path(join(PARTIAL_FOLDER, noteOf(path))), { force: true });
      } catch {
        // a sweep looks again
      }
    }
  }

  /** Nothing lies there any more. */
  forget(own: Folder | undefined, path: Segments): void {
    const text = path.join("/");
    this.#known.delete(text);
    if (own !== undefined) fs.rmSync(own.path(noteOf(text)), { force: true });
  }
}

function noteOf(path: string): string {
  return NOTE_PREFIX + createHash("sha256").update(path).digest("hex").slice(0, 40);
}
