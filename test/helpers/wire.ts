import type { SockError } from "../../src/errors.ts";
import type { Header } from "../../src/protocol/frame.ts";
import type { Wire } from "../../src/transfer/wire.ts";

/** A wire that keeps what is sent, and is never full. */
export class RecordedWire implements Wire {
  failure: SockError | undefined;
  readonly congested = false;
  readonly sent: Header[] = [];
  readonly bodies: (Uint8Array | undefined)[] = [];

  send(header: Header, body?: Uint8Array): void {
    this.sent.push(header);
    // it is the sender's again afterwards
    this.bodies.push(body?.slice());
  }

  sendSoon(header: Header, body?: Uint8Array): void {
    this.send(header, body);
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  flushed(): Promise<void> {
    return Promise.resolve();
  }
}
