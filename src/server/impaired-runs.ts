/** `--impair` for runs of datagrams: a bad network between the sockets and the runs, which know nothing of it. */
import { ImpairedDatagrams } from "../measure/impaired-datagrams.ts";
import type { Impairment } from "../measure/impairment.ts";
import type { Outlet, Sent } from "../transport/datagrams.ts";
import { DelayLine, DelayRoom } from "../transport/delay-line.ts";
import type { UdpRun } from "./udp-run.ts";

/** What `serve` was told to do to its lines. */
export interface ServerImpairment {
  readonly how: Impairment;
  readonly seed: number;
}

interface Peer {
  readonly port: number;
  readonly address: string;
}

/** The bad networks of one server's runs: the n-th run has the n-th two rows of chances, one for each way. */
export class ImpairedRuns {
  readonly #impair: ServerImpairment;
  readonly #room = new DelayRoom();
  #count = 0;

  constructor(impair: ServerImpairment) {
    this.#impair = impair;
  }

  /** A network in front of `socket`, whose run comes by `to`. */
  network(socket: Outlet): ImpairedRun {
    const { how, seed } = this.#impair;
    const row = 2 * this.#count++;
    const line = (
      goes: boolean,
      flow: number,
      leave: (bytes: Uint8Array, peer: Peer) => void,
    ): DelayLine<Peer> | undefined =>
      goes ? new DelayLine(new ImpairedDatagrams<Peer>(how, seed, flow), this.#room, leave) : undefined;
    return new ImpairedRun(
      socket,
      (leave) => line(how.way !== "down", row, leave),
      (leave) => line(how.way !== "up", row + 1, leave),
    );
  }
}

type MakeLine = (leave: (bytes: Uint8Array, peer: Peer) => void) => DelayLine<Peer> | undefined;

/**
 * The network of one run. What is lost on the way up was never there for the run; what is lost on the way down is sent, as
 * far as it knows: so that its counts say what they would say of a real network.
 */
export class ImpairedRun implements Outlet {
  /** Datagrams that the system did not take when their time had come. */
  unsent = 0;
  readonly #socket: Outlet;
  readonly #up: DelayLine<Peer> | undefined;
  readonly #down: DelayLine<Peer> | undefined;
  #run: UdpRun | undefined;

  constructor(socket: Outlet, up: MakeLine, down: MakeLine) {
    this.#socket = socket;
    // a run turns the bytes of a probe into those of its answer
    this.#up = up((bytes, { port, address }) => this.#run?.probe(Buffer.from(bytes), port, address));
    this.#down = down((bytes, { port, address }) => {
      if (this.#socket.send(bytes, port, address) !== "sent") this.unsent += 1;
    });
  }

  to(run: UdpRun): void {
    this.#run = run;
  }

  /** A datagram with the run's cookie, as it came to the socket. */
  probe(bytes: Buffer, port: number, address: string): void {
    if (this.#up === undefined) this.#run?.probe(bytes, port, address);
    else this.#up.send(bytes, { port, address });
  }

  send(bytes: Uint8Array, port: number, address: string): Sent {
    if (this.#down === undefined) return this.#socket.send(bytes, port, address);
    this.#down.send(bytes, { port, address });
    return "sent";
  }

  drops(): number | null {
    return this.#socket.drops();
  }

  /** What is on its way is lost. */
  stop(): void {
    this.#up?.stop();
    this.#down?.stop();
  }
}
