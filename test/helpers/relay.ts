/**
 * A network between client and server on loopback that misbehaves on demand: it delays, limits the rate, stalls, cuts
 * after a byte, resets, and counts what it carried each way. Datagrams go through `datagrams`, on the same port.
 */
import { DatagramRelay } from "./datagrams.ts";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export type Direction = "up" | "down";
const DIRECTIONS = ["up", "down"] as const;

/** Faults of one direction; they may be changed while bytes flow. `up` is from the client to the server. */
export interface Faults {
  /** Added to the way of each byte, ms; the rate stays. */
  delayMs: number;
  /** Bytes a second; Infinity for none. */
  rate: number;
  /** Nothing passes while true; what came meanwhile follows after. */
  stalled: boolean;
  /** Both ends are closed once this many bytes of a connection have passed this way. */
  cutAfter: number;
  /** How `cutAfter` closes: `end` as a clean close (FIN), `reset` as RST. */
  cut: "end" | "reset";
}

const NO_FAULTS: Faults = { delayMs: 0, rate: Infinity, stalled: false, cutAfter: Infinity, cut: "reset" };
/** Largest piece that is passed on at once under a rate, bytes. */
const PIECE = 16 * 1024;
/** Bytes of one direction that wait for their time before reading stops; fewer where none is delayed. */
const MAX_HELD = 8 * 1024 * 1024;
const MAX_UNDELAYED = 512 * 1024;
const STALL_POLL_MS = 5;

export class Relay implements AsyncDisposable {
  readonly faults: Record<Direction, Faults> = { up: { ...NO_FAULTS }, down: { ...NO_FAULTS } };
  /** Bytes passed on, of all connections. */
  readonly bytes: Record<Direction, number> = { up: 0, down: 0 };
  /** Connections accepted so far. */
  accepted = 0;
  readonly #lines = new Set<TcpLine>();
  #datagrams: DatagramRelay | undefined;
  readonly #server: Server;
  readonly #target: number;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    server.on("connection", (client) => this.#accept(client));
  }

  /** The same with datagrams, on one port for both. */
  static async withDatagrams(target: number, seed = 1): Promise<Relay & { datagrams: DatagramRelay }> {
    for (let attempt = 1; ; attempt++) {
      const relay = await Relay.start(target);
      try {
        const datagrams = await DatagramRelay.start(relay.port, target, seed);
        relay.#datagrams = datagrams;
        return Object.assign(relay, { datagrams });
      } catch (error) {
        await relay[Symbol.asyncDispose]();
        if (attempt === 20) throw error;
      }
    }
  }

  /** Listens on a free port of 127.0.0.1 and passes on to `target` there. */
  static async start(target: number): Promise<Relay> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const relay = new Relay(server, target);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#lines.size;
  }

  /** Closes what is open, as a broken network does (RST), or cleanly; new connections are taken as before. */
  cutAll(how: "end" | "reset" = "reset"): void {
    for (const line of this.#lines) line.close(how);
  }

  /** Clients are reset; the server's ends of their connections stay open, and silent. New connections are taken as before. */
  abandonAll(): void {
    for (const line of this.#lines) line.abandon();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#datagrams?.[Symbol.asyncDispose]();
    this.cutAll();
    await new Promise<void>((done) => this.#server.close(() => done()));
  }

  #accept(client: Socket): void {
    this.accepted += 1;
    const server = connect({ port: this.#target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    const line = new TcpLine(client, server, this);
    this.#lines.add(line);
    line.onClose = () => this.#lines.delete(line);
    for (const direction of DIRECTIONS) void line.carry(direction);
  }
}

class TcpLine {
  onClose: () => void = () => undefined;
  readonly #ends: Record<Direction, [from: Socket, to: Socket]>;
  readonly #relay: Relay;
  #closed = false;
  #abandoned = false;
  #finished = 0;

  constructor(client: Socket, server: Socket, relay: Relay) {
    this.#ends = { up: [client, server], down: [server, client] };
    this.#relay = relay;
    for (const socket of [client, server]) socket.on("error", () => this.#failed());
  }

  /** Carries one direction to its end. Delayed pieces travel behind each other; what the relay holds is limited. */
  async carry(direction: Direction): Promise<void> {
    const [from, to] = this.#ends[direction];
    let held = 0;
    let passed = 0;
    let last: Promise<void> = Promise.resolve();
    const pass = async (bytes: Uint8Array, due: number): Promise<void> => {
      await Bun.sleep(Math.max(0, due - performance.now()));
      for (let at = 0; at < bytes.length && !this.#closed;) {
        const faults = this.#relay.faults[direction];
        const size = Math.min(faults.rate === Infinity ? bytes.length : PIECE, faults.cutAfter - passed);
        const piece = bytes.subarray(at, at + size);
        await this.#pause(direction, piece.length);
        await write(to, piece);
        passed += piece.length;
        at += piece.length;
        this.#relay.bytes[direction] += piece.length;
        if (passed >= faults.cutAfter) this.close(faults.cut);
      }
      held -= bytes.length;
    };
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        held += chunk.length;
        const { delayMs } = this.#relay.faults[direction];
        const due = performance.now() + delayMs;
        last = last.then(() => pass(chunk, due));
        if (held > (delayMs > 0 ? MAX_HELD : MAX_UNDELAYED)) await last;
        else last.catch(() => this.#failed());
      }
      await last;
      to.end();
    } catch {
      return this.#failed();
    }
    this.#finished += 1;
    if (this.#finished === 2) this.close("end");
  }

  abandon(): void {
    this.#abandoned = true;
    this.#ends.up[0].resetAndDestroy();
  }

  /** An end has gone: the other one learns it the same way. */
  #failed(): void {
    if (!this.#abandoned) this.close("reset");
  }

  close(how: "end" | "reset"): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const [from] of Object.values(this.#ends)) {
      // what the other end has not read yet would be gone with a socket that is closed before ours has read all of its own
      if (how === "end") from.end();
      else from.resetAndDestroy();
    }
    this.onClose();
  }

  async #pause(direction: Direction, bytes: number): Promise<void> {
    const { rate } = this.#relay.faults[direction];
    if (rate !== Infinity) await Bun.sleep((bytes / rate) * 1000);
    while (this.#relay.faults[direction].stalled && !this.#closed) await Bun.sleep(STALL_POLL_MS);
  }
}

function write(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((done, fail) => {
    socket.write(bytes, (error) => (error === null || error === undefined ? done() : fail(error)));
  });
}
