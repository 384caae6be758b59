/** What the owner of a server does not let any client do, whatever its key allows. */
import { SockError } from "../errors.ts";
import type { OnExists } from "../protocol/file-messages.ts";
import { formatBytes } from "../text/units.ts";
import { Pace } from "../transfer/pace.ts";

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
  /** Bytes a second of each key's files, either way. */
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
  /** One for each key: more connections are no faster. */
  readonly #paces = new Map<string, Pace>();

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

  /** Why a capability is not answered. */
  refusal(capability: string): SockError {
    if (capability === "shell" || capability === "exec") {
      return new SockError(
        "policy",
        `this server runs no programs: no ${capability}`,
        "sock serve --shell there",
      );
    }
    return capability === "put"
      ? new SockError("read-only", "this server is read-only", "it was started with --read-only")
      : new SockError(
          "policy",
          `this server only takes files: no ${capability}`,
          "it was started with --write-only",
        );
  }

  /** What happens to files that are there already. */
  onExists(asked: OnExists): OnExists {
    return this.options.noReplace && asked === "replace" ? "refuse" : asked;
  }

  /** Whether what is there is kept from a client that would have changed it. */
  protects(asked: OnExists): boolean {
    return this.onExists(asked) !== asked;
  }

  /** Throws `too-large` for a file of this length, bytes; null is a stream, which is counted as it comes. */
  admit(shown: string, length: number | null): void {
    const { maxFile } = this.options;
    if (maxFile === undefined || length === null || length <= maxFile) return;
    throw new SockError(
      "too-large",
      `${shown}: ${formatBytes(length)}, and files up to ${formatBytes(maxFile)} are taken there`,
      "the server was started with --max-file",
    );
  }

  /** Throws `quota` where a put has had as many entries as it may. */
  admitEntry(shown: string, before: number): void {
    const { maxEntries } = this.options;
    if (maxEntries === undefined || before < maxEntries) return;
    throw new SockError(
      "quota",
      `${shown}: one put may bring ${maxEntries} files, links and folders there, and this is one more`,
      "the server was started with --max-entries",
    );
  }

  /** What keeps the files of a key to `rate`, all its connections together; undefined where there is none. */
  paceOf(key: string): Pace | undefined {
    const { rate } = this.options;
    if (rate === undefined) return undefined;
    let pace = this.#paces.get(key);
    if (pace === undefined) this.#paces.set(key, (pace = new Pace(rate)));
    return pace;
  }
}
