/** The client's account of one run: what became of each datagram that it sent, and how long the way there and back took. */
import { Jitter } from "./jitter.ts";
import { Order } from "./order.ts";
import { Samples } from "./samples.ts";

const FIRST_ROOM = 1024;

/** What became of a number; the better ones higher: a later copy may improve it. */
export const FATES = ["lost", "corrupt", "delayed", "received"] as const;
const CORRUPT = 1;
const DELAYED = 2;
const RECEIVED = 3;

/** One reply, in ns. */
export interface Reply {
  readonly number: number;
  readonly intact: boolean;
  readonly rtt: number;
  readonly fromSchedule: number;
  /** In the server; undefined where the peer does not say. */
  readonly held: number | undefined;
  /** Place in the order that the peer sent its replies in; undefined where it does not say. */
  readonly place: number | undefined;
}

export class RoundTrips {
  readonly rtt = new Samples();
  readonly fromSchedule = new Samples();
  readonly held = new Samples();
  readonly jitter = new Jitter();
  readonly order = new Order();
  sent = 0;
  /** Sent within an interval of their time. */
  inTime = 0;
  received = 0;
  corrupt = 0;
  delayed = 0;
  duplicates = 0;
  readonly #lateNs: number;
  #fates = new Uint8Array(FIRST_ROOM);

  /** What comes later than `lateNs` after it was sent is delayed. */
  constructor(lateNs: number) {
    this.#lateNs = lateNs;
  }

  /** Numbers are sent in order. */
  send(inTime: boolean): void {
    this.sent += 1;
    if (inTime) this.inTime += 1;
    if (this.sent <= this.#fates.length) return;
    const more = new Uint8Array(2 * this.#fates.length);
    more.set(this.#fates);
    this.#fates = more;
  }

  /** Those that something came back for. */
  get back(): number {
    return this.received + this.corrupt + this.delayed;
  }

  /** Whether something came back for the one that was sent last. */
  get isLastBack(): boolean {
    return this.sent === 0 || this.#fates[this.sent - 1] !== 0;
  }

  /** Takes a reply in, unless its number was never sent. */
  reply(reply: Reply): boolean {
    const { number, rtt } = reply;
    if (number >= this.sent) return false;
    const before = this.#fates[number] ?? 0;
    if (before === 0) this.order.arrive(reply.place ?? number);
    else this.duplicates += 1;
    const fate = !reply.intact ? CORRUPT : rtt > this.#lateNs ? DELAYED : RECEIVED;
    if (fate <= before || before >= DELAYED) return true;
    this.#fates[number] = fate;
    this.#count(before, -1);
    this.#count(fate, 1);
    if (fate !== RECEIVED) return true;
    this.rtt.record(rtt);
    this.fromSchedule.record(reply.fromSchedule);
    this.jitter.record(number, rtt);
    if (reply.held !== undefined) this.held.record(reply.held);
    return true;
  }

  fate(number: number): (typeof FATES)[number] {
    return FATES[this.#fates[number] ?? 0] ?? "lost";
  }

  /** Rows of numbers one after another that nothing came back for: how many, and the longest. */
  bursts(): { count: number; longest: number } {
    let count = 0;
    let longest = 0;
    let row = 0;
    for (let number = 0; number < this.sent; number++) {
      row = this.#fates[number] === 0 ? row + 1 : 0;
      if (row === 1) count += 1;
      longest = Math.max(longest, row);
    }
    return { count, longest };
  }

  #count(fate: number, change: number): void {
    if (fate === CORRUPT) this.corrupt += change;
    if (fate === DELAYED) this.delayed += change;
    if (fate === RECEIVED) this.received += change;
  }
}
