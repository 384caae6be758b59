import { MIN_UDP_BURST, UDP_BURST_MS, UDP_WINDOW } from "../protocol/constants.ts";
import { DatagramView, payloadOf } from "../protocol/datagram.ts";
import type { Counts, Udp } from "../protocol/udp-messages.ts";
import { Allowance, Arrivals } from "../measure/arrivals.ts";
import type { Outlet } from "../transport/datagrams.ts";
import { ProbeKey } from "../transport/probe-key.ts";

/** A client may be a little faster than agreed: clocks differ, and what was late comes closer together. */
const RATE_MARGIN = 1.25;
const NS_PER_SECOND = 1e9;

export interface RunOptions {
  readonly asked: Udp;
  readonly key: Uint8Array;
  /** The local address's, that the client reached over TCP. */
  readonly socket: Outlet;
  /** Whether the run may belong to this source. */
  readonly mayComeFrom: (address: string, port: number) => boolean;
}

/** One run of a client: its datagrams are checked, counted and sent back. What it needs memory for begins with the first. */
export class UdpRun {
  readonly asked: Udp;
  readonly socket: Outlet;
  readonly #key: ProbeKey;
  readonly #mayComeFrom: (address: string, port: number) => boolean;
  readonly #dropsBefore: number | null;
  #arrivals: Arrivals | undefined;
  #allowance: Allowance | undefined;
  #address = "";
  #port = 0;
  #moved = 0;
  #other: string | null = null;
  #replies = 0;
  #bytes = 0;
  #now = 0;
  readonly #allow = (): boolean => this.#allowance?.take(this.#now) === true;
  #unsent = 0;

  constructor({ asked, key, socket, mayComeFrom }: RunOptions) {
    this.asked = asked;
    this.socket = socket;
    this.#key = new ProbeKey(key);
    this.#mayComeFrom = mayComeFrom;
    this.#dropsBefore = socket.drops();
  }

  /** Agreed datagrams a second. */
  get rate(): number {
    return NS_PER_SECOND / this.asked.interval;
  }

  /** A probe with this run's cookie; all else about it is still to be checked. */
  probe(bytes: Buffer, port: number, address: string): void {
    const arrived = performance.now();
    const view = new DatagramView(bytes);
    const { number } = view;
    if (bytes.length > this.asked.bytes || number >= this.asked.count || !this.#key.verify(bytes)) return;
    if (this.#arrivals === undefined) {
      if (!this.#mayComeFrom(address, port)) return;
      this.#address = address;
      this.#port = port;
      this.#arrivals = new Arrivals(Math.min(this.asked.count, UDP_WINDOW));
      const burst = Math.max(MIN_UDP_BURST, (this.rate * UDP_BURST_MS) / 1000);
      this.#allowance = new Allowance(this.rate * RATE_MARGIN, burst, arrived);
    }
    if (port !== this.#port || address !== this.#address) {
      this.#moved += 1;
      this.#other = shown(address, port);
      return;
    }
    const intact = Bun.hash.crc32(payloadOf(bytes)) === view.crc;
    this.#now = arrived;
    if (!this.#arrivals.arrive(number, intact, this.#allow)) return;
    view.reply(this.#replies, Math.round((performance.now() - arrived) * 1e6));
    this.#replies += 1;
    this.#bytes += bytes.length;
    this.#key.sign(bytes);
    if (this.socket.send(bytes, port, address) !== "sent") this.#unsent += 1;
  }

  /** Of all datagrams that were answered. */
  get bytes(): number {
    return this.#bytes;
  }

  counts(): Counts {
    const arrivals = this.#arrivals;
    const drops = this.socket.drops();
    return {
      type: "counts",
      answered: arrivals?.answered ?? 0,
      corrupt: arrivals?.corrupt ?? 0,
      limited: arrivals?.limited ?? 0,
      duplicates: arrivals?.duplicates ?? 0,
      reordered: arrivals?.reordered ?? 0,
      extent: arrivals?.extent ?? 0,
      moved: this.#moved,
      unsent: this.#unsent + (this.socket.unsent ?? 0),
      drops: drops === null || this.#dropsBefore === null ? null : drops - this.#dropsBefore,
      peer: arrivals === undefined ? null : shown(this.#address, this.#port),
      other: this.#other,
    };
  }
}

function shown(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
