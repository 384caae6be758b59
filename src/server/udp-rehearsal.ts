import { COOKIE_BYTES, DATAGRAM_HEADER_BYTES, DATAGRAM_KEY_BYTES } from "../protocol/constants.ts";
import { DatagramView, newProbe } from "../protocol/datagram.ts";
import { ProbeKey } from "../transport/probe-key.ts";
import { UdpRun } from "./udp-run.ts";

/** So many make the runtime compile what every probe goes through; some 10 ms. */
const PROBES = 1000;

/** Answers probes that nobody sent, so that the code for those that somebody sends is compiled, and in the processor's caches. */
export class Rehearsal {
  readonly #signer: ProbeKey;
  readonly #run: UdpRun;
  readonly #probe = Buffer.from(newProbe(new Uint8Array(COOKIE_BYTES), DATAGRAM_HEADER_BYTES));
  readonly #view = new DatagramView(this.#probe);
  #number = 0;

  constructor() {
    const key = new Uint8Array(DATAGRAM_KEY_BYTES);
    this.#signer = new ProbeKey(key);
    this.#run = new UdpRun({
      asked: { type: "udp", count: Number.MAX_SAFE_INTEGER, interval: 1, bytes: DATAGRAM_HEADER_BYTES },
      key,
      socket: { send: () => "sent", drops: () => null },
      mayComeFrom: () => true,
    });
    for (let count = 0; count < PROBES; count++) this.once();
  }

  once(): void {
    this.#view.probe(this.#number, this.#number, 0);
    this.#signer.sign(this.#probe);
    this.#run.probe(this.#probe, 1, "");
    this.#number += 1;
  }
}
