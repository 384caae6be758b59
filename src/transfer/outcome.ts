import type { SockError } from "../errors.ts";
import type { Action } from "../protocol/file-messages.ts";

/** What became of one entry, as both sides tell it. */
export interface Outcome {
  readonly kind: "file" | "folder" | "link";
  /** Where it is, or would have been; not escaped. */
  readonly shown: string;
  /** Bytes of the file. */
  readonly bytes: number;
  /** Hex, or empty where nothing was hashed. */
  readonly digest: string;
  readonly action: Action | "failed";
  readonly error?: SockError;
  readonly ms: number;
}

export interface Counts {
  files: number;
  bytes: number;
  skipped: number;
  failed: number;
}

/** Files that were moved count as files; what was there already, or is not wanted, as skipped. */
export function count(counts: Counts, { kind, action, bytes }: Outcome): void {
  if (action === "failed") counts.failed += 1;
  else if (kind === "folder") return;
  else if (action === "skipped" || action === "same") counts.skipped += 1;
  else {
    counts.files += 1;
    if (action !== "repaired") counts.bytes += bytes;
  }
}
