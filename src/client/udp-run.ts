import { SockError } from "../errors.ts";
import { RoundTrips } from "../measure/round-trips.ts";
import { MIN_UDP_WAIT_MS, UDP_LATE_MS, UDP_SILENCE_MS } from "../protocol/constants.ts";
import type { Outlet } from "../transport/datagrams.ts";
import { Pace } from "./pace.ts";
import { MAX_TIMER_MS } from "../os/timer.ts";
import { nowNs, type Wire } from "./udp-wire.ts";

/** How often the run looks whether it should end, ms. */
const WATCH_MS = 20;
/** Who was told that nobody is there ends this long after, unless a reply comes, ms. */
const REFUSED_MS = 40;
/** So many sends in a row that our own system refuses mean that there is no way at all. */
const MOST_FAILED = 100;
const WAIT_RTTS = 3;
/** Datagrams that go out in a row before replies are looked for. */
const MOST_AT_ONCE = 16;
/** Where our own system has no room, it is asked again after this, ms. */
const RETRY_MS = 0.1;
/** A reply that comes sooner than this is waited for awake, ms. */
const SPIN_MS = 0.1;
/** Times of sending that are remembered; of older ones the datagram's own stamp counts. */
const REMEMBERED = 65_536;

export interface RunOptions {
  readonly count: number;
  /** 0: each is sent when the one before is back, or is given up. */
  readonly intervalNs: number;
  /** What is waited for late replies, ms; undefined: by the longest round trip. */
  readonly waitMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Asked now and then; what it returns ends the run. */
  readonly ended?: () => SockError | undefined;
  readonly onProgress?: (trips: RoundTrips) => void;
  /** Each datagram that is sent, and each reply that counts, in us from the run's start. */
  readonly onSent?: (number: number, at: number) => void;
  readonly onReply?: (number: number, rttUs: number) => void;
  /** Something came back for it once more; it came back after a later one. */
  readonly onCopy?: (number: number) => void;
  readonly onOvertaken?: (number: number) => void;
}

/** One run of datagrams to one peer, by its schedule. */
export class DatagramRun {
  readonly trips: RoundTrips;
  /** Datagrams that were not from the peer, or not replies of this run. */
  foreign = 0;
  /** Times that our own system had no room for a datagram. */
  full = 0;
  /** What ended it early. */
  failure: SockError | undefined;
  readonly #options: RunOptions;
  readonly #wire: Wire;
  readonly #socket: Outlet;
  readonly #peer: { address: string; port: number };
  /** When the latest numbers went out, ms: later than the stamp that is signed with them. */
  readonly #sentAt = new Float64Array(REMEMBERED);
  #pace: Pace | undefined;
  #over = false;
  #start = 0;
  #refusedAt: number | undefined;
  #failed = 0;
  #finish: () => void = () => undefined;
  #allSent: () => void = () => undefined;

  constructor(socket: Outlet, peer: { address: string; port: number }, wire: Wire, options: RunOptions) {
    this.#socket = socket;
    this.#peer = peer;
    this.#wire = wire;
    this.#options = options;
    this.trips = new RoundTrips((options.waitMs ?? UDP_LATE_MS) * 1e6);
  }

  /** Sends all and waits for the replies, or until something ends it; then `failure` says what. */
  async go(): Promise<void> {
    const { count, intervalNs, onProgress } = this.#options;
    const all = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    const watch = setInterval(() => {
      this.#watch();
      onProgress?.(this.trips);
    }, WATCH_MS);
    let polling: Promise<void> | undefined;
    try {
      this.#start = performance.now();
      // told to stop before it began
      this.#watch();
      if (this.failure !== undefined) return;
      if (intervalNs === 0) {
        this.#pingPong();
        polling = this.#poll();
        await (polling === undefined ? all : Promise.race([all, polling]));
        if (this.trips.back === 0) this.failure ??= silent();
        return;
      }
      const sent = Promise.withResolvers<void>();
      this.#allSent = sent.resolve;
      polling = this.#poll();
      if (polling !== undefined) {
        await Promise.race([polling, sent.promise]);
        await Promise.race([polling, this.#settle(all)]);
        return;
      }
      this.#pace = new Pace({
        count,
        intervalMs: intervalNs / 1e6,
        start: this.#start,
        send: (number, due) => this.#send(number, due),
        isOver: () => this.failure !== undefined,
        isQuiet: () => this.trips.isLastBack,
      });
      await this.#pace.run();
      await this.#settle(all);
    } finally {
      clearInterval(watch);
      this.#over = true;
      await polling;
    }
  }

  #poll(): Promise<void> | undefined {
    return this.#socket.poll?.({
      due: () => this.#due(),
      awaits: () => !this.trips.isLastBack,
      spinMs: this.#options.intervalNs === 0 ? SPIN_MS : 0,
    });
  }

  /** Sends what is due, and says when the next one is; undefined at the end. */
  #due(): number | undefined {
    const { count, intervalNs } = this.#options;
    if (this.#over) return undefined;
    if (intervalNs === 0) return Number.POSITIVE_INFINITY;
    const intervalMs = intervalNs / 1e6;
    for (let burst = 0; burst < MOST_AT_ONCE; burst++) {
      const number = this.trips.sent;
      if (number >= count || this.failure !== undefined) {
        this.#allSent();
        return Number.POSITIVE_INFINITY;
      }
      const due = this.#start + number * intervalMs;
      const now = performance.now();
      if (due > now) return due;
      if (!this.#send(number, due)) return now + RETRY_MS;
    }
    return performance.now();
  }

  /** What the socket got. */
  datagram(bytes: Buffer, port: number, address: string): void {
    const arrived = nowNs();
    const reply =
      port === this.#peer.port && address === this.#peer.address ? this.#wire.read(bytes) : undefined;
    if (reply === undefined) {
      this.foreign += 1;
      return;
    }
    const { number, sent, intact, held, place } = reply;
    // the time that signing took is ours, and not the network's
    const remembered = number >= this.trips.sent - REMEMBERED;
    const left = remembered ? Math.round((this.#sentAt[number % REMEMBERED] ?? 0) * 1e6) : sent;
    const rtt = Math.max(0, arrived - left);
    const { intervalNs } = this.#options;
    const due = intervalNs === 0 ? left : this.#start * 1e6 + number * intervalNs;
    const fromSchedule = Math.max(rtt, Math.round(arrived - due));
    const { received: before, duplicates } = this.trips;
    const { reordered } = this.trips.order;
    if (!this.trips.reply({ number, intact, rtt, fromSchedule, held, place })) this.foreign += 1;
    if (this.trips.received > before) this.#options.onReply?.(number, rtt / 1000);
    if (this.trips.duplicates > duplicates) this.#options.onCopy?.(number);
    if (this.trips.order.reordered > reordered) this.#options.onOvertaken?.(number);
    if (this.trips.back === this.#options.count) this.#finish();
    else if (this.trips.isLastBack) this.#pace?.quiet();
    if (intervalNs === 0 && number === this.trips.sent - 1 && this.trips.received > before) this.#pingPong();
  }

  /** Sends the next one of a run without a schedule. */
  #pingPong(): void {
    const number = this.trips.sent;
    if (this.failure !== undefined || number >= this.#options.count) {
      this.#finish();
      return;
    }
    if (this.#send(number, performance.now())) return;
    setImmediate(() => this.#pingPong());
  }

  unreachable(): void {
    this.#refusedAt ??= performance.now();
  }

  #send(number: number, due: number): boolean {
    const { intervalNs, onSent } = this.#options;
    const probe = this.#wire.probe(number);
    const at = performance.now();
    this.#sentAt[number % REMEMBERED] = at;
    const outcome = this.#socket.send(probe, this.#peer.port, this.#peer.address);
    if (outcome === "too-large")
      throw new SockError("too-large", "the way out takes no datagram of this size");
    if (outcome !== "sent") {
      this.full += 1;
      this.#failed = outcome === "failed" ? this.#failed + 1 : 0;
      if (this.#failed >= MOST_FAILED)
        this.failure ??= new SockError("unreachable", "no way there for datagrams");
      return false;
    }
    this.#failed = 0;
    this.trips.send(intervalNs === 0 || at - due < intervalNs / 1e6);
    onSent?.(number, (at - this.#start) * 1000);
    return true;
  }

  #watch(): void {
    const { signal, ended } = this.#options;
    const now = performance.now();
    if (signal?.aborted === true) {
      this.failure ??=
        signal.reason instanceof SockError ? signal.reason : new SockError("interrupted", "stopped");
    }
    this.failure ??= ended?.();
    const { sent } = this.trips;
    const lastAt = this.#sentAt[(sent - 1) % REMEMBERED] ?? 0;
    if (this.#options.intervalNs === 0 && sent > 0 && now - lastAt > this.#waitMs) this.#pingPong();
    if (this.trips.back === 0) {
      if (this.#refusedAt !== undefined && now - this.#refusedAt >= REFUSED_MS) {
        this.failure ??= new SockError("refused", "nothing listens there for datagrams");
      }
      if (now - this.#start >= UDP_SILENCE_MS) this.failure ??= silent();
    }
    if (this.failure !== undefined) this.#finish();
  }

  async #settle(all: Promise<void>): Promise<void> {
    if (this.failure !== undefined || this.trips.back === this.#options.count) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#waitMs);
    });
    await Promise.race([all, late]);
    clearTimeout(timer);
    if (this.trips.back === 0) this.failure ??= silent();
  }

  /** What is waited for a reply that is due. */
  get #waitMs(): number {
    const { waitMs } = this.#options;
    if (waitMs !== undefined) return Math.min(waitMs, MAX_TIMER_MS);
    if (this.trips.back === 0) return UDP_LATE_MS;
    const slowest = (this.trips.rtt.max ?? 0) / 1e6;
    return Math.min(UDP_LATE_MS, Math.max(MIN_UDP_WAIT_MS, WAIT_RTTS * slowest));
  }
}

function silent(): SockError {
  return new SockError("silent", "no reply to any datagram");
}
