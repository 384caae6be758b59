/** Files of plain peers on their way from and to the served folder. */
import { SockError } from "../errors.ts";
import { Incoming } from "../files/incoming.ts";
import { type Name, nameOf, type Segments } from "../files/names.ts";
import { Outgoing } from "../files/outgoing.ts";
import type { Root } from "../files/root.ts";
import type { OnExists } from "../protocol/file-messages.ts";
import type { Peer } from "./peer.ts";

/** Bytes of a file that are read and written in one go. */
const BLOCK = 256 * 1024;
const SLASH = 0x2f;
const BACKSLASH = 0x5c;

/** The last part of a name, by either slash: what naive peers send may be a path of their own machine. */
export function lastPart(name: Uint8Array): Name {
  const start = 1 + Math.max(name.lastIndexOf(SLASH), name.lastIndexOf(BACKSLASH));
  return nameOf(name.slice(start));
}

/** Takes a file of unproved bytes in; what is there already stays as `onExists` says. */
export class Taking {
  readonly #incoming: Incoming;
  #bytes = 0;

  /** `length` in bytes, null where it is not certain. Throws what `Incoming.create` throws. */
  constructor(root: Root, segments: Segments, onExists: OnExists, length: number | null) {
    const plain = { mode: null, mtimeUs: null, sync: false, verify: false };
    this.#incoming = Incoming.create(root, segments, { ...plain, onExists, length });
  }

  get bytes(): number {
    return this.#bytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#incoming.write(bytes, this.#bytes);
    this.#bytes += bytes.length;
  }

  /** Puts some bytes before those that are written already. */
  async lead(bytes: Uint8Array): Promise<void> {
    const block = new Uint8Array(BLOCK);
    const old = this.#bytes;
    this.#incoming.startAt(0);
    for (let end = old; end > 0;) {
      const from = Math.max(0, end - BLOCK);
      const part = block.subarray(0, end - from);
      if ((await this.#incoming.readKept(part, from)) !== part.length)
        throw new SockError("io", "read too little");
      await this.#incoming.write(part, from + bytes.length);
      end = from;
    }
    await this.#incoming.write(bytes, 0);
    this.#bytes = old + bytes.length;
  }

  /** The path that it has now, and what became of one that was there. */
  async publish(): Promise<{ path: Segments; action: string }> {
    return this.#incoming.publish({ bytes: this.#bytes });
  }

  discard(): void {
    this.#incoming.discard();
  }
}

/** All bytes of a file to a peer. Throws `changed` where it got shorter meanwhile, `lost`. */
export async function sendFile(
  peer: Peer,
  file: Outgoing,
  onBytes: (bytes: Uint8Array) => void = () => undefined,
): Promise<void> {
  for (let at = 0; at < file.length;) {
    const block = new Uint8Array(Math.min(BLOCK, file.length - at));
    const count = await file.read(block, at);
    if (count < block.length) throw new SockError("changed", "the file got shorter while it was sent");
    await peer.write(block);
    onBytes(block);
    at += count;
  }
}

/** A file below the root. Throws `not-found`, `is-folder`, `outside`… */
export function openStored(root: Root, segments: Segments): Outgoing {
  return Outgoing.fromFd(root.openForRead(segments).fd, root.show(segments));
}
