import {
  AUTHORISE_DEADLINE_MS,
  KNOWN_ADDRESS_MS,
  MAX_KNOWN_ADDRESSES,
  MAX_UNAUTHORISED,
  MAX_UNAUTHORISED_PER_ADDRESS,
  MAX_UNAUTHORISED_PER_KNOWN_ADDRESS,
  MAX_WAITING,
  MIN_TLS_TURN_MS,
  TLS_TURN_MS,
} from "../protocol/constants.ts";
import type { Candidate, Gate } from "../transport/listen.ts";

interface Entry {
  readonly candidate: Candidate;
  /** When it was accepted, ms. */
  readonly at: number;
  /** When its turn came, ms; undefined while it waits. */
  turn: number | undefined;
  proved: boolean;
}

/** How often turns and deadlines are looked at while there is anybody, ms. */
const SWEEP_MS = 50;

/**
 * What sockets may cost before they have a session: few at a time in all and for one address, the others wait with TLS
 * not begun, and none lasts. Newest first: of those who have waited long most have given up, or never meant to speak.
 * But every other place goes to the oldest: else one who is overtaken once may be overtaken for ever.
 */
export class Guard implements Gate {
  readonly #now: () => number;
  readonly #entries = new Map<Candidate, Entry>();
  readonly #waiting: Entry[] = [];
  /** By address: those whose turn came, and those that wait. */
  readonly #active = new Map<string, number>();
  readonly #rivals = new Map<string, number>();
  readonly #known = new Map<string, number>();
  #started = 0;
  #oldestNext = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `now` in ms, monotonic. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Sockets without a session: those whose turn came, and those that wait. */
  get counts(): { started: number; waiting: number } {
    return { started: this.#started, waiting: this.#waiting.length };
  }

  arrive(candidate: Candidate): void {
    const entry: Entry = { candidate, at: this.#now(), turn: undefined, proved: false };
    this.#entries.set(candidate, entry);
    this.#timer ??= setInterval(() => this.sweep(), SWEEP_MS);
    if (this.#room(candidate.address)) {
      this.#start(entry);
      return;
    }
    this.#waiting.push(entry);
    add(this.#rivals, candidate.address, 1);
    if (this.#waiting.length > MAX_WAITING) this.#waiting[0]?.candidate.close();
  }

  proved(candidate: Candidate): void {
    const entry = this.#entries.get(candidate);
    if (entry !== undefined) entry.proved = true;
  }

  leave(candidate: Candidate, session: boolean): void {
    const entry = this.#entries.get(candidate);
    if (entry === undefined) return;
    this.#entries.delete(candidate);
    if (entry.turn === undefined) {
      this.#unqueue(this.#waiting.indexOf(entry));
    } else {
      this.#started -= 1;
      add(this.#active, candidate.address, -1);
    }
    if (session) this.#remember(candidate.address);
    this.#next();
    if (this.#entries.size === 0) this.stop();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Closes what is over its time; closing comes back as `leave`. A turn ends only where somebody waits for its place. */
  sweep(): void {
    const now = this.#now();
    const before = new Map(this.#rivals);
    const all = this.#waiting.length;
    // those who are closed leave the map, and that is all that happens to it
    for (const entry of this.#entries.values()) {
      const { candidate, proved, turn } = entry;
      const full = this.#started >= MAX_UNAUTHORISED;
      const rivals = full ? this.#waiting.length : this.#rivals.get(candidate.address);
      const turnMs = TLS_TURN_MS / (1 + (full ? all : (before.get(candidate.address) ?? 0)));
      const slow = !proved && turn !== undefined && now - turn >= Math.max(MIN_TLS_TURN_MS, turnMs);
      const late = now - entry.at >= AUTHORISE_DEADLINE_MS;
      if (late || (slow && rivals !== undefined && rivals > 0)) candidate.close();
    }
  }

  #room(address: string): boolean {
    if (this.#started >= MAX_UNAUTHORISED) return false;
    const last = this.#known.get(address);
    const known = last !== undefined && this.#now() - last < KNOWN_ADDRESS_MS;
    const limit = known ? MAX_UNAUTHORISED_PER_KNOWN_ADDRESS : MAX_UNAUTHORISED_PER_ADDRESS;
    return (this.#active.get(address) ?? 0) < limit;
  }

  #start(entry: Entry): void {
    entry.turn = this.#now();
    this.#started += 1;
    add(this.#active, entry.candidate.address, 1);
    entry.candidate.start();
  }

  #next(): void {
    const fits = ({ candidate }: Entry): boolean => this.#room(candidate.address);
    while (this.#started < MAX_UNAUTHORISED) {
      const index = this.#oldestNext ? this.#waiting.findIndex(fits) : this.#waiting.findLastIndex(fits);
      const entry = this.#waiting[index];
      if (entry === undefined) return;
      this.#oldestNext = !this.#oldestNext;
      this.#unqueue(index);
      this.#start(entry);
    }
  }

  #unqueue(index: number): void {
    for (const { candidate } of this.#waiting.splice(index, 1)) add(this.#rivals, candidate.address, -1);
  }

  #remember(address: string): void {
    this.#known.delete(address);
    this.#known.set(address, this.#now());
    if (this.#known.size > MAX_KNOWN_ADDRESSES) {
      const oldest = this.#known.keys().next();
      if (oldest.done !== true) this.#known.delete(oldest.value);
    }
  }
}

/** Counts; what falls to zero is forgotten. */
function add(counts: Map<string, number>, address: string, change: number): void {
  const count = (counts.get(address) ?? 0) + change;
  if (count > 0) counts.set(address, count);
  else counts.delete(address);
}
