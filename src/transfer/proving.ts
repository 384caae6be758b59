/** The receiver's side of a proof: what it has already is read again, compared block by block, and hashed on the way. */
import { SockError } from "../errors.ts";
import type { BlockPool } from "../files/blocks.ts";
import type { Digester } from "../files/digest.ts";
import { PROOF_BLOCK_BYTES } from "../protocol/constants.ts";

const HASH_BYTES = 8;

export class Proving {
  /** Bytes that were compared and are equal. */
  proved = 0;
  readonly #have: number;
  readonly #read: (block: Uint8Array, position: number) => Promise<number>;
  readonly #digester: Digester;
  readonly #pool: BlockPool;

  /** `have` bytes are there and can be read; what is proved goes into `digester`. */
  constructor(
    have: number,
    read: (block: Uint8Array, position: number) => Promise<number>,
    digester: Digester,
    pool: BlockPool,
  ) {
    this.#have = have;
    this.#read = read;
    this.#digester = digester;
    this.#pool = pool;
  }

  /** Takes the next hashes. True when it is over: all is proved, or something differs. Throws `protocol` for too many. */
  async add(hashes: Uint8Array): Promise<boolean> {
    if (hashes.length % HASH_BYTES !== 0 || hashes.length === 0) {
      throw new SockError("protocol", "a proof that is no row of hashes");
    }
    const view = new DataView(hashes.buffer, hashes.byteOffset, hashes.byteLength);
    for (let at = 0; at < hashes.length; at += HASH_BYTES) {
      if (this.proved >= this.#have) throw new SockError("protocol", "more proofs than there are blocks");
      if (!(await this.#isEqual(view.getBigUint64(at)))) return true;
    }
    return this.proved === this.#have;
  }

  async #isEqual(hash: bigint): Promise<boolean> {
    const block = this.#pool.take();
    try {
      const want = Math.min(PROOF_BLOCK_BYTES, this.#have - this.proved);
      const part = block.subarray(0, want);
      let filled = 0;
      while (filled < want) {
        const count = await this.#read(part.subarray(filled), this.proved + filled);
        if (count === 0) return false;
        filled += count;
      }
      if (Bun.hash.xxHash3(part, 0n) !== hash) return false;
      await this.#digester.update(part);
      this.proved += want;
      return true;
    } finally {
      this.#pool.give(block);
    }
  }
}
