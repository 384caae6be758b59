import { statfsSync } from "node:fs";
import type { Folder } from "../files/folder.ts";
import { Parents } from "../files/parents.ts";
import type { Root } from "../files/root.ts";
import { noSpace } from "../files/incoming.ts";
import { SmallFiles } from "../files/small-file.ts";

/** So much is written between two looks at the free space, bytes. */
const ROOM_BYTES = 4 * 1024 * 1024;

/** What one root needs while many files go into it. */
export class Place {
  readonly root: Root;
  /** Of files and links. */
  readonly parents: Parents;
  /** Those that get their mode and time when all is in them, while files go into others. */
  readonly folders: Parents;
  /** Bytes that may be written before the free space is looked at again. */
  #room = 0;
  /** One for each file system below the root. */
  readonly #small = new Map<string, { files: SmallFiles; holder: Folder | undefined }>();

  constructor(root: Root) {
    this.root = root;
    this.parents = new Parents(root);
    this.folders = new Parents(root);
  }

  /** Where small files are written that go into `parent`: on its own file system. */
  smallFiles(parent: Folder): SmallFiles {
    const known = this.#small.get(parent.mount);
    if (known !== undefined) return known.files;
    const { partials } = this.root;
    const holder = parent.mount === partials.mount ? undefined : parent.again();
    const files = new SmallFiles(this.root, holder ?? partials);
    this.#small.set(parent.mount, { files, holder });
    return files;
  }

  /** Throws `no-space` where fewer than `minFree` bytes would stay free; looked at once for each so many bytes. */
  mustHaveSpace(folder: Folder, bytes: number, minFree: number): void {
    this.#room -= bytes;
    if (this.#room >= 0) return;
    const { blocks, bavail, bsize } = statfsSync(folder.path());
    // some network file systems say nothing
    const free = blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
    if (free - bytes < minFree) throw noSpace(bytes + minFree - free, minFree);
    this.#room = Math.min(ROOM_BYTES, free - bytes - minFree);
  }

  close(): void {
    this.parents.close();
    this.folders.close();
    for (const { files, holder } of this.#small.values()) {
      files.close();
      holder?.close();
    }
    this.#small.clear();
  }
}

export class Places {
  readonly #places = new Map<Root, Place>();

  of(root: Root): Place {
    let place = this.#places.get(root);
    if (place === undefined) this.#places.set(root, (place = new Place(root)));
    return place;
  }

  close(): void {
    for (const place of this.#places.values()) place.close();
    this.#places.clear();
  }
}
