/** What a sender knows of an entry on its way. */
import type { BlockPool } from "../files/blocks.ts";
import type { SockError } from "../errors.ts";
import type { Digest, OnExists, WirePath } from "../protocol/file-messages.ts";
import type { FileItem, Item, LinkItem, StreamItem } from "./items.ts";
import type { Outcome } from "./outcome.ts";
import type { Pace } from "./pace.ts";

export interface SenderOptions {
  readonly digest: Digest;
  /** What the receiver was asked to do; `any` where it is its own master. */
  readonly onExists: OnExists | "any";
  /** The receiver only says what it would do. */
  readonly dry: boolean | "any";
  readonly pool: BlockPool;
  readonly pace?: Pace | undefined;
  onOutcome?(outcome: Outcome): void;
  /** A file goes on after so many bytes that are there. */
  onGoOn?(bytes: number, item: FileItem | StreamItem): void;
  /** So many bytes of a file that are there are compared first. */
  onCompare?(bytes: number): void;
  /** Something does not come, and the receiver does not know of it yet. */
  onMissed?(at: { source: number; path: WirePath }, error: SockError, skipped: boolean): void;
  /** Bytes of files that went out, and what is sent now. */
  onBytes?(bytes: number, item: FileItem | StreamItem): void;
}

/** A folder that entries are sent of. */
export interface Node {
  readonly parent: Node | undefined;
  readonly item: Extract<Item, { kind: "enter" }>;
  /** Entries in it without an answer, folders included. */
  open: number;
  left: boolean;
}

/** An entry that has no answer yet. */
export interface Pending {
  readonly id: number;
  readonly item: FileItem | StreamItem | LinkItem | Extract<Item, { kind: "enter" }>;
  readonly node: Node | undefined;
  readonly started: number;
  /** It was offered, and is not wanted yet. */
  offered: boolean;
  /** Bytes that the receiver may have. */
  have: number;
  /** What went out, once all has. */
  sent: Sent | undefined;
  /** The receiver wants no more of it. */
  answered: boolean;
  /** The receiver knows of it. */
  named: boolean;
  again: boolean;
  /** A small file's digest was offered. */
  compared: boolean;
  /** How many bytes the receiver has proved. */
  from: number | undefined;
  /** The most that was proved on any connection, and the furthest that was sent, bytes. */
  proved: number;
  reached: number;
}

/** What went out of a file. */
export interface Sent {
  readonly bytes: number;
  readonly digest: string;
}

export function sourceOf(item: { readonly source?: number }): { source?: number } {
  return item.source === undefined ? {} : { source: item.source };
}
