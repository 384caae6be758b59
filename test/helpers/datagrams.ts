/** The datagram half of the relay: drops, doubles, reorders, corrupts and delays them, and counts what it did each way. */
import { DatagramSocket } from "../../src/transport/datagrams.ts";

export type Direction = "up" | "down";

/** What is done to one datagram: nothing, or one of these. */
export type Fate = "pass" | "drop" | "double" | "reorder" | "corrupt" | "late";

export interface DatagramFaults {
  /** Share of datagrams, from 0 to 1; together at most 1. */
  drop: number;
  double: number;
  reorder: number;
  corrupt: number;
  late: number;
  /** How much later a late one is, ms. */
  lateMs: number;
  /** Added to the way of each, ms, and at most so much more, by chance; the order stays. */
  delayMs: number;
  jitterMs: number;
  /** Decides instead of chance, by how many came this way before. */
  decide: ((index: number, bytes: Buffer) => Fate) | undefined;
}

export interface DatagramCounts {
  /** Came to the relay. */
  seen: number;
  /** Left it, copies too. */
  passed: number;
  dropped: number;
  doubled: number;
  /** Overtaken by a later one. */
  reordered: number;
  corrupted: number;
  late: number;
  bytes: number;
}

const NONE: DatagramFaults = {
  drop: 0,
  double: 0,
  reorder: 0,
  corrupt: 0,
  late: 0,
  lateMs: 0,
  delayMs: 0,
  jitterMs: 0,
  decide: undefined,
};
/** What waits to be overtaken goes on after this anyway, ms. */
const OVERTAKE_MS = 100;
/** Headers of sock end here; damage is done behind. */
const PAYLOAD_AT = 64;

export class DatagramRelay implements AsyncDisposable {
  readonly faults: Record<Direction, DatagramFaults> = { up: { ...NONE }, down: { ...NONE } };
  readonly counts: Record<Direction, DatagramCounts> = { up: none(), down: none() };
  /** Datagrams that came each way, as they came. */
  /** Called with the port of each new client. */
  onClient: (port: number) => void = () => undefined;
  readonly log: Record<Direction, Buffer[]> = { up: [], down: [] };
  readonly #held: Record<Direction, (() => void)[]> = { up: [], down: [] };
  readonly #last: Record<Direction, number> = { up: 0, down: 0 };
  readonly #upstreams = new Map<number, Promise<DatagramSocket>>();
  readonly #random: () => number;
  #socket: DatagramSocket | undefined;
  readonly #target: number;
  #closed = false;

  private constructor(target: number, seed: number) {
    this.#target = target;
    this.#random = mulberry32(seed);
  }

  /** On a port of 127.0.0.1, to `target` there. */
  static async start(port: number, target: number, seed = 1): Promise<DatagramRelay> {
    const relay = new DatagramRelay(target, seed);
    relay.#socket = await DatagramSocket.bind("127.0.0.1", port, {
      datagram: (bytes, from) => void relay.#up(bytes, from),
    });
    return relay;
  }

  /** From now on the server sees the clients on other ports, as behind a NAT that was restarted. */
  async forgetClients(): Promise<void> {
    const old = [...this.#upstreams.values()];
    this.#upstreams.clear();
    for (const socket of await Promise.all(old)) socket.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#socket?.close();
    await this.forgetClients();
  }

  async #up(bytes: Buffer, from: number): Promise<void> {
    let opening = this.#upstreams.get(from);
    if (opening === undefined) {
      this.onClient(from);
      opening = DatagramSocket.bind("127.0.0.1", 0, {
        datagram: (reply) =>
          this.#carry("down", reply, (out) => void this.#socket?.send(out, from, "127.0.0.1")),
      });
      this.#upstreams.set(from, opening);
    }
    const upstream = await opening;
    this.#carry("up", bytes, (out) => {
      if (this.#upstreams.get(from) === opening) upstream.send(out, this.#target, "127.0.0.1");
    });
  }

  #carry(direction: Direction, bytes: Buffer, send: (bytes: Uint8Array) => void): void {
    const faults = this.faults[direction];
    const counts = this.counts[direction];
    this.log[direction].push(Buffer.from(bytes));
    const fate = faults.decide?.(counts.seen, bytes) ?? this.#choose(faults);
    counts.seen += 1;
    const pass = (out: Uint8Array): void => {
      counts.passed += 1;
      counts.bytes += out.length;
      this.#later(direction, () => send(out));
    };
    switch (fate) {
      case "drop":
        counts.dropped += 1;
        return;
      case "late":
        counts.late += 1;
        setTimeout(() => pass(bytes), faults.lateMs);
        return;
      case "reorder":
        this.#hold(direction, () => pass(bytes));
        return;
      case "corrupt":
        counts.corrupted += 1;
        pass(damaged(bytes, this.#random()));
        break;
      case "double":
        counts.doubled += 1;
        pass(bytes);
        pass(bytes);
        break;
      case "pass":
        pass(bytes);
        break;
      default:
        throw new Error(fate satisfies never);
    }
    for (const release of this.#held[direction].splice(0)) {
      counts.reordered += 1;
      release();
    }
  }

  /** Kept until the next one has gone by. */
  #hold(direction: Direction, release: () => void): void {
    const held = this.#held[direction];
    held.push(release);
    setTimeout(() => {
      const at = held.indexOf(release);
      if (at < 0) return;
      held.splice(at, 1);
      release();
    }, OVERTAKE_MS);
  }

  /** After the delay, and never before what went in front. */
  #later(direction: Direction, send: () => void): void {
    const { delayMs, jitterMs } = this.faults[direction];
    if (delayMs === 0 && jitterMs === 0) {
      send();
      return;
    }
    const due = Math.max(this.#last[direction], performance.now() + delayMs + jitterMs * this.#random());
    this.#last[direction] = due;
    setTimeout(
      () => {
        if (!this.#closed) send();
      },
      Math.ceil(due - performance.now()),
    );
  }

  #choose(faults: DatagramFaults): Fate {
    let left = this.#random();
    for (const fate of ["drop", "double", "reorder", "corrupt", "late"] as const) {
      left -= faults[fate];
      if (left < 0) return fate;
    }
    return "pass";
  }
}

function none(): DatagramCounts {
  return { seen: 0, passed: 0, dropped: 0, doubled: 0, reordered: 0, corrupted: 0, late: 0, bytes: 0 };
}

/** One byte of the payload is another one. */
function damaged(bytes: Buffer, chance: number): Buffer {
  const out = Buffer.from(bytes);
  const at = PAYLOAD_AT + Math.floor(chance * (out.length - PAYLOAD_AT));
  out[at] = (out[at] ?? 0) ^ 0x55;
  return out;
}

/** T. Ettinger's mulberry32: the same numbers for the same seed. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
