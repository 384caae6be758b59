import { SockError } from "../errors.ts";
import { BLOCKS_IN_FLIGHT } from "../protocol/constants.ts";
import type { BlockPool } from "./blocks.ts";
import type { Digester } from "./digest.ts";
import type { Incoming, Published } from "./incoming.ts";

/** Pieces from this size on are written as they came; smaller ones are gathered into blocks first, bytes. */
const DIRECT_BYTES = 128 * 1024;

/**
 * One file on its way in, in pieces of any size. Hashing goes on beside writing, a few blocks at once; the writes
 * themselves one after another, for the kernel lets only one of a file's writers go on at a time, and the others spin.
 */
export class Receiving {
  readonly #incoming: Incoming;
  readonly #digester: Digester;
  readonly #pool: BlockPool;
  readonly #work: Promise<void>[] = [];
  #lastWrite: Promise<void> = Promise.resolve();
  #bytes = 0;
  /** Bytes that have been given to the disk and the hash. */
  #submitted = 0;
  #block: Uint8Array | undefined;
  #filled = 0;
  #failure: unknown;
  #failed = false;

  constructor(incoming: Incoming, digester: Digester, pool: BlockPool) {
    this.#incoming = incoming;
    this.#digester = digester;
    this.#pool = pool;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the piece over. Resolves when more may come. Throws what an earlier one ran into (`no-space`, `io`…). */
  async data(piece: Uint8Array): Promise<void> {
    this.#bytes += piece.length;
    if (piece.length >= DIRECT_BYTES && !this.#digester.elsewhere) {
      await this.#flush();
      await this.#submit(piece);
    } else {
      await this.#gather(piece);
    }
    this.#check();
  }

  /**
   * Publishes, when as many bytes came as the sender says and with the digest that it says.
   * Throws `cut`, `differs`, and what `Incoming.publish` throws.
   */
  async end(bytes: number, digest: string): Promise<Published & { digest: string }> {
    await this.#flush();
    await this.#settle();
    this.#check();
    if (bytes !== this.#bytes) throw new SockError("cut", `${this.#bytes} of ${bytes} bytes arrived`);
    const own = await this.#digester.digest();
    if (own !== digest) {
      throw new SockError("differs", "what arrived is not what was read: the digests differ", "send it again");
    }
    const published = await this.#incoming.publish({ bytes, digest: own });
    return { ...published, digest: own };
  }

  /** Nothing is published, nothing stays. May be called at any time, also after `end`. */
  async discard(): Promise<void> {
    await this.#settle();
    this.#digester.close();
    this.#incoming.discard();
  }

  async #gather(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length;) {
      const block = (this.#block ??= this.#pool.take());
      const part = piece.subarray(at, at + block.length - this.#filled);
      block.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === block.length) await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const block = this.#block;
    if (block === undefined) return;
    const filled = this.#filled;
    this.#block = undefined;
    this.#filled = 0;
    await this.#submit(block.subarray(0, filled));
  }

  async #submit(block: Uint8Array): Promise<void> {
    const at = this.#submitted;
    this.#submitted += block.length;
    const hashed = this.#digester.update(block);
    const written = this.#lastWrite.then(() => this.#incoming.write(block, at));
    this.#lastWrite = written.catch(() => undefined);
    this.#work.push(
      Promise.all([hashed, written])
        .then(
          () => undefined,
          (thrown: unknown) => {
            if (!this.#failed) this.#failure = thrown;
            this.#failed = true;
          },
        )
        .finally(() => this.#pool.give(block)),
    );
    if (this.#work.length >= BLOCKS_IN_FLIGHT) await this.#work.shift();
  }

  async #settle(): Promise<void> {
    for (let work = this.#work.shift(); work !== undefined; work = this.#work.shift()) await work;
  }

  #check(): void {
    if (this.#failed) throw this.#failure;
  }
}
