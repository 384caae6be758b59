/** How much delay varies from one message to the next, in the unit of the delays that it is given. */
import { Samples } from "./samples.ts";
import { micros } from "./summary.ts";

/** Delays of the latest numbers that are remembered to find the neighbours of one that comes out of order. */
const REMEMBERED = 4096;
/** RFC 3550, section 6.4.1. */
const GAIN = 1 / 16;

export interface JitterSamples {
  /** |difference| of the delays of two consecutive numbers that both arrived (RFC 3393's ipdv, without its sign). */
  readonly ipdv: Samples;
  /** RFC 3550's running estimate, over arrivals in their order; null before the second one. */
  readonly rfc3550: number | null;
}

/** Datagrams, which may be lost and overtaken. */
export class Jitter implements JitterSamples {
  readonly ipdv = new Samples();
  rfc3550: number | null = null;
  readonly #numbers = new Float64Array(REMEMBERED).fill(-1);
  readonly #delays = new Float64Array(REMEMBERED);
  #last = -1;

  /** The first arrival of a number. */
  record(number: number, delay: number): void {
    const slot = number % REMEMBERED;
    this.#numbers[slot] = number;
    this.#delays[slot] = delay;
    for (const neighbour of [number - 1, number + 1]) {
      const other = neighbour % REMEMBERED;
      if (neighbour < 0 || this.#numbers[other] !== neighbour) continue;
      this.ipdv.record(Math.abs(delay - (this.#delays[other] ?? 0)));
    }
    if (this.#last >= 0) this.rfc3550 = estimate(this.rfc3550, Math.abs(delay - this.#last));
    this.#last = delay;
  }
}

/**
 * Connections, whose messages arrive in order. Neighbours are those of one connection: two connections may go two ways, and
 * that one is always slower than the other is no variation. The running estimate is one of all of them.
 */
export class StreamsJitter implements JitterSamples {
  readonly ipdv = new Samples();
  rfc3550: number | null = null;
  readonly #last: Float64Array;

  constructor(streams: number) {
    this.#last = new Float64Array(streams).fill(-1);
  }

  record(stream: number, delay: number): void {
    const last = this.#last[stream] ?? -1;
    this.#last[stream] = delay;
    if (last < 0) return;
    const difference = Math.abs(delay - last);
    this.ipdv.record(difference);
    this.rfc3550 = estimate(this.rfc3550, difference);
  }
}

function estimate(before: number | null, difference: number): number {
  const from = before ?? 0;
  return from + (difference - from) * GAIN;
}

/** Microseconds; null where there are too few samples. */
export interface JitterFigures {
  readonly ipdv_abs_p50: number | null;
  readonly ipdv_abs_p99: number | null;
  readonly rfc3550: number | null;
  readonly pdv_p95_p50: number | null;
}

/** `delays` in ns are what it was given. */
export function jitterUs({ ipdv, rfc3550 }: JitterSamples, delays: Samples): JitterFigures {
  const [p50, p95] = [delays.percentile(50), delays.percentile(95)];
  return {
    ipdv_abs_p50: micros(ipdv.percentile(50)),
    ipdv_abs_p99: micros(ipdv.percentile(99)),
    rfc3550: micros(rfc3550),
    pdv_p95_p50: p50 === null || p95 === null ? null : micros(p95 - p50),
  };
}
