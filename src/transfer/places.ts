import type { Folder } from "../files/folder.ts";
import { Parents } from "../files/parents.ts";
import type { Root } from "../files/root.ts";
import { SmallFiles } from "../files/small-file.ts";

/** What one root needs while many files go into it. */
export class Place {
  readonly root: Root;
  readonly parents: Parents;
  /** One for each file system below the root. */
  readonly #small = new Map<string, { files: SmallFiles; holder: Folder | undefined }>();

  constructor(root: Root) {
    this.root = root;
    this.parents = new Parents(root);
  }

  /** Where small files are written that go into `parent`: on its own file system. */
  smallFiles(parent: Folder): SmallFiles {
    const known = this.#small.get(parent.mount);
    if (known !== undefined) return known.files;
    const { partials } = this.root;
    const holder = parent.mount === partials.mount ? undefined : parent.again();
    const files = new SmallFiles(holder ?? partials);
    this.#small.set(parent.mount, { files, holder });
    return files;
  }

  close(): void {
    this.parents.close();
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
