/**
 * Memory of one read of a socket. Half a megabyte for each read is more than a garbage collector clears away in time; so
 * those who took views of it say when they are done, and the last of them frees it. What nobody releases is collected.
 */
export class Chunk {
  readonly #memory: ArrayBufferLike;
  /** What is to be freed. */
  readonly #buffer: ArrayBuffer | undefined;
  #views = 0;
  #sealed = false;
  #kept = false;

  constructor(bytes: Uint8Array) {
    const { buffer } = bytes;
    this.#memory = buffer;
    const whole = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength;
    this.#buffer = whole ? buffer : undefined;
  }

  /** Whether these bytes are a view of it. */
  holds(bytes: Uint8Array | undefined): boolean {
    return bytes !== undefined && bytes.buffer === this.#memory;
  }

  /** Another view was handed out; its owner calls what is returned once, when it does not need it any more. */
  lend(): () => void {
    this.#views += 1;
    let lent = true;
    return () => {
      if (!lent) return;
      lent = false;
      this.#views -= 1;
      this.#free();
    };
  }

  /** A view was handed out to somebody who will not say when he is done. */
  keep(): void {
    this.#kept = true;
  }

  /** No more views will be handed out. */
  seal(): void {
    this.#sealed = true;
    this.#free();
  }

  #free(): void {
    if (this.#sealed && !this.#kept && this.#views === 0) this.#buffer?.transfer(0);
  }
}
