import { COOKIE_BYTES, DATAGRAM_HEADER_BYTES, DATAGRAM_KEY_BYTES } from "../protocol/constants.ts";
import { DatagramView } from "../protocol/datagram.ts";
import type { Sent } from "../transport/datagrams.ts";
import { ProbeKey } from "../transport/probe-key.ts";
import { DatagramRun } from "./udp-run.ts";
import { SockWire } from "./udp-wire.ts";

/** So many make the runtime compile what every datagram goes through; some 5 ms. */
const REHEARSED = 500;

/** Runs a few that nobody sees: the first real ones would else be late, and slow, before their code is compiled. */
export function rehearse(): void {
  const key = new Uint8Array(DATAGRAM_KEY_BYTES);
  const cookie = new Uint8Array(COOKIE_BYTES);
  const peer = { address: "", port: 0 };
  const wire = new SockWire({ key, cookie }, DATAGRAM_HEADER_BYTES);
  const signer = new ProbeKey(key);
  const options = { count: REHEARSED, intervalNs: 1_000_000, waitMs: undefined, signal: undefined };
  const run: DatagramRun = new DatagramRun({ send, drops: () => null }, peer, wire, options);
  function send(bytes: Uint8Array): Sent {
    const reply = Buffer.from(bytes);
    new DatagramView(reply).reply(0, 0);
    signer.sign(reply);
    run.trips.send(true);
    run.datagram(reply, 0, "");
    return "sent";
  }
  for (let number = 0; number < REHEARSED; number++) send(wire.probe(number));
}
