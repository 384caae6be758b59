import { SockError } from "../errors.ts";
import { BLOCKS_IN_FLIGHT } from "../protocol/constants.ts";
import type { Digester } from "./digest.ts";
import type { Incoming, Published } from "./incoming.ts";

/** One file on its way in: each block goes to the hash and to the disk at the same time, a few at once. */
export class Receiving {
  readonly #incoming: Incoming;
  readonly #digester: Digester;
  readonly #give: (block: Uint8Array) => void;
  readonly #work: Promise<void>[] = [];
  #bytes = 0;
  #failure: unknown;
  #failed = false;

  /** `give` takes each block back when it is hashed and written. */
  constructor(incoming: Incoming, digester: Digester, give: (block: Uint8Array) => void) {
    this.#incoming = incoming;
    this.#digester = digester;
    this.#give = give;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when more may come. Throws what an earlier block ran into (`no-space`, `io`…). */
  async data(block: Uint8Array): Promise<void> {
    const at = this.#bytes;
    this.#bytes += block.length;
    const work = Promise.all([this.#digester.update(block), this.#incoming.write(block, at)])
      .then(
        () => undefined,
        (thrown: unknown) => {
          if (!this.#failed) this.#failure = thrown;
          this.#failed = true;
        },
      )
      .finally(() => this.#give(block));
    this.#work.push(work);
    if (this.#work.length >= BLOCKS_IN_FLIGHT) await this.#work.shift();
    this.#check();
  }

  /**
   * Publishes, when as many bytes came as the sender says and with the digest that it says.
   * Throws `cut`, `differs`, and what `Incoming.publish` throws.
   */
  async end(bytes: number, digest: string): Promise<Published & { digest: string }> {
    await this.#settle();
    this.#check();
    if (bytes !== this.#bytes) throw new SockError("cut", `${this.#bytes} of ${bytes} bytes arrived`);
    const own = await this.#digester.digest();
    if (own !== digest) {
      throw new SockError(
        "differs",
        "what arrived is not what was read: the digests differ",
        "send it again",
      );
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

  async #settle(): Promise<void> {
    for (let work = this.#work.shift(); work !== undefined; work = this.#work.shift()) await work;
  }

  #check(): void {
    if (this.#failed) throw this.#failure;
  }
}
