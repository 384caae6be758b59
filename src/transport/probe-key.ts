import { timingSafeEqual } from "node:crypto";
import { DATAGRAM_HEADER_BYTES, DATAGRAM_TAG_BYTES } from "../protocol/constants.ts";
import { TAGGED_BYTES } from "../protocol/datagram.ts";

/** Signs and checks the headers of one run's datagrams. */
export class ProbeKey {
  // a copy of a keyed hasher costs a third of a new one
  readonly #keyed: Bun.CryptoHasher;
  /** As long as Bun wants it. */
  readonly #digest = new Uint8Array(64);
  readonly #tag = this.#digest.subarray(0, DATAGRAM_TAG_BYTES);

  constructor(key: Uint8Array) {
    this.#keyed = new Bun.CryptoHasher("sha256", key);
  }

  sign(datagram: Uint8Array): void {
    this.#hash(datagram);
    datagram.set(this.#tag, TAGGED_BYTES);
  }

  verify(datagram: Uint8Array): boolean {
    this.#hash(datagram);
    return timingSafeEqual(datagram.subarray(TAGGED_BYTES, DATAGRAM_HEADER_BYTES), this.#tag);
  }

  #hash(datagram: Uint8Array): void {
    this.#keyed.copy().update(datagram.subarray(0, TAGGED_BYTES)).digest(this.#digest);
  }
}
