import { SockError } from "../errors.ts";
import { pathBytes } from "../files/names.ts";
import { MAX_REMEMBERED_PATHS } from "../protocol/constants.ts";
import type { Landing } from "./receiving-options.ts";

/** The last paths that were written to in one transfer: two entries of one path are a mistake, and never "the last wins". */
export class RecentPaths {
  readonly #seen = new Set<number>();

  /** Throws `exists` for a path that was added. */
  check({ shown }: Landing): void {
    if (!this.#seen.has(keyOf(shown))) return;
    throw new SockError("exists", `${shown}: came twice in one transfer`, "two sources have this name");
  }

  add({ shown }: Landing): void {
    this.#seen.add(keyOf(shown));
    if (this.#seen.size <= MAX_REMEMBERED_PATHS) return;
    for (const oldest of this.#seen) {
      this.#seen.delete(oldest);
      return;
    }
  }
}

/** 53 bits of a hash: numbers take less room than big ones. */
function keyOf(path: string): number {
  return Number(BigInt.asUintN(53, Bun.hash.xxHash3(pathBytes(path), 0n)));
}
