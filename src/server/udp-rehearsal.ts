import { COOKIE_BYTES, DATAGRAM_HEADER_BYTES, DATAGRAM_KEY_BYTES } from "../protocol/constants.ts";
import { DatagramView, newProbe } from "../protocol/datagram.ts";
import { ProbeKey } from "../transport/probe-key.ts";
import { UdpRun } from "./udp-run.ts";

/** So many make the runtime compile what every probe goes through; some 10 ms. */
const PROBES = 1000;

/** Answers probes that nobody sent: the first real ones of a server would else be held several times as long. */
export function rehearse(): void {
  const key = new Uint8Array(DATAGRAM_KEY_BYTES);
  const signer = new ProbeKey(key);
  const run = new UdpRun({
    asked: { type: "udp", count: PROBES, interval: 1_000_000, bytes: DATAGRAM_HEADER_BYTES },
    key,
    socket: { send: () => "sent", drops: () => null },
    mayComeFrom: () => true,
  });
  for (let number = 0; number < PROBES; number++) {
    const probe = newProbe(new Uint8Array(COOKIE_BYTES), DATAGRAM_HEADER_BYTES);
    new DatagramView(probe).probe(number, number, 0);
    signer.sign(probe);
    run.probe(Buffer.from(probe.buffer), 1, "");
  }
}
