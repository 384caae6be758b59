interface Claim {
  readonly run: string;
  readonly evict: () => Promise<void>;
}

/**
 * Which transfer writes to which partial file. A client whose connection broke without our noticing comes back with the
 * same run: the dead connection is ended, and what it had is gone on with.
 */
export class Claims {
  readonly #held = new Map<string, Claim>();

  /** Resolves when nobody of the same run has it any more, with what lets it go. Another run's claim is left alone. */
  async take(id: string, claim: Claim): Promise<() => void> {
    const held = this.#held.get(id);
    if (held !== undefined) {
      if (held.run !== claim.run) return () => undefined;
      await held.evict();
    }
    this.#held.set(id, claim);
    return () => {
      if (this.#held.get(id) === claim) this.#held.delete(id);
    };
  }
}
