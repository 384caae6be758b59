/** What a receiver is told: where entries go, and what is asked of them. */
import type { BlockPool } from "../files/blocks.ts";
import type { Name } from "../files/names.ts";
import type { Parents } from "../files/parents.ts";
import type { Root } from "../files/root.ts";
import type { Digest, Entry, OnExists } from "../protocol/file-messages.ts";
import type { Outcome } from "./outcome.ts";
import type { Pace } from "./pace.ts";

/** Where an entry goes: below `root`, `segments` empty for the root itself. */
export interface Landing {
  readonly root: Root;
  readonly segments: readonly Name[];
  /** For people; not escaped. */
  readonly shown: string;
  /** `segments` is empty, and the root is what was asked for: it gets mode and time of the folder at the sender. */
  readonly ownsRoot?: boolean;
  /** `segments` is empty, and the root was there before: what comes goes into it, and it keeps its own mode and time. */
  readonly keepsRoot?: boolean;
  /** The tree that what comes will take the place of as one; a file that is the same there needs not come. */
  readonly live?: Parents | undefined;
}

export interface ReceiverOptions {
  readonly digest: Digest;
  readonly onExists: OnExists;
  readonly verify: boolean;
  readonly sync: boolean;
  readonly checksum: boolean;
  /** Nothing is changed; the answers say what would be. */
  readonly dry: boolean;
  /** The sender is not told where things are put: in a get that is the user's own business. */
  readonly isPrivate?: boolean;
  /** The sender may learn whether a file that is there has the bytes that it names: it may read the file anyway. */
  readonly mayCompare: boolean;
  readonly pool: BlockPool;
  /** Under whose name partial files are kept; without it nothing is. */
  readonly owner: string | undefined;
  /** What was there before this time (ms since 1970) stays as it is, folders too, whatever the sender asks for. */
  readonly protects?: number | undefined;
  /** Bytes that must stay free. */
  readonly minFree?: number | undefined;
  /** Longest file, bytes; for streams, whose length nobody knows. */
  readonly maxFile?: number | undefined;
  /** Throws what refuses the entry. */
  land(entry: Entry): Landing;
  /** Not wanted, and not told of. */
  isLeftOut?(entry: Entry): boolean;
  readonly pace?: Pace | undefined;
  /** Waits for an older transfer of the same run to let the partial file of that name go. */
  takeOver?(id: string, evict: () => Promise<void>): Promise<() => void>;
  onOutcome?(outcome: Outcome): void;
  /** A file goes on after so many bytes that are there. */
  onGoOn?(bytes: number): void;
  /** So many bytes of a file that are there are compared first. */
  onCompare?(bytes: number): void;
  /** Bytes that have come, of all files, and how many of the current one are there now. */
  onBytes?(bytes: number, there: number): void;
}
