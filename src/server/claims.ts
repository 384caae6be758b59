import { TAKE_OVER_MS } from "../protocol/constants.ts";

interface Claim {
  readonly run: string;
  readonly evict: () => Promise<void>;
}

interface Held {
  readonly claim: Claim;
  /** Resolves when it was let go. */
  readonly gone: Promise<void>;
}

/**
 * Which transfer writes to which partial file. A client whose connection broke without our noticing comes back with the
 * same run: the dead connection is ended, and what it had is gone on with. One that was killed and started again is another
 * run, of which nobody knows whether the first still lives: it waits a moment for the end of the first.
 */
export class Claims {
  readonly #held = new Map<string, Held>();

  /** Resolves with what lets it go; where another run keeps it, that one is left alone and nothing is held. */
  async take(id: string, claim: Claim): Promise<() => void> {
    const held = this.#held.get(id);
    if (held?.claim.run === claim.run) await held.claim.evict();
    // it may have begun to end by itself before, and be about to let go
    if (held !== undefined && !(await isOver(held))) return () => undefined;
    if (held !== undefined && this.#held.get(id) !== undefined) return () => undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    const mine = { claim, gone: promise };
    this.#held.set(id, mine);
    return () => {
      if (this.#held.get(id) === mine) this.#held.delete(id);
      resolve();
    };
  }
}

async function isOver({ gone }: Held): Promise<boolean> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, TAKE_OVER_MS);
  let over = false;
  await Promise.race([gone.then(() => (over = true)), late.promise]);
  clearTimeout(timer);
  return over;
}
