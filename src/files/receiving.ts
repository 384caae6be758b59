import { SockError } from "../errors.ts";
import { BLOCKS_IN_FLIGHT, DATA_BYTES } from "../protocol/constants.ts";
import type { BlockPool } from "./blocks.ts";
import type { Digester } from "./digest.ts";
import type { Incoming, Published } from "./incoming.ts";

/** Pieces from this size on are written as they came; smaller ones are gathered into blocks first, bytes. */
const DIRECT_BYTES = 16 * 1024;
/** Hashed or written no further than this behind what has come, bytes; above it `data` waits. */
const MOST_BEHIND_BYTES = BLOCKS_IN_FLIGHT * DATA_BYTES;
/** Pieces in one write (IOV_MAX is 1,024 on Linux). */
const MOST_PIECES = 256;

interface Piece {
  readonly bytes: Uint8Array;
  readonly release: () => void;
}

const none = (): void => undefined;

/**
 * One file on its way in, in pieces of any size. Hashing goes on beside writing; there is one write at a time, of all that
 * has come meanwhile, for the kernel lets one writer of a file go on, and others would only spin.
 */
export class Receiving {
  readonly #incoming: Incoming;
  readonly #digester: Digester;
  readonly #pool: BlockPool;
  #bytes = 0;
  /** Small pieces, and how much of the block they fill. */
  #block: Uint8Array | undefined;
  #filled = 0;
  /** Given to the hash, not yet to the disk. */
  #pending: Piece[] = [];
  #written = 0;
  #writing: Promise<void> | undefined;
  #lastHash: Promise<void> = Promise.resolve();
  #hashed = 0;
  #failure: { readonly thrown: unknown } | undefined;

  readonly #length: number | null;

  /**
   * `length` is what the sender announced, bytes; null where it does not know. The first `at` bytes are there and were
   * given to `digester`.
   */
  constructor(incoming: Incoming, digester: Digester, pool: BlockPool, length: number | null, at = 0) {
    this.#bytes = at;
    this.#written = at;
    this.#hashed = at;
    this.#length = length;
    this.#incoming = incoming;
    this.#digester = digester;
    this.#pool = pool;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes the piece over; `release` is called when it is not needed any more. Resolves when more may come.
   * Throws what an earlier piece ran into (`no-space`, `io`…).
   */
  async data(piece: Uint8Array, release?: () => void): Promise<void> {
    this.#bytes += piece.length;
    if (this.#length !== null && this.#bytes > this.#length) {
      this.#fail(new SockError("changed", "more bytes came than were announced", "did it grow meanwhile?"));
      this.#check();
    }
    if (piece.length >= DIRECT_BYTES && !this.#digester.elsewhere) {
      this.#flush();
      this.#submit({ bytes: piece, release: release ?? none });
    } else {
      this.#gather(piece);
      release?.();
    }
    while (this.#failure === undefined && this.#bytes - this.#written > MOST_BEHIND_BYTES)
      await this.#writing;
    if (this.#bytes - this.#hashed > MOST_BEHIND_BYTES) await this.#lastHash;
    this.#check();
  }

  /**
   * Publishes, when as many bytes came as the sender says and with the digest that it says.
   * Throws `cut`, `differs`, and what `Incoming.publish` throws.
   */
  async end(bytes: number, digest: string): Promise<Published & { digest: string }> {
    this.#flush();
    await this.#settle();
    this.#check();
    const announced = this.#length ?? bytes;
    if (bytes !== this.#bytes || announced !== bytes) {
      throw new SockError("cut", `${this.#bytes} of ${Math.max(bytes, announced)} bytes arrived`);
    }
    const own = await this.#digester.digest();
    if (own !== digest) {
      throw new SockError(
        "differs",
        "what arrived is not what was read: the digests differ",
        "send it again",
      );
    }
    const published = await this.#incoming.publish({ bytes, digest: own });
    return { ...published, digest: own };
  }

  /** The transfer broke: what came may stay for the next one. */
  async keep(): Promise<void> {
    this.#flush();
    await this.#settle();
    this.#digester.close();
    await this.#incoming.keep();
  }

  /** Nothing is published, nothing stays. May be called at any time, also after `end`. */
  async discard(): Promise<void> {
    await this.#settle();
    this.#digester.close();
    this.#incoming.discard();
  }

  #gather(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      const block = (this.#block ??= this.#pool.take());
      const part = piece.subarray(at, at + block.length - this.#filled);
      block.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === block.length) this.#flush();
    }
  }

  #flush(): void {
    const block = this.#block;
    if (block === undefined) return;
    const filled = this.#filled;
    this.#block = undefined;
    this.#filled = 0;
    this.#submit({ bytes: block.subarray(0, filled), release: () => this.#pool.give(block) });
  }

  #submit(piece: Piece): void {
    this.#lastHash = this.#hash(piece);
    this.#pending.push(piece);
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #hash(piece: Piece): Promise<void> {
    try {
      await this.#digester.update(piece.bytes);
      this.#hashed += piece.bytes.length;
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  async #write(): Promise<void> {
    while (this.#pending.length > 0 && this.#failure === undefined) {
      const pieces = this.#pending.splice(0, MOST_PIECES);
      const hashed = this.#lastHash;
      try {
        const parts = pieces.map((piece) => piece.bytes);
        await this.#incoming.writeAll(parts, this.#written);
      } catch (thrown) {
        this.#fail(thrown);
        return;
      }
      for (const piece of pieces) this.#written += piece.bytes.length;
      // the last of them is hashed last; until then their memory is in use
      hashed.finally(() => pieces.forEach((piece) => piece.release())).catch(() => undefined);
    }
  }

  /** Waits for what is under way; nothing more may be given to it meanwhile. */
  async #settle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    await this.#lastHash;
  }

  #fail(thrown: unknown): void {
    this.#failure ??= { thrown };
    this.#pending = [];
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.thrown;
  }
}
