import { SockError } from "../errors.ts";
import { DATAGRAM_HEADER_BYTES, MAX_DATAGRAM_BYTES, MAX_UDP_COUNT } from "../protocol/constants.ts";
import { payloadOf } from "../protocol/datagram.ts";
import { DatagramSocket } from "../transport/datagrams.ts";
import type { Target } from "./hosts.ts";
import { Session, type SessionOptions } from "./session.ts";
import { UdpControl } from "./udp-control.ts";
import { MAX_TIMER_MS } from "../os/timer.ts";
import { SockWire } from "./udp-wire.ts";

/** One text at a time, each waits for its own reply. */
const ECHO_INTERVAL_NS = 1_000_000;
/** Texts that may come before their time: a server lets that of a second through at once. */
const AHEAD = 500;
const NS_PER_MS = 1e6;
/** Pause between two tries while a server is waited for, ms. */
const TRY_AGAIN_MS = 100;
export const MAX_ECHO_BYTES = MAX_DATAGRAM_BYTES - DATAGRAM_HEADER_BYTES;
const MAX_PLAIN_BYTES = MAX_DATAGRAM_BYTES;

/** What came back for a text, and after how long, ms; undefined: nothing within the wait. */
export type Back = { readonly bytes: Uint8Array; readonly ms: number } | undefined;

/** Somebody who sends datagrams back. */
export interface Echoer {
  echo(bytes: Uint8Array, waitMs: number): Promise<Back>;
  /** Why there will be no more replies: the server went, or nobody is there. */
  readonly failure: SockError | undefined;
  /** Called once when that becomes known. */
  onEnd(listener: () => void): void;
  close(): void;
}

/** Hands the next reply that fits to whoever waits for it. */
class Waiter {
  failure: SockError | undefined;
  #take: ((bytes: Buffer) => Uint8Array | undefined) | undefined;
  #resolve: ((back: Uint8Array | undefined) => void) | undefined;
  #listeners: (() => void)[] = [];

  datagram(bytes: Buffer): void {
    const back = this.#take?.(bytes);
    if (back !== undefined) this.#settle(back);
  }

  fail(failure: SockError): void {
    this.failure ??= failure;
    this.#settle(undefined);
    for (const listener of this.#listeners.splice(0)) listener();
  }

  /** The one that is waited for will not come. */
  miss(): void {
    this.#settle(undefined);
  }

  onEnd(listener: () => void): void {
    if (this.failure === undefined) this.#listeners.push(listener);
    else listener();
  }

  async next(
    take: (bytes: Buffer) => Uint8Array | undefined,
    waitMs: number,
  ): Promise<Uint8Array | undefined> {
    if (this.failure !== undefined) return undefined;
    const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
    this.#take = take;
    this.#resolve = resolve;
    const timer = setTimeout(() => this.#settle(undefined), Math.min(waitMs, MAX_TIMER_MS));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #settle(back: Uint8Array | undefined): void {
    this.#take = undefined;
    this.#resolve?.(back);
    this.#resolve = undefined;
  }
}

/** Throws what `Session.open` throws, and the server's refusal of a run. */
export async function openEcho(target: Target, options: SessionOptions): Promise<Echoer> {
  const session = await Session.open(target, options);
  const waiter = new Waiter();
  let socket: DatagramSocket | undefined;
  try {
    const { address, port, localAddress } = session.channel.connection;
    const size = MAX_DATAGRAM_BYTES;
    const control = await UdpControl.begin(session, {
      count: MAX_UDP_COUNT,
      interval: ECHO_INTERVAL_NS,
      bytes: size,
    });
    const wire = new SockWire(control, size);
    socket = await DatagramSocket.bind(localAddress, 0, {
      datagram: (bytes, from, peer) => {
        if (from === port && peer === address) waiter.datagram(bytes);
      },
    });
    const line = socket;
    control.onOver = (failure) => waiter.fail(failure);
    let number = 0;
    let begun: number | undefined;
    return {
      echo: async (bytes, waitMs) => {
        checkSize(bytes, MAX_ECHO_BYTES);
        const own = number++;
        begun ??= performance.now();
        // a pipe is faster than the rate that was agreed, and what is over that gets no reply
        const early = begun + ((own - AHEAD) * ECHO_INTERVAL_NS) / NS_PER_MS - performance.now();
        if (early > 0) await Bun.sleep(early);
        const started = performance.now();
        send(line, wire.carry(own, bytes), port, address);
        const back = await waiter.next((datagram) => {
          const reply = wire.read(datagram);
          return reply?.number === own && reply.intact ? payloadOf(datagram) : undefined;
        }, waitMs);
        return back && { bytes: back, ms: performance.now() - started };
      },
      get failure() {
        return waiter.failure;
      },
      onEnd: (listener) => waiter.onEnd(listener),
      close: () => {
        line.close();
        control.leave();
        session.close();
      },
    };
  } catch (thrown) {
    socket?.close();
    session.close();
    throw thrown;
  }
}

/** An echo server that knows nothing of us. The first text is sent as often as it takes until `readyMs` is over. */
export async function openPlainEcho(
  peer: { address: string; port: number },
  { readyMs = 0, signal }: SessionOptions,
): Promise<Echoer> {
  const { address, port } = peer;
  const waiter = new Waiter();
  const end = performance.now() + readyMs;
  let wasAnswered = false;
  const isAwaited = (): boolean => !wasAnswered && performance.now() < end && signal?.aborted !== true;
  let refused: SockError | undefined;
  const socket = await DatagramSocket.bind(address.includes(":") ? "::" : "0.0.0.0", 0, {
    datagram: (bytes, from, source) => {
      if (from === port && source === address) waiter.datagram(bytes);
    },
    unreachable: () => {
      refused = new SockError("refused", "nothing listens there for datagrams");
      if (isAwaited()) waiter.miss();
      else waiter.fail(refused);
    },
  });
  return {
    echo: async (bytes, waitMs) => {
      checkSize(bytes, MAX_PLAIN_BYTES);
      for (;;) {
        refused = undefined;
        const started = performance.now();
        send(socket, bytes, port, address);
        const back = await waiter.next((datagram) => (datagram.equals(bytes) ? datagram : undefined), waitMs);
        wasAnswered ||= back !== undefined;
        if (back !== undefined) return { bytes: back, ms: performance.now() - started };
        if (isAwaited()) await Bun.sleep(TRY_AGAIN_MS);
        if (isAwaited()) continue;
        // whoever was told to stop says that
        if (refused !== undefined && signal?.aborted !== true) waiter.fail(refused);
        return undefined;
      }
    },
    get failure() {
      return waiter.failure;
    },
    onEnd: (listener) => waiter.onEnd(listener),
    close: () => socket.close(),
  };
}

function checkSize(bytes: Uint8Array, most: number): void {
  if (bytes.length > most) {
    throw new SockError(
      "too-large",
      `a datagram carries at most ${most} bytes of text, not ${bytes.length}`,
      "sock echo has no such limit",
    );
  }
}

function send(socket: DatagramSocket, bytes: Uint8Array, port: number, address: string): void {
  const outcome = socket.send(bytes, port, address);
  if (outcome === "too-large") throw new SockError("too-large", "the way out takes no datagram of this size");
}
