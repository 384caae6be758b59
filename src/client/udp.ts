import { SockError } from "../errors.ts";
import type { RoundTrips } from "../measure/round-trips.ts";
import type { Counts } from "../protocol/udp-messages.ts";
import { DatagramSocket } from "../transport/datagrams.ts";
import type { Target } from "./hosts.ts";
import { Session, type SessionOptions } from "./session.ts";
import { UdpControl } from "./udp-control.ts";
import { rehearse } from "./udp-rehearsal.ts";
import { DatagramRun, type RunOptions } from "./udp-run.ts";
import { type Fill, PlainWire, SockWire } from "./udp-wire.ts";

export interface UdpOptions extends SessionOptions, Omit<RunOptions, "signal" | "ended"> {
  /** Bytes of each datagram, our header included. */
  readonly size: number;
  readonly fill: Fill;
  /** Datagrams that go before, and count for nothing. */
  readonly warmup: number;
}

export interface UdpMeasured {
  /** Where the datagrams went. */
  readonly address: string;
  readonly port: number;
  readonly trips: RoundTrips;
  /** What the server has counted; undefined where it could not be asked. */
  readonly counts: Counts | undefined;
  readonly started: Date;
  readonly foreign: number;
  readonly full: number;
  /** What our own system dropped because we were too slow; null where it does not say. */
  readonly ownDrops: number | null;
  /** What ended it before its time; all that was measured until then is there. */
  readonly failure: SockError | undefined;
}

/** What is agreed for a run without a schedule: faster than any round trip. */
const PING_PONG_NS = 10_000;
/** A plain server that is waited for is sent a datagram, waited for so long, and sent the next one so much later, ms. */
const TRY_MS = 1000;
const TRY_AGAIN_MS = 100;

interface Peer {
  address: string;
  port: number;
}

/** A socket whose datagrams go to the run that is on. */
class Line {
  #run: DatagramRun | undefined;
  #socket: DatagramSocket | undefined;

  static async open(local: string): Promise<Line> {
    const line = new Line();
    line.#socket = await DatagramSocket.bind(local, 0, {
      datagram: (bytes, port, address) => line.#run?.datagram(bytes, port, address),
      unreachable: () => line.#run?.unreachable(),
    });
    line.deafen();
    return line;
  }

  get socket(): DatagramSocket {
    if (this.#socket === undefined) throw new SockError("internal", "a line without a socket");
    return this.#socket;
  }

  /** From now on it is this run's; what the system had dropped until then, null where it does not say. */
  hear(run: DatagramRun): number | null {
    this.socket.deafen(false);
    this.#run = run;
    return this.socket.drops();
  }

  /** Nobody is there for what comes: it must not keep the event loop from the session, or from Ctrl-C. */
  deafen(): void {
    this.#run = undefined;
    this.socket.deafen(true);
  }

  /** What comes until `last` is there belongs to the run still; for the same reason it is taken past the event loop. */
  async during<T>(last: Promise<T>): Promise<T> {
    let isOver = false;
    const due = (): number | undefined => (isOver ? undefined : Number.POSITIVE_INFINITY);
    const polling = this.socket.poll({ due, awaits: () => false, spinMs: 0 });
    try {
      return await last;
    } finally {
      isOver = true;
      await polling;
      // the replies that the server sent before its counts
      this.socket.catchUp();
    }
  }

  close(): void {
    this.#socket?.close();
  }
}

/** Round trips to a server of sock. Throws what keeps a run from beginning. */
export async function measureUdp(target: Target, options: UdpOptions): Promise<UdpMeasured> {
  const session = await openUntil(target, options);
  try {
    return await measureOver(session, options);
  } finally {
    session.close();
  }
}

/** The same over a session that is there already. */
export async function measureOver(session: Session, options: UdpOptions): Promise<UdpMeasured> {
  rehearse();
  let line: Line | undefined;
  try {
    const { address, port, localAddress } = session.channel.connection;
    if (address === "")
      throw new SockError(
        "policy",
        "a unix socket has no address for datagrams",
        "name the server by HOST:PORT",
      );
    line = await Line.open(localAddress);
    if (options.warmup > 0) {
      await agreedRun(session, line, { address, port }, { ...warm(options), count: options.warmup });
    }
    return await agreedRun(session, line, { address, port }, options);
  } finally {
    line?.close();
  }
}

/** An abort ends the opening; later on it ends the run, and the server still has its counts to tell. */
async function openUntil(target: Target, options: UdpOptions): Promise<Session> {
  const opening = new AbortController();
  const abort = (): void => opening.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    if (options.signal?.aborted === true) abort();
    return await Session.open(target, { ...options, signal: opening.signal });
  } finally {
    options.signal?.removeEventListener("abort", abort);
  }
}

async function agreedRun(
  session: Session,
  line: Line,
  peer: Peer,
  options: UdpOptions,
): Promise<UdpMeasured> {
  const { count, intervalNs, size, fill } = options;
  const interval = intervalNs === 0 ? PING_PONG_NS : intervalNs;
  const control = await UdpControl.begin(session, { count, interval, bytes: size });
  const started = new Date();
  const run = new DatagramRun(line.socket, peer, new SockWire(control, size, fill), {
    ...options,
    signal: options.signal,
    ended: () => control.over,
  });
  const drops = line.hear(run);
  try {
    await run.go();
  } catch (thrown) {
    control.leave();
    throw thrown;
  }
  const said = await line.during(control.counts(true));
  const counts = said === undefined || canBe(said, run.trips) ? said : undefined;
  const untrue =
    counts === said ? undefined : new SockError("protocol", "the server's counts of the run can't be true");
  return measured(run, peer, started, line, drops, counts, run.failure ?? control.failure ?? untrue);
}

/** Whether the two accounts fit together: otherwise more would be lost than was sent, or less than nothing. */
function canBe(
  { answered, corrupt, limited, reordered, extent }: Counts,
  { sent, back }: RoundTrips,
): boolean {
  const seen = answered + corrupt + limited;
  return seen <= sent && answered >= back && reordered <= seen && extent <= seen;
}

/** Round trips to an echo server that knows nothing of us: what can be known from here. */
export async function measurePlain(peer: Peer, options: UdpOptions): Promise<UdpMeasured> {
  const line = await Line.open(peer.address.includes(":") ? "::" : "0.0.0.0");
  try {
    await untilAnswered(line, peer, options);
    if (options.warmup > 0) await plainRun(line, peer, { ...warm(options), count: options.warmup });
    return await plainRun(line, peer, options);
  } finally {
    line.close();
  }
}

/** Nothing else says of such a server that it is up: one datagram after another, until one comes back or `readyMs` is over. */
async function untilAnswered(line: Line, peer: Peer, options: UdpOptions): Promise<void> {
  const end = performance.now() + (options.readyMs ?? 0);
  while (performance.now() < end && options.signal?.aborted !== true) {
    const { trips } = await plainRun(line, peer, { ...warm(options), count: 1, waitMs: TRY_MS });
    if (trips.back > 0) return;
    await Bun.sleep(Math.min(TRY_AGAIN_MS, Math.max(0, end - performance.now())));
  }
}

async function plainRun(line: Line, peer: Peer, options: UdpOptions): Promise<UdpMeasured> {
  const started = new Date();
  const run = new DatagramRun(line.socket, peer, new PlainWire(options.size, options.fill), {
    ...options,
    signal: options.signal,
  });
  const drops = line.hear(run);
  await run.go();
  return measured(run, peer, started, line, drops, undefined, run.failure);
}

/** The same without what belongs to the run that counts. */
function warm(options: UdpOptions): UdpOptions {
  const { onProgress: _progress, onSent: _sent, onReply: _reply, ...rest } = options;
  const { onCopy: _copy, onOvertaken: _overtaken, ...bare } = rest;
  return bare;
}

function measured(
  run: DatagramRun,
  { address, port }: Peer,
  started: Date,
  line: Line,
  before: number | null,
  counts: Counts | undefined,
  failure: SockError | undefined,
): UdpMeasured {
  const { trips, foreign, full } = run;
  const after = line.socket.drops();
  line.deafen();
  const ownDrops = before === null || after === null ? null : after - before;
  return { address, port, trips, counts, started, foreign, full, ownDrops, failure };
}
