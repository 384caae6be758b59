import { SockError } from "../errors.ts";
import { type FileId, sameFile } from "../files/entry.ts";
import { isAscii, type Name } from "../files/names.ts";
import { MAX_REMEMBERED_PATHS } from "../protocol/constants.ts";
import type { Entry } from "../protocol/file-messages.ts";
import type { Landing } from "./receiving-options.ts";

type At = Pick<Landing, "root" | "segments">;

/**
 * The last paths that the entries of one transfer were for: two entries of one path are a mistake, and never "the last
 * wins". Neither are `README` and `readme`, where the file system takes them for one.
 */
export class RecentPaths {
  /** Which entry a path was for. */
  readonly #entries = new Recent<number>();
  /** The last spelling of paths that are the same but for case and the like. */
  readonly #spellings = new Recent<At & { readonly exact: number }>();
  readonly #isOne: (a: At, b: At) => boolean;

  constructor(isOne: (a: At, b: At) => boolean = isOneFile) {
    this.#isOne = isOne;
  }

  /**
   * Throws `exists` where another entry had this path, or the same one, which was not to come again (`isWanted`). Folders
   * that are the same become one.
   */
  claim(landing: Landing, { entry, kind }: Pick<Entry, "entry" | "kind">, isWanted: boolean): void {
    const { root, segments, shown } = landing;
    const path = segments.map(text).join("/");
    const folded = fold(path);
    const exact = hash(path);
    const first = this.#entries.get(exact);
    if (first !== undefined && !(first === entry && isWanted) && kind !== "folder") {
      throw new SockError("exists", `${shown}: came twice in one transfer`, "two sources have this name");
    }
    const key = folded === path ? exact : hash(folded);
    const other = this.#spellings.get(key);
    if (other !== undefined && other.exact !== exact && this.#isOne(other, landing)) {
      throw new SockError(
        "exists",
        `${shown}: came with another spelling, and the file system takes both for one`,
        "rename one of them",
      );
    }
    this.#entries.set(exact, entry);
    this.#spellings.set(key, { root, segments, exact });
  }
}

/** The last keys, MAX_REMEMBERED_PATHS at most: in two halves, the older of which is dropped as a whole. */
class Recent<T> {
  #young = new Map<number, T>();
  #old = new Map<number, T>();

  get(key: number): T | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  set(key: number, value: T): void {
    if (this.#young.size >= MAX_REMEMBERED_PATHS / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}

/** What is there under both names is one file: the file system folds them. */
function isOneFile(a: At, b: At): boolean {
  const one = there(a);
  const other = one && there(b);
  return one !== undefined && other !== undefined && sameFile(one, other);
}

function there({ root, segments }: At): FileId | undefined {
  try {
    return root.statEntry(segments, { follow: false });
  } catch {
    return undefined;
  }
}

/** Coarser than any file system does it: what comes out alike is only looked at. */
function fold(path: string): string {
  if (isAscii(path)) return path.toLowerCase();
  return path.normalize("NFKD").toUpperCase().toLowerCase();
}

/** No name has a NUL: bytes that are no text come out unlike any text. */
function text(name: Name): string {
  return typeof name === "string" ? name : `\0${Buffer.from(name).toString("hex")}`;
}

/** 53 bits of a hash: numbers take less room than big ones. */
function hash(path: string): number {
  return Number(BigInt.asUintN(53, Bun.hash.xxHash3(path, 0n)));
}
