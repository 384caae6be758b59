/** What the main thread and a hashing thread say to each other. Each request gets one reply, in order. */

export type DigestRequest =
  | { type: "update"; id: number; block: Uint8Array }
  | { type: "digest"; id: number }
  /** The hash is not wanted any more. */
  | { type: "drop"; id: number };

/** `digest` only in the reply to `digest`. */
export interface DigestReply {
  id: number;
  digest?: string;
}
