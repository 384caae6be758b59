import { randomBytes } from "node:crypto";
import { SockError } from "../errors.ts";
import type { Address } from "../protocol/address.ts";
import {
  COOKIE_BYTES,
  DATAGRAM_KEY_BYTES,
  MAX_UDP_RATE,
  MAX_UDP_RATE_PER_ADDRESS,
  MAX_UDP_RUNS,
  MAX_UDP_RUNS_PER_ADDRESS,
} from "../protocol/constants.ts";
import { COOKIE_AT, COOKIE_END, datagramType, PROBE } from "../protocol/datagram.ts";
import type { Udp } from "../protocol/udp-messages.ts";
import type { DatagramSocket } from "../transport/datagrams.ts";
import { ImpairedRuns, type ServerImpairment } from "./impaired-runs.ts";
import { Rehearsal } from "./udp-rehearsal.ts";
import { UdpRun } from "./udp-run.ts";
import { UdpSockets } from "./udp-sockets.ts";

/** Services that answer whatever comes: a source like that is forged to make two of them talk for ever. */
const ECHOING_PORTS: ReadonlySet<number> = new Set([0, 7, 13, 17, 19, 37, 53, 69, 111, 123, 161, 389, 1900]);

/** While probes come at least so often, the code for them is kept warm, ms. */
const WARM_MS = 1000;
/** A probe that comes sooner than this after the last is waited for awake, ms. */
const SPIN_MS = 0.05;

export interface Begun {
  readonly run: UdpRun;
  readonly cookie: Uint8Array;
  readonly key: Uint8Array;
  /** Takes the probes that have come, and were not looked at yet: they are not lost. */
  catchUp(): void;
  end(): void;
}

interface Usage {
  runs: number;
  rate: number;
}

/** All runs of a server, found by the cookie of a datagram. What has no valid cookie is dropped in silence. */
export class UdpRuns {
  readonly #runs = new Map<string, Pick<UdpRun, "probe">>();
  readonly #sockets = new UdpSockets((_socket, bytes, port, address) => this.receive(bytes, port, address));
  readonly #usage = new Map<string, Usage>();
  /** Runs of each socket; one without any hears nothing. */
  readonly #listening = new Map<DatagramSocket, number>();
  #rehearsal: Rehearsal | undefined;
  readonly #all: Usage = { runs: 0, rate: 0 };
  #probedAt = 0;
  #polling: "no" | "yes" | "impossible" = "no";
  readonly #impaired: ImpairedRuns | undefined;

  constructor(impair?: ServerImpairment) {
    this.#impaired = impair && new ImpairedRuns(impair);
    // what is late on purpose leaves by timers of the event loop
    if (impair !== undefined) this.#polling = "impossible";
  }

  get size(): number {
    return this.#runs.size;
  }

  open(listener: Address, port: number): Promise<void> {
    return this.#sockets.open(listener, port);
  }

  /** Closes all sockets; `reopen` where others will be opened. */
  close(reopen = false): void {
    this.#sockets.close(reopen);
  }

  /** A run for a client at `address`, on the local address and port that it reached. Throws `busy`, `failed`. */
  async begin(
    asked: Udp,
    client: { address: string; localAddress: string; localPort: number },
    mayComeFrom: (address: string) => boolean,
  ): Promise<Begun> {
    this.#rehearsal ??= new Rehearsal();
    const socket = await this.#sockets.at(client.localAddress, client.localPort);
    const key = randomBytes(DATAGRAM_KEY_BYTES);
    const cookie = randomBytes(COOKIE_BYTES);
    const network = this.#impaired?.network(socket);
    // before the run looks what was dropped until now
    this.#listen(socket, 1);
    const run = new UdpRun({
      asked,
      key,
      socket: network ?? socket,
      mayComeFrom: (address, port) =>
        !ECHOING_PORTS.has(port) &&
        !this.#sockets.has(address, port) &&
        !isNobody(address) &&
        mayComeFrom(address),
    });
    try {
      this.#admit(client.address, run.rate);
    } catch (thrown) {
      this.#listen(socket, -1);
      throw thrown;
    }
    const name = cookie.toString("latin1");
    network?.to(run);
    this.#runs.set(name, network ?? run);
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      this.#runs.delete(name);
      network?.stop();
      this.#listen(socket, -1);
      this.#use(client.address, -1, -run.rate);
    };
    // past the event loop from the first one on: a flood could keep it from that
    if (this.#polling === "no") this.#poll();
    return { run, cookie, key, catchUp: () => socket.catchUp(), end };
  }

  #listen(socket: DatagramSocket, runs: number): void {
    const all = (this.#listening.get(socket) ?? 0) + runs;
    if (all > 0) this.#listening.set(socket, all);
    else this.#listening.delete(socket);
    socket.deafen(all === 0);
  }

  #admit(address: string, rate: number): void {
    const own = this.#usage.get(address) ?? { runs: 0, rate: 0 };
    if (this.#all.runs >= MAX_UDP_RUNS || own.runs >= MAX_UDP_RUNS_PER_ADDRESS) {
      throw new SockError("busy", "too many runs of datagrams go on there", "try again in a moment");
    }
    if (this.#all.rate + rate > MAX_UDP_RATE || own.rate + rate > MAX_UDP_RATE_PER_ADDRESS) {
      throw new SockError("busy", "all runs there together would be too fast", "a longer --interval");
    }
    this.#use(address, 1, rate);
  }

  #use(address: string, runs: number, rate: number): void {
    const own = this.#usage.get(address) ?? { runs: 0, rate: 0 };
    this.#all.runs += runs;
    this.#all.rate = this.#all.runs === 0 ? 0 : this.#all.rate + rate;
    if (own.runs + runs === 0) this.#usage.delete(address);
    else this.#usage.set(address, { runs: own.runs + runs, rate: own.rate + rate });
  }

  /** A datagram as it came to one of the sockets. */
  receive(bytes: Buffer, port: number, address: string): void {
    if (this.#runs.size === 0 || datagramType(bytes) !== PROBE) return;
    const run = this.#runs.get(bytes.toString("latin1", COOKIE_AT, COOKIE_END));
    if (run === undefined) return;
    run.probe(bytes, port, address);
    this.#probedAt = performance.now();
  }

  #poll(): void {
    const sockets = this.#sockets.size;
    const due = (): number | undefined => {
      // a socket that was opened since then belongs to the next round
      return this.#runs.size === 0 || this.#sockets.size !== sockets ? undefined : Number.POSITIVE_INFINITY;
    };
    const polling = this.#sockets.poll({
      due,
      awaits: () => true,
      spinMs: SPIN_MS,
      idle: () => {
        if (performance.now() - this.#probedAt < WARM_MS) this.#rehearsal?.once();
      },
    });
    this.#polling = polling === undefined ? "impossible" : "yes";
    void polling?.finally(() => {
      this.#polling = "no";
      // a socket that has come meanwhile is taken in, before the event loop gets to it
      if (this.#runs.size > 0) this.#poll();
    });
  }
}

/** Broadcast, multicast and no address at all. */
function isNobody(address: string): boolean {
  if (address.includes(":")) return /^(ff|::$)/i.test(address);
  const first = Number(address.slice(0, address.indexOf(".")));
  return first === 0 || first >= 224;
}
