/** What a sender has to send, one thing after another. */
import type { SockError } from "../errors.ts";
import type { Outgoing } from "../files/outgoing.ts";
import type { ReadBlock } from "../files/sending.ts";
import type { WirePath, WireTarget } from "../protocol/file-messages.ts";

interface Base {
  /** As it travels. */
  readonly path: WirePath;
  /** For people; not escaped. */
  readonly shown: string;
  /** In a get: which of its paths this belongs to. */
  readonly source?: number;
}

export interface FileItem extends Base {
  readonly kind: "file";
  readonly length: number;
  readonly mtimeUs: number;
  readonly mode: number;
  /** Opens it, now or later; throws what is in the way. */
  open(): Outgoing;
  /** All its bytes, where it is still as it was when it was looked at; a quicker way for small ones. */
  read?(): Uint8Array | undefined;
}

/** Bytes of unknown number that can be read once. */
export interface StreamItem extends Base {
  readonly kind: "stream";
  readonly mode: number | null;
  readonly read: ReadBlock;
}

export interface LinkItem extends Base {
  readonly kind: "link";
  readonly target: WireTarget;
  readonly mtimeUs: number;
}

/** A folder begins; what comes until its `leave` is in it, and it gets its mode and time after that. */
export interface EnterItem extends Base {
  readonly kind: "enter";
  /** Null: the receiver's own. */
  readonly mtimeUs: number | null;
  readonly mode: number | null;
  /** Nothing is told of the folder itself. */
  readonly silent: boolean;
}

export interface LeaveItem {
  readonly kind: "leave";
}

/** What was given so far has to have its answers before the next is asked for: what it is read from is closed then. */
export interface DrainItem {
  readonly kind: "drain";
}

/** It can't be sent (`failed`), or is not to be (`passed`: a device, a link that leads out). */
export interface LostItem {
  readonly kind: "failed" | "passed";
  /** In a get: as the receiver knows it. */
  readonly at?: { readonly source: number; readonly path: WirePath } | undefined;
  readonly shown: string;
  readonly error: SockError;
}

/** Another path of a `get` begins; sent as it is. */
export interface SourceItem {
  readonly kind: "source";
  readonly source: number;
  readonly is: "file" | "folder" | SockError;
}

export type Item =
  FileItem | StreamItem | LinkItem | EnterItem | LeaveItem | DrainItem | LostItem | SourceItem;
