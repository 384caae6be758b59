/** Datagrams of plain peers: each one is answered, or lost on purpose. */
import { type Departure, ImpairedDatagrams } from "../measure/impaired-datagrams.ts";
import { inRanges } from "../protocol/cidr.ts";
import { MAX_PLAIN_FLOWS } from "./limits.ts";
import type { PlainAddress } from "./address.ts";
import type { PlainServer, ServeOptions } from "./serve.ts";
import { bindFailure } from "./socket.ts";
import { preciseNow } from "./trace.ts";

type UdpAddress = Extract<PlainAddress, { kind: "tcp" | "udp" }>;

/** Answers to one peer that may wait for their time at once; what is more is lost, as in any queue. */
const MOST_DELAYED = 100_000;

export async function serveDatagrams(options: ServeOptions, address: UdpAddress): Promise<PlainServer> {
  const { dialect, trace, allowFrom } = options;
  const reply = dialect.kind === "echo" ? dialect.reply : undefined;
  const flows = new Flows(options);
  let socket: Bun.udp.Socket<"buffer">;
  try {
    socket = await Bun.udpSocket({
      hostname: address.host,
      port: address.port,
      socket: {
        data(_socket, data, port, ip) {
          if (!inRanges(ip, allowFrom)) return;
          const peer = ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
          trace?.({ time: preciseNow(), peer, direction: "read", bytes: data });
          if (reply === undefined) return;
          flows.send(peer, reply(data), (bytes) => {
            trace?.({ time: preciseNow(), peer, direction: "write", bytes });
            try {
              socket.send(bytes, port, ip);
            } catch {
              // a full buffer, or a peer that is gone: UDP loses such a datagram
            }
          });
        },
        // ICMP says that a peer is gone: no matter
        error: () => undefined,
      },
    });
  } catch (thrown) {
    throw bindFailure(thrown, address);
  }
  return {
    dialect,
    address: { ...address, port: socket.port },
    stop: () => {
      flows.stop();
      socket.close();
    },
  };
}

type Send = (bytes: Uint8Array) => void;

/** The impairment of each peer's datagrams: the n-th peer has the n-th row of chances. */
class Flows {
  readonly #impair: ServeOptions["impair"];
  readonly #flows = new Map<string, Flow>();
  #count = 0;

  constructor({ impair }: ServeOptions) {
    this.#impair = impair;
  }

  send(peer: string, bytes: Uint8Array, send: Send): void {
    if (this.#impair === undefined) send(bytes);
    else this.#flowOf(peer, this.#impair, send).send(bytes);
  }

  stop(): void {
    for (const flow of this.#flows.values()) flow.stop();
  }

  #flowOf(peer: string, { how, seed }: NonNullable<ServeOptions["impair"]>, send: Send): Flow {
    const known = this.#flows.get(peer);
    if (known !== undefined) return known;
    const [oldest] = this.#flows.keys();
    if (oldest !== undefined && this.#flows.size >= MAX_PLAIN_FLOWS) this.#flows.delete(oldest);
    const flow = new Flow(new ImpairedDatagrams(how, seed, this.#count++), send);
    this.#flows.set(peer, flow);
    return flow;
  }
}

/** One peer's datagrams, each at its time; one timer, for two of nearly the same time may not fire in their order. */
class Flow {
  readonly #impaired: ImpairedDatagrams;
  readonly #send: Send;
  #queue: Departure[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;

  constructor(impaired: ImpairedDatagrams, send: Send) {
    this.#impaired = impaired;
    this.#send = send;
  }

  send(bytes: Uint8Array): void {
    const now = performance.now();
    const due = this.#impaired.send(bytes, now);
    // what waits is read later, and the socket's memory is its own
    for (const { at, bytes: sent } of due) this.#queue.push({ at, bytes: at > now ? sent.slice() : sent });
    if (this.#queue.length > MOST_DELAYED) this.#queue.length = MOST_DELAYED;
    this.#run();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #run(): void {
    const now = performance.now();
    if (this.#impaired.due !== undefined) this.#queue.push(...this.#impaired.late(now));
    let count = 0;
    for (const { at, bytes } of this.#queue) {
      if (at > now) break;
      this.#send(bytes);
      count += 1;
    }
    if (count > 0) this.#queue.splice(0, count);
    const next = Math.min(this.#queue[0]?.at ?? Infinity, this.#impaired.due ?? Infinity);
    // a timer for each datagram would cost more than the datagram
    if (next >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = next;
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(1, Math.ceil(next - now)));
  }

  #onTimer(): void {
    this.#timerAt = Infinity;
    this.#run();
  }
}
