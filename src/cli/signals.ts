/** Signals that a verb takes care of itself while it can: a remote command gets them in our place. */
export type CaughtSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

export class Signals {
  #taker: ((name: CaughtSignal) => boolean) | undefined;
  readonly #hangup = (): void => void this.came("SIGHUP");

  /** True where a verb has taken it. */
  came(name: CaughtSignal): boolean {
    return this.#taker?.(name) ?? false;
  }

  /** From now on they are the taker's, until what comes back is called, when they are those of the one before again; it returns false for one that is ours after all. */
  take(taker: (name: CaughtSignal) => boolean): () => void {
    const before = this.#taker;
    this.#taker = taker;
    if (before === undefined) process.on("SIGHUP", this.#hangup);
    return () => {
      this.#taker = before;
      if (before === undefined) process.off("SIGHUP", this.#hangup);
    };
  }
}
