import type { SockError } from "../errors.ts";
import type { Header } from "../protocol/frame.ts";

/** What sending and receiving files need of a connection; a Channel has it. */
export interface Wire {
  /** Set once nothing can be sent or received any more. */
  readonly failure: SockError | undefined;
  /** The body must stay unchanged until `flushed`. */
  send(header: Header, body?: Uint8Array): void;
  /** The same, gathered with what follows soon; small frames cost less so. */
  sendSoon(header: Header, body?: Uint8Array): void;
  /** Resolves when more may be sent. */
  ready(): Promise<void>;
  /** Whether `ready` would wait. */
  readonly congested: boolean;
  /** Resolves when what was sent is with the kernel. */
  flushed(): Promise<void>;
}
