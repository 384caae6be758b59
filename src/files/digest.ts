/**
 * Digests of files, fed with the stream's bytes in order, in whatever pieces.
 *
 * `sha256`: FIPS 180-4; 64 hex digits. Inline for small files, else on a thread of its own.
 *
 * `xxh3-64k`: XXH3-64 with seed 0 of each block of XXH3_BLOCK_BYTES (the last may be shorter), chained: h = xxh3(block 0), then
 * h = xxh3(h ‖ xxh3(block i)), both as 8 bytes, big-endian; 16 hex digits. The empty file is xxh3 of nothing. It finds
 * accidents, not attacks. (A chain by seed would be simpler, but Bun takes only 32 bits of a seed.)
 */
import { SockError } from "../errors.ts";
import { INLINE_HASH_BYTES, XXH3_BLOCK_BYTES } from "../protocol/constants.ts";
import type { Digest } from "../protocol/file-messages.ts";
import { WorkerDigester } from "./digest-pool.ts";

export interface Digester {
  /** Whether it reads blocks on another thread: those in shared memory are not copied. */
  readonly elsewhere: boolean;
  /** Resolves when the block has been read and may be used again; several may be under way, in the order of the calls. */
  update(block: Uint8Array): Promise<void>;
  /** Lower-case hex of all updates, once. */
  digest(): Promise<string>;
  /** Frees what it holds; at any time, also twice. */
  close(): void;
}

/** `length` in bytes decides where the hash runs; null where it is unknown. */
export function createDigester(algorithm: Digest, length: number | null): Digester {
  if (algorithm === "xxh3-64k") return new ChainedXxh3();
  return length !== null && length <= INLINE_HASH_BYTES ? new InlineSha256() : new WorkerDigester();
}

/** The digest of bytes that are all here; for small files. */
export function digestOf(algorithm: Digest, bytes: Uint8Array): string {
  if (algorithm === "sha256") return Bun.SHA256.hash(bytes, "hex");
  const digester = new ChainedXxh3();
  digester.add(bytes);
  return digester.hex();
}

/** Which algorithm a digest in hex is of. */
export function algorithmOf(digest: string): Digest {
  if (digest.length === 64) return "sha256";
  if (digest.length === 16) return "xxh3-64k";
  throw new SockError("internal", "a digest of unknown length");
}

class InlineSha256 implements Digester {
  readonly elsewhere = false;
  readonly #hasher = new Bun.CryptoHasher("sha256");

  update(block: Uint8Array): Promise<void> {
    this.#hasher.update(block);
    return Promise.resolve();
  }

  digest(): Promise<string> {
    return Promise.resolve(this.#hasher.digest("hex"));
  }

  close(): void {}
}

class ChainedXxh3 implements Digester {
  readonly elsewhere = false;
  #chain: bigint | undefined;
  readonly #pairBytes = new Uint8Array(16);
  readonly #pair = new DataView(this.#pairBytes.buffer);
  /** A block that came in pieces, so far. */
  #rest: Uint8Array | undefined;
  #filled = 0;

  update(block: Uint8Array): Promise<void> {
    this.add(block);
    return Promise.resolve();
  }

  digest(): Promise<string> {
    return Promise.resolve(this.hex());
  }

  add(block: Uint8Array): void {
    for (let at = 0; at < block.length;) {
      if (this.#filled === 0 && block.length - at >= XXH3_BLOCK_BYTES) {
        this.#add(block.subarray(at, at + XXH3_BLOCK_BYTES));
        at += XXH3_BLOCK_BYTES;
        continue;
      }
      this.#rest ??= new Uint8Array(XXH3_BLOCK_BYTES);
      const part = block.subarray(at, at + XXH3_BLOCK_BYTES - this.#filled);
      this.#rest.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === XXH3_BLOCK_BYTES) this.#flush();
    }
  }

  hex(): string {
    if (this.#filled > 0) this.#flush();
    const value = this.#chain ?? Bun.hash.xxHash3(new Uint8Array(0), 0n);
    return value.toString(16).padStart(16, "0");
  }

  close(): void {
    this.#rest = undefined;
  }

  #flush(): void {
    this.#add((this.#rest ?? new Uint8Array(0)).subarray(0, this.#filled));
    this.#filled = 0;
  }

  #add(block: Uint8Array): void {
    const hash = Bun.hash.xxHash3(block, 0n);
    if (this.#chain === undefined) {
      this.#chain = hash;
      return;
    }
    this.#pair.setBigUint64(0, this.#chain);
    this.#pair.setBigUint64(8, hash);
    this.#chain = Bun.hash.xxHash3(this.#pairBytes, 0n);
  }
}
