import type { SockError } from "../errors.ts";
import type { Header } from "../protocol/frame.ts";
import type { Channel } from "../transport/channel.ts";
import type { Wire } from "./wire.ts";

/** A channel that one conversation can be told to give up, because the other side refused it, while the channel lives on. */
export class Line implements Wire {
  readonly #channel: Channel;
  #failure: SockError | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  fail(error: SockError): void {
    this.#failure ??= error;
  }

  get failure(): SockError | undefined {
    return this.#failure ?? this.#channel.failure;
  }

  get congested(): boolean {
    return this.#channel.congested;
  }

  send(header: Header, body?: Uint8Array): void {
    this.#channel.send(header, body);
  }

  sendSoon(header: Header, body?: Uint8Array): void {
    this.#channel.sendSoon(header, body);
  }

  async ready(): Promise<void> {
    await this.#channel.ready();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async flushed(): Promise<void> {
    await this.#channel.flushed();
  }
}
