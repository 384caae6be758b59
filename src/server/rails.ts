/** What the owner of a server does not let any client do, whatever its key allows. */
import { SockError } from "../errors.ts";
import type { OnExists } from "../protocol/file-messages.ts";
import { formatBytes } from "../text/units.ts";

export interface RailOptions {
  readonly readOnly: boolean;
  readonly writeOnly: boolean;
  readonly noReplace: boolean;
  /** Longest file that is taken, bytes. */
  readonly maxFile: number | undefined;
  /** Bytes that stay free on the disk. */
  readonly minFree: number | undefined;
  /** Most entries of one put. */
  readonly maxEntries: number | undefined;
  /** Bytes a second of each client's files, either way. */
  readonly rate: number | undefined;
  /** Programs may be run, by keys that allow it. */
  readonly shell: boolean;
}

export const NO_RAILS: RailOptions = {
  readOnly: false,
  writeOnly: false,
  noReplace: false,
  maxFile: undefined,
  minFree: undefined,
  maxEntries: undefined,
  rate: undefined,
  shell: false,
};

export class Rails {
  readonly options: RailOptions;

  constructor(options: RailOptions) {
    if (options.readOnly && options.writeOnly) {
      throw new SockError("usage", "--read-only and --write-only together leave nothing");
    }
    this.options = options;
  }

  /** Whether the verbs of a capability are answered at all. */
  answers(capability: string): boolean {
    const { readOnly, writeOnly, shell } = this.options;
    if (capability === "shell" || capability === "exec") return shell;
    if (capability === "put") return !readOnly;
    return !writeOnly || (capability !== "get" && capability !== "ls");
  }

  /** What happens to files that are there already. */
  onExists(asked: OnExists): OnExists {
    return this.options.noReplace && asked === "replace" ? "refuse" : asked;
  }

  /** Throws `too-large` for a file of this length, bytes; null is a stream, which is counted as it comes. */
  admit(length: number | null): void {
    const { maxFile } = this.options;
    if (maxFile === undefined || length === null || length <= maxFile) return;
    throw new SockError(
      "too-large",
      `${formatBytes(length)}, and files up to ${formatBytes(maxFile)} are taken there`,
    );
  }

  /** Throws `too-large` where a put has had as many entries as it may. */
  admitEntry(before: number): void {
    const { maxEntries } = this.options;
    if (maxEntries === undefined || before < maxEntries) return;
    throw new SockError("too-large", `more than ${maxEntries} files at once are not taken there`);
  }
}
