/** How much of a stream may still be sent: the reader grants it as it consumes, so that neither side stops reading its socket. */
export class Credit {
  #left: number;
  #waiting: (() => void) | undefined;
  #closed = false;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Whether `some` would wait. */
  get spent(): boolean {
    return this.#left <= 0 && !this.#closed;
  }

  grant(bytes: number): void {
    this.#left += bytes;
    this.#wake();
  }

  /** Resolves with what may be sent now, at least a byte; 0 when nothing is waited for any more. One caller at a time. */
  async some(): Promise<number> {
    while (this.spent) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.#closed ? 0 : this.#left;
  }

  take(bytes: number): void {
    this.#left -= bytes;
  }

  /** Nobody waits any more. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #wake(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }
}

/** The reader's side: tells the sender in good time, and not for each byte. */
export class Consumed {
  readonly #grant: (bytes: number) => void;
  readonly #step: number;
  #bytes = 0;
  /** Sent to us and not consumed yet. */
  #due = 0;
  readonly #most: number;

  constructor(most: number, grant: (bytes: number) => void) {
    this.#most = most;
    this.#step = most / 4;
    this.#grant = grant;
  }

  /** Bytes came. False where the sender had no credit for them. */
  arrived(bytes: number): boolean {
    this.#due += bytes;
    return this.#due + this.#bytes <= this.#most;
  }

  used(bytes: number): void {
    this.#due -= bytes;
    this.#bytes += bytes;
    if (this.#bytes < this.#step) return;
    this.#grant(this.#bytes);
    this.#bytes = 0;
  }
}
