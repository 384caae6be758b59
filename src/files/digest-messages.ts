/** What the main thread and a hashing thread say to each other. Each request gets one reply, in order. */

export type DigestRequest =
  | { type: "update"; id: number; block: Uint8Array }
  | { type: "digest"; id: number }
  /** Small files that lie one after another in `block`, each for itself. */
  | { type: "many"; id: number; block: Uint8Array; lengths: Uint32Array }
  /** The hash is not wanted any more. */
  | { type: "drop"; id: number };

/** `digest` only in the reply to `digest`, and to `many`: one after another. */
export interface DigestReply {
  id: number;
  digest?: string;
}
