/** Digests of many small files: the first ones here, and when there are more, some together on another thread. */
import {
  DIGEST_BATCH_BYTES,
  DIGEST_BATCH_FILES,
  INLINE_DIGESTS,
  SMALL_FILE_BYTES,
} from "../protocol/constants.ts";
import type { Digest } from "../protocol/file-messages.ts";
import { digestOf } from "./digest.ts";
import { digestMany } from "./digest-pool.ts";

const HEX_DIGITS = 64;
/** Batches that may be on their way. */
const BATCHES = 4;

/** A batch may be over its measure by its last file. */
const MEMORY_BYTES = DIGEST_BATCH_BYTES + SMALL_FILE_BYTES;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly done: (digest: string) => void;
}

export class DigestBatch {
  readonly #algorithm: Digest;
  #inline = 0;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #flushing: ReturnType<typeof setImmediate> | undefined;
  /** Batches on their way, and who waits for one to come back. */
  #out = 0;
  readonly #free: Uint8Array[] = [];
  #settled: (() => void)[] = [];

  constructor(algorithm: Digest) {
    this.#algorithm = algorithm;
  }

  /** Calls `done`, at once or soon. The bytes must stay unchanged until then. */
  add(bytes: Uint8Array, done: (digest: string) => void): void {
    if (this.#algorithm !== "sha256" || (this.#inline < INLINE_DIGESTS && this.empty)) {
      this.#inline += 1;
      done(digestOf(this.#algorithm, bytes));
      return;
    }
    this.#waiting.push({ bytes, done });
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= DIGEST_BATCH_BYTES || this.#waiting.length >= DIGEST_BATCH_FILES) this.#flush();
    else this.#flushing ??= setImmediate(() => this.#flush());
  }

  /** Nothing is under way. */
  get empty(): boolean {
    return this.#waiting.length === 0 && this.#out === 0;
  }

  /** So much is under way that one should wait for some of it. */
  get full(): boolean {
    return this.#out >= BATCHES;
  }

  /** Resolves when some of what is under way is done, at once where nothing is. */
  async some(): Promise<void> {
    this.#flush();
    if (this.#out === 0) return;
    await new Promise<void>((resolve) => {
      this.#settled.push(resolve);
    });
  }

  /** The same, when all of it is done. */
  async all(): Promise<void> {
    while (!this.empty) await this.some();
  }

  #flush(): void {
    if (this.#flushing !== undefined) clearImmediate(this.#flushing);
    this.#flushing = undefined;
    const files = this.#waiting;
    if (files.length === 0) return;
    // a thread reads shared memory in place, and the same memory is used again
    const memory = this.#free.pop() ?? new Uint8Array(new SharedArrayBuffer(MEMORY_BYTES));
    const block = memory.subarray(0, this.#waitingBytes);
    const lengths = new Uint32Array(files.length);
    let at = 0;
    for (const [index, { bytes }] of files.entries()) {
      block.set(bytes, at);
      lengths[index] = bytes.length;
      at += bytes.length;
    }
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#out += 1;
    void this.#hash(files, memory, block, lengths);
  }

  async #hash(
    files: readonly Waiting[],
    memory: Uint8Array,
    block: Uint8Array,
    lengths: Uint32Array,
  ): Promise<void> {
    // a thread that has died took nothing with it
    const digests = await digestMany(block, lengths).catch(() => undefined);
    this.#free.push(memory);
    for (const [index, { bytes, done }] of files.entries()) {
      done(digests?.slice(index * HEX_DIGITS, (index + 1) * HEX_DIGITS) ?? digestOf(this.#algorithm, bytes));
    }
    this.#out -= 1;
    for (const resolve of this.#settled.splice(0)) resolve();
  }
}
