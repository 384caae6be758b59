import { SockError } from "../errors.ts";
import {
  type DatagramCalls,
  datagramCalls,
  type DatagramSent,
  type Endpoint,
  type Watch,
  watchOf,
} from "../os/datagrams.ts";
import { droppedIncoming, dropIncoming, enlargeReceiveBuffer } from "../os/native.ts";
import { unwrapAddress } from "./connection.ts";
import { PollLoop, type PollOptions } from "./poll-loop.ts";

/** A send is tried so often: each time it may report an ICMP error that belongs to an earlier one (Bun issue 29116). */
const SEND_TRIES = 3;
/** What the system may keep for us while we are busy, bytes; it may allow less. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/** Some more small ones than fit into that. */
const MOST_WAITING = 8192;

export type Sent = DatagramSent | "failed";

export interface DatagramSink {
  /** `bytes` may be changed, and are somebody else's when this returns. */
  datagram(bytes: Buffer, port: number, address: string): void;
  /** Somebody on the way said that there is nobody (ICMP). */
  unreachable?(): void;
}

/** What a run needs of a socket. */
export interface Outlet {
  send(bytes: Uint8Array, port: number, address: string): Sent;
  /** Datagrams that the system dropped because we did not read them in time; null where it does not say. */
  drops(): number | null;
  /** Takes what comes past the event loop until `due` says that it is over; undefined where that can't be done. */
  poll?(options: PollOptions): Promise<void> | undefined;
  /** Datagrams that were taken, and could not be sent later. */
  readonly unsent?: number;
}

/** A bound UDP socket that survives what peers and networks do to it. */
export class DatagramSocket implements Outlet {
  readonly #socket: Bun.udp.Socket<"buffer">;
  readonly #sink: DatagramSink;
  /** For what goes past the runtime; undefined where nothing can. */
  readonly #direct: { readonly calls: DatagramCalls; readonly fd: number } | undefined;
  readonly #ipv6: boolean;
  #peer: Endpoint | undefined;
  #closed = false;
  #isDeaf = false;
  #drops = 0;
  #watch: Watch | undefined;

  private constructor(socket: Bun.udp.Socket<"buffer">, sink: DatagramSink) {
    this.#socket = socket;
    this.#sink = sink;
    this.#ipv6 = socket.hostname.includes(":");
    const calls = datagramCalls();
    // the types don't know it
    const fd: unknown = Reflect.get(socket, "fd");
    if (typeof fd !== "number") return;
    enlargeReceiveBuffer(fd, RECEIVE_BUFFER_BYTES);
    if (calls !== undefined) this.#direct = { calls, fd };
  }

  /** Throws `port-in-use`, `usage` (not an address of this machine), `failed`. */
  static async bind(address: string, port: number, sink: DatagramSink): Promise<DatagramSocket> {
    try {
      const socket = await Bun.udpSocket({
        hostname: address,
        port,
        binaryType: "buffer",
        socket: {
          data: (_socket, bytes, from, peer) => sink.datagram(bytes, from, unwrapAddress(peer)),
          error: () => sink.unreachable?.(),
        },
      });
      return new DatagramSocket(socket, sink);
    } catch (thrown) {
      throw bindFailure(thrown, address, port);
    }
  }

  get port(): number {
    return this.#socket.port;
  }

  /** How the event loop watches it; undefined where nothing can go past that, and after the end. */
  get watch(): Watch | undefined {
    if (this.fd === undefined) return undefined;
    // it stays as it is, and to find it among many connections takes a while
    return (this.#watch ??= watchOf(this.fd));
  }

  /** Undefined where nothing can go past the runtime, and after the end. */
  get fd(): number | undefined {
    return this.#closed ? undefined : this.#direct?.fd;
  }

  /**
   * While nobody wants what comes, the system throws it away (Linux only): the event loop takes datagrams until there are no
   * more, and does nothing else as long as they come faster than that.
   */
  deafen(isDeaf: boolean): void {
    if (isDeaf === this.#isDeaf || this.fd === undefined) return;
    dropIncoming(this.fd, isDeaf);
    this.#isDeaf = isDeaf;
  }

  poll(options: PollOptions): Promise<void> | undefined {
    return PollLoop.of([this], options)?.run();
  }

  /** Takes one datagram past the event loop, and hands it on: whether there was one. */
  take(): boolean {
    if (this.#direct === undefined || this.#closed) return false;
    const { calls, fd } = this.#direct;
    const length = calls.receive(fd);
    if (length === -1) return false;
    const source = length < 0 ? undefined : calls.source();
    if (source === undefined) {
      this.#sink.unreachable?.();
      return true;
    }
    this.#peer = source;
    this.#sink.datagram(calls.received(length), source.port, source.address);
    return true;
  }

  /** Takes what waits already, before an account of it is given. */
  catchUp(): void {
    for (let taken = 0; taken < MOST_WAITING && this.take(); taken++);
  }

  send(bytes: Uint8Array, port: number, address: string): Sent {
    return this.#sendDirectly(bytes, port, address) ?? this.#sendByRuntime(bytes, port, address);
  }

  /** Undefined where it can't be done this way, or failed for a reason that may be an earlier datagram's. */
  #sendDirectly(bytes: Uint8Array, port: number, address: string): Sent | undefined {
    if (this.#direct === undefined || this.#closed) return undefined;
    const { calls, fd } = this.#direct;
    if (this.#peer?.port !== port || this.#peer.address !== address) {
      this.#peer = calls.endpoint(address, port, this.#ipv6);
    }
    return this.#peer === undefined ? undefined : calls.send(fd, bytes, this.#peer);
  }

  #sendByRuntime(bytes: Uint8Array, port: number, address: string): Sent {
    for (let attempt = 1; ; attempt++) {
      try {
        return this.#socket.send(bytes, port, address) ? "sent" : "full";
      } catch (thrown) {
        const code = errno(thrown);
        if (code === "EMSGSIZE") return "too-large";
        if (code === "ENOBUFS" || code === "EAGAIN") return "full";
        if (attempt === SEND_TRIES) return "failed";
      }
    }
  }

  drops(): number | null {
    const drops = this.fd === undefined ? undefined : droppedIncoming(this.fd);
    return drops === undefined ? null : (this.#drops += (drops - this.#drops) >>> 0);
  }

  close(): void {
    this.#closed = true;
    this.#socket.close();
  }
}

function errno(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
}

function bindFailure(thrown: unknown, address: string, port: number): SockError {
  const code = errno(thrown);
  const where = `${address} port ${port} (udp)`;
  if (code === "EADDRINUSE") {
    return new SockError(
      "port-in-use",
      `${where} is in use`,
      "another sock serve? sock serve --listen HOST:PORT takes another one",
    );
  }
  if (code === "EADDRNOTAVAIL") return new SockError("usage", `${where} is not an address of this machine`);
  return new SockError("failed", `can't open ${where}${code === "" ? "" : ` (${code})`}`);
}
