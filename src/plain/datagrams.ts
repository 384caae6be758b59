/** Datagrams of plain peers: each one is answered, or lost on purpose. */
import { ImpairedDatagrams } from "../measure/impaired-datagrams.ts";
import { inRanges } from "../protocol/cidr.ts";
import { peerIp } from "../protocol/ip.ts";
import { DelayLine, DelayRoom } from "../transport/delay-line.ts";
import { LOOP_BUDGET, MAX_PLAIN_FLOWS } from "./limits.ts";
import { LoopGuard } from "./loop-guard.ts";
import type { PlainAddress } from "./address.ts";
import type { PlainServer, ServeOptions } from "./serve.ts";
import { bindFailure } from "./socket.ts";
import { preciseNow } from "./trace.ts";

/** Ports below are services', and need privileges. */
const FIRST_CLIENT_PORT = 1024;

/** Bun's types don't know it; without it [::] would take the IPv4 port too. */
const IPV6_ONLY = { flags: 8 };

type UdpAddress = Extract<PlainAddress, { kind: "tcp" | "udp" }>;

interface Where {
  readonly peer: string;
  readonly port: number;
  readonly ip: string;
}

export async function serveDatagrams(options: ServeOptions, address: UdpAddress): Promise<PlainServer> {
  const { dialect, trace, allowFrom } = options;
  const reply = dialect.kind === "echo" ? dialect.reply : undefined;
  const flows = new Flows(options, (bytes, { peer, port, ip }) => {
    trace?.({ time: preciseNow(), peer, direction: "write", bytes });
    try {
      socket.send(bytes, port, ip);
    } catch {
      // a full buffer, or a peer that is gone: UDP loses such a datagram
    }
  });
  const guard = new LoopGuard();
  const told = new Set<string>();
  const refuse = (peer: string, why: string): void => {
    if (!told.has(why)) options.refused(peer, why);
    told.add(why);
  };
  let socket: Bun.udp.Socket<"buffer">;
  try {
    socket = await Bun.udpSocket({
      hostname: address.host,
      port: address.port,
      ...(peerIp(address.host)?.length === 16 ? IPV6_ONLY : {}),
      socket: {
        data(_socket, data, port, ip) {
          if (!inRanges(ip, allowFrom)) return;
          const peer = ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
          if (mayAnswerBack(port, socket.port)) {
            refuse(peer, "a service's port: answers could go round for ever");
            return;
          }
          const admitted = guard.admits(ip, port, data, performance.now());
          if (admitted === "loop")
            refuse(peer, "the same again and again: one was not answered, to end a loop");
          if (admitted === "budget") refuse(peer, `more than ${LOOP_BUDGET} datagrams a second`);
          if (admitted !== "yes") return;
          // as any other queue that is full
          if (trace !== undefined && options.isBehind()) return;
          trace?.({ time: preciseNow(), peer, direction: "read", bytes: data });
          if (reply !== undefined) flows.send(reply(data), { peer, port, ip });
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

/**
 * Whether what is at this port may be a service that answers answers (echo, chargen, time…, or one like us): a forged
 * sender would have the two of us talk for ever (CVE-1999-0103). Clients get ports above these.
 */
export function mayAnswerBack(port: number, own: number): boolean {
  return port < FIRST_CLIENT_PORT || port === own;
}

type Send = (bytes: Uint8Array, where: Where) => void;

/** The impairment of each peer's datagrams: the n-th peer has the n-th row of chances. */
class Flows {
  readonly #impair: ServeOptions["impair"];
  readonly #send: Send;
  readonly #lines = new Map<string, DelayLine<Where>>();
  readonly #room = new DelayRoom();
  #count = 0;

  constructor({ impair }: ServeOptions, send: Send) {
    this.#impair = impair;
    this.#send = send;
  }

  send(bytes: Uint8Array, where: Where): void {
    if (this.#impair === undefined) this.#send(bytes, where);
    else this.#lineOf(where.peer, this.#impair).send(bytes, where);
  }

  stop(): void {
    for (const line of this.#lines.values()) line.stop();
  }

  #lineOf(peer: string, { how, seed }: NonNullable<ServeOptions["impair"]>): DelayLine<Where> {
    const known = this.#lines.get(peer);
    if (known !== undefined) return known;
    const [oldest] = this.#lines;
    if (oldest !== undefined && this.#lines.size >= MAX_PLAIN_FLOWS) {
      oldest[1].stop();
      this.#lines.delete(oldest[0]);
    }
    const line = new DelayLine(
      new ImpairedDatagrams<Where>(how, seed, this.#count++),
      this.#room,
      this.#send,
    );
    this.#lines.set(peer, line);
    return line;
  }
}
