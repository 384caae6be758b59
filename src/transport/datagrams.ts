import { readFileSync } from "node:fs";
import { SockError } from "../errors.ts";
import { enlargeReceiveBuffer } from "../os/native.ts";
import { unwrapAddress } from "./connection.ts";

/** A send is tried so often: each time it may report an ICMP error that belongs to an earlier one (Bun issue 29116). */
const SEND_TRIES = 3;
/** What the system may keep for us while we are busy, bytes; it may allow less. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

export type Sent =
  | "sent"
  /** Our own system has no room now. */
  | "full"
  /** Longer than the way out takes. */
  | "too-large"
  | "failed";

export interface DatagramSink {
  /** `bytes` are the receiver's own from now on. */
  datagram(bytes: Buffer, port: number, address: string): void;
  /** Somebody on the way said that there is nobody (ICMP). */
  unreachable?(): void;
}

/** What a run needs of a socket. */
export interface Outlet {
  send(bytes: Uint8Array, port: number, address: string): Sent;
  /** Datagrams that the system dropped because we did not read them in time; null where it does not say. */
  drops(): number | null;
}

/** A bound UDP socket that survives what peers and networks do to it. */
export class DatagramSocket implements Outlet {
  readonly #socket: Bun.udp.Socket<"buffer">;

  private constructor(socket: Bun.udp.Socket<"buffer">) {
    this.#socket = socket;
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
      // the types don't know it
      const fd: unknown = Reflect.get(socket, "fd");
      if (typeof fd === "number") enlargeReceiveBuffer(fd, RECEIVE_BUFFER_BYTES);
      return new DatagramSocket(socket);
    } catch (thrown) {
      throw bindFailure(thrown, address, port);
    }
  }

  get port(): number {
    return this.#socket.port;
  }

  send(bytes: Uint8Array, port: number, address: string): Sent {
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
    return dropsAt(this.#socket.port, this.#socket.hostname);
  }

  close(): void {
    this.#socket.close();
  }
}

function errno(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
}

/** The last column of /proc/net/udp (proc(5)), of the sockets bound to this port and address. */
function dropsAt(port: number, address: string): number | null {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  try {
    const table = readFileSync(address.includes(":") ? "/proc/net/udp6" : "/proc/net/udp", "latin1");
    const local = address.includes(":") ? `:${hexPort}` : `${hexIPv4(address)}:${hexPort}`;
    let drops: number | null = null;
    for (const line of table.split("\n")) {
      const cells = line.trim().split(/\s+/);
      if (cells[1]?.endsWith(local) === true) drops = (drops ?? 0) + Number(cells.at(-1));
    }
    return drops;
  } catch {
    return null;
  }
}

/** As the kernel writes it: the number in this machine's byte order, which is little-endian wherever Bun runs. */
function hexIPv4(address: string): string {
  const bytes = address.split(".").map((part) => Number(part).toString(16).toUpperCase().padStart(2, "0"));
  return bytes.toReversed().join("");
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
