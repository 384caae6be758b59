/** A plain peer that answers what a test gives it, and keeps what it was told. */
import { Peer } from "../../src/plain/peer.ts";

export interface WrittenPeer {
  readonly peer: Peer;
  readonly written: () => string;
}

export function writtenPeer(): WrittenPeer {
  const pieces: Uint8Array[] = [];
  const nothing = (): void => undefined;
  const peer = new Peer(
    {
      write: (bytes) => pieces.push(bytes.slice()) && bytes.length,
      shutdown: nothing,
      terminate: nothing,
      end: nothing,
      pause: nothing,
      resume: nothing,
    },
    "test",
  );
  return { peer, written: () => Buffer.concat(pieces).toString() };
}
