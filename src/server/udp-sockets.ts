import { networkInterfaces } from "node:os";
import { SockError } from "../errors.ts";
import type { Address } from "../protocol/address.ts";
import { MAX_UDP_SOCKETS } from "../protocol/constants.ts";
import { DatagramSocket } from "../transport/datagrams.ts";
import { PollLoop, type PollOptions } from "../transport/poll-loop.ts";

export type Receive = (socket: DatagramSocket, bytes: Buffer, port: number, address: string) => void;

/**
 * A socket for each local address, shared by all clients: what is sent from a socket on a wildcard address may leave from
 * another address than the one that was asked.
 */
export class UdpSockets {
  readonly #receive: Receive;
  readonly #sockets = new Map<string, DatagramSocket>();
  #closed = false;

  constructor(receive: Receive) {
    this.#receive = receive;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /**
   * Opens those that belong to a listener of TCP; a name's addresses are opened when somebody comes there. Throws
   * `port-in-use`, and keeps what is open then.
   */
  async open(listener: Address, port: number): Promise<void> {
    if (listener.kind === "unix") return;
    for (const address of localAddresses(listener.host)) {
      try {
        await this.at(address, port);
      } catch (thrown) {
        // one that has just gone, or is not ready yet, is for later
        if (!(thrown instanceof SockError) || thrown.code === "port-in-use") throw thrown;
      }
    }
  }

  /** The one for an address of this machine and a port. */
  async at(address: string, port: number): Promise<DatagramSocket> {
    const key = keyOf(address, port);
    const known = this.#sockets.get(key);
    if (known !== undefined) return known;
    if (this.#sockets.size >= MAX_UDP_SOCKETS) throw new SockError("busy", "too many addresses are in use");
    const socket: DatagramSocket = await DatagramSocket.bind(address, port, {
      datagram: (bytes, from, peer) => this.#receive(socket, bytes, from, peer),
    });
    const other = this.#sockets.get(key);
    if (other !== undefined || this.#closed) socket.close();
    if (this.#closed) throw new SockError("draining", "the server is stopping");
    if (other !== undefined) return other;
    this.#sockets.set(key, socket);
    socket.deafen(true);
    return socket;
  }

  /** Takes what comes to those that are open now past the event loop; undefined where that can't be done. */
  poll(options: PollOptions): Promise<void> | undefined {
    return PollLoop.of([...this.#sockets.values()], options)?.run();
  }

  /** Whether a datagram from there is one of our own. */
  has(address: string, port: number): boolean {
    return this.#sockets.has(keyOf(address, port));
  }

  /** Closes all; `reopen` where the next ones may follow. */
  close(reopen = false): void {
    this.#closed = !reopen;
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }
}

function keyOf(address: string, port: number): string {
  return `${address} ${port}`;
}

function localAddresses(host: string): string[] {
  const family = host === "0.0.0.0" ? "IPv4" : host === "::" ? "IPv6" : undefined;
  if (family === undefined) return /^[\d.]+$/.test(host) || host.includes(":") ? [host] : [];
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  // a link-local address is one only with its interface
  return own
    .filter((one) => one.family === family && !/^fe[89ab]/i.test(one.address))
    .map((one) => one.address)
    .slice(0, MAX_UDP_SOCKETS / 2);
}
