/** Datagrams that are lost, doubled, overtaken or late on purpose, each one at its time. */
import type { Departure, ImpairedDatagrams } from "../measure/impaired-datagrams.ts";

import { MAX_TIMER_MS } from "../os/timer.ts";

/** Datagrams that may wait for their time at once, and their bytes; what is more is lost, as in any queue. */
const MOST_DELAYED = 100_000;
const MOST_DELAYED_BYTES = 64 * 1024 * 1024;

/** What all lines of one server may hold back together. */
export class DelayRoom {
  #datagrams = 0;
  #bytes = 0;

  take(bytes: number): boolean {
    if (this.#datagrams >= MOST_DELAYED || this.#bytes + bytes > MOST_DELAYED_BYTES) return false;
    this.#datagrams += 1;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#datagrams -= 1;
    this.#bytes -= bytes;
  }
}

/** One flow; one timer, for two of nearly the same time may not fire in their order. */
export class DelayLine<Where> {
  readonly #impaired: ImpairedDatagrams<Where>;
  readonly #room: DelayRoom;
  readonly #leave: (bytes: Uint8Array, where: Where) => void;
  #queue: Departure<Where>[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #stopped = false;

  constructor(
    impaired: ImpairedDatagrams<Where>,
    room: DelayRoom,
    leave: (bytes: Uint8Array, where: Where) => void,
  ) {
    this.#impaired = impaired;
    this.#room = room;
    this.#leave = leave;
  }

  send(bytes: Uint8Array, where: Where): void {
    if (this.#stopped) return;
    this.#push(this.#impaired.send(bytes, performance.now(), where));
    this.#run();
  }

  /** What waits is lost. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const { bytes } of this.#queue.splice(0)) this.#room.give(bytes.length);
  }

  /** What waits is read later, and the sender's memory is its own. */
  #push(departures: readonly Departure<Where>[]): void {
    for (const { at, bytes, where } of departures) {
      if (this.#room.take(bytes.length)) this.#queue.push({ at, bytes: new Uint8Array(bytes), where });
    }
  }

  #run(): void {
    const now = performance.now();
    if (this.#impaired.due !== undefined) this.#push(this.#impaired.late(now));
    const later = this.#queue.findIndex(({ at }) => at > now);
    for (const { bytes, where } of this.#queue.splice(0, later < 0 ? this.#queue.length : later)) {
      this.#room.give(bytes.length);
      this.#leave(bytes, where);
    }
    const next = Math.min(this.#queue[0]?.at ?? Infinity, this.#impaired.due ?? Infinity);
    // a timer for each datagram would cost more than the datagram
    if (this.#stopped || next >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = next;
    this.#timer = setTimeout(
      () => this.#onTimer(),
      Math.min(Math.max(1, Math.ceil(next - now)), MAX_TIMER_MS),
    );
  }

  #onTimer(): void {
    this.#timerAt = Infinity;
    this.#run();
  }
}
