import { DATA_BYTES, MAX_FREE_BLOCKS } from "../protocol/constants.ts";

/**
 * Blocks of DATA_BYTES in shared memory: one block can be hashed on another thread while it is written to a disk or a
 * socket, without a copy. How many are out at once is for the callers to bound (BLOCKS_IN_FLIGHT).
 */
export class BlockPool {
  readonly #free = new Set<SharedArrayBuffer>();

  /** DATA_BYTES of memory with old contents. */
  take(): Uint8Array {
    for (const buffer of this.#free) {
      this.#free.delete(buffer);
      return new Uint8Array(buffer);
    }
    return new Uint8Array(new SharedArrayBuffer(DATA_BYTES));
  }

  /** Takes back a block, or a part of it, that nobody uses any more. Giving twice, or other memory, does nothing. */
  give(block: Uint8Array): void {
    const { buffer } = block;
    if (!(buffer instanceof SharedArrayBuffer) || buffer.byteLength !== DATA_BYTES) return;
    if (this.#free.size < MAX_FREE_BLOCKS) this.#free.add(buffer);
  }
}
