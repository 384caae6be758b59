import { SockError } from "../errors.ts";
import { sameFile } from "../files/entry.ts";
import { compareNames } from "../files/names.ts";
import { Root } from "../files/root.ts";
import type { Grant } from "./grant.ts";

/** What `serve` was asked to serve: `DIR`, `NAME=DIR`, `NAME=DIR:ro`. */
export interface FolderSpec {
  /** undefined for a plain DIR: its paths have no name in front, where it is the only one. */
  readonly name: string | undefined;
  readonly dir: string;
  readonly writable: boolean;
}

/** Where a path of a client leads: a folder that it can't leave, and the rest of the path. */
export interface Place {
  readonly root: Root;
  readonly path: string | Uint8Array;
  readonly writable: boolean;
  /** Goes before a path under `root` to make it the client's again. */
  readonly prefix: string;
  /** False when the root is a key's own folder, and another one has its name by now. */
  readonly isInPlace: () => boolean;
}

const SLASH = 0x2f;
/** Roots that are kept open after their folders have lost their names. */
const MOST_RETIRED = 16;

interface Share {
  readonly name: string;
  readonly dir: string;
  readonly writable: boolean;
}

/** The served folders, as each key sees them. */
export class Shares {
  readonly list: readonly Share[];
  readonly #forbidden: readonly { dev: bigint; ino: bigint }[];
  readonly #named: boolean;
  readonly #roots = new Map<string, Root>();
  /** Those of folders that have lost their names, oldest first. */
  readonly #retired: Root[] = [];

  /** Throws `not-found`, `not-folder` for a folder that can't be served, `usage` for one name twice. */
  constructor(folders: readonly FolderSpec[], forbidden: readonly { dev: bigint; ino: bigint }[]) {
    this.#forbidden = forbidden;
    this.#named = folders.length > 1 || folders.some((folder) => folder.name !== undefined);
    this.list = folders.map(({ name, dir, writable }) => ({ name: name ?? baseName(dir), dir, writable }));
    for (const share of this.list) {
      if (this.list.filter((other) => other.name === share.name).length > 1) {
        throw new SockError(
          "usage",
          `two folders are named ${share.name}`,
          "name them: sock serve a=DIR b=DIR",
        );
      }
      this.#open(share, "");
    }
  }

  /** Throws `not-found` for a folder that is not served, or a scope that is not there. */
  place(grant: Grant, path: string | Uint8Array): Place {
    const [head, scope, rest] = this.#named
      ? this.#split(grant.scope, path)
      : [this.list[0]?.name ?? "", grant.scope, path];
    const share = this.list.find((one) => one.name === head);
    if (share === undefined) {
      const names = this.list.map((one) => one.name).join(", ");
      throw new SockError(
        "not-found",
        `no folder ${head === "" ? "is named" : head} there`,
        `there are: ${names}`,
      );
    }
    // for a key with a scope its folder is the root, and what it is told has no scope in front
    const prefix = this.#named && grant.scope === "" ? `${share.name}/` : "";
    const root = this.#open(share, scope);
    const top = scope === "" ? undefined : this.#roots.get(keyOf(share, ""));
    const inPlace = (): boolean => top === undefined || isInPlace(root, top, scope);
    return { root, path: rest, writable: share.writable, prefix, isInPlace: inPlace };
  }

  /** The folders that stand at this key's top, sorted; undefined where its top is one folder. */
  namesFor(grant: Grant): string[] | undefined {
    if (!this.#named || grant.scope !== "") return undefined;
    return this.list.map((share) => share.name).sort(compareNames);
  }

  close(): void {
    for (const root of this.#roots.values()) root.close();
    this.#roots.clear();
    for (const root of this.#retired.splice(0)) root.close();
  }

  get roots(): Root[] {
    return [...this.#roots.values()];
  }

  /** Requests that are under way may still use it: it is closed some time later. */
  #retire(key: string, root: Root): void {
    this.#roots.delete(key);
    this.#retired.push(root);
    if (this.#retired.length > MOST_RETIRED) this.#retired.shift()?.close();
  }

  /** With names: the share is the first word of the scope, or else of the path. */
  #split(scope: string, path: string | Uint8Array): [string, string, string | Uint8Array] {
    if (scope === "") {
      if (typeof path === "string") {
        const slash = path.indexOf("/");
        return slash === -1 ? [path, "", ""] : [path.slice(0, slash), "", path.slice(slash + 1)];
      }
      const slash = path.indexOf(SLASH);
      const head = slash === -1 ? path : path.subarray(0, slash);
      return [new TextDecoder().decode(head), "", slash === -1 ? "" : path.subarray(slash + 1)];
    }
    const slash = scope.indexOf("/");
    return slash === -1 ? [scope, "", path] : [scope.slice(0, slash), scope.slice(slash + 1), path];
  }

  #open(share: Share, scope: string): Root {
    const key = keyOf(share, scope);
    const known = this.#roots.get(key);
    const top = scope === "" ? undefined : this.#roots.get(keyOf(share, ""));
    if (known !== undefined && (top === undefined || isInPlace(known, top, scope))) return known;
    if (known !== undefined) this.#retire(key, known);
    const root = Root.open(share.dir, {
      name: this.#named ? share.name : "",
      writable: share.writable,
      forbidden: this.#forbidden,
      ...(scope === "" ? {} : { scope }),
    });
    this.#roots.set(key, root);
    return root;
  }
}

function keyOf(share: Share, scope: string): string {
  return `${share.name}\0${scope}`;
}

/** A folder below a served one may have been exchanged for another: a held one is only good as long as it has its name. */
function isInPlace(root: Root, top: Root, scope: string): boolean {
  try {
    const there = top.top.statBelow(scope.split("/").filter((name) => name !== ""));
    return there !== undefined && sameFile(there, root.top);
  } catch {
    return false;
  }
}

function baseName(dir: string): string {
  return (
    dir
      .replace(/[/\\]+$/, "")
      .split(/[/\\]/)
      .at(-1) || "files"
  );
}
