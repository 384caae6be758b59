/** Durations as they are reported: microseconds of samples that were taken in ns. */
import type { Samples } from "./samples.ts";

/** Fewer samples than this say nothing about the last one in a thousand. */
const P999_LEAST = 1000;

/** Microseconds; null where there are too few samples. */
export interface Summary {
  readonly min: number | null;
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly p99_9: number | null;
  readonly max: number | null;
  readonly n: number;
}

export function summaryUs(samples: Samples): Summary {
  return {
    min: micros(samples.min),
    mean: micros(samples.mean),
    p50: micros(samples.percentile(50)),
    p90: micros(samples.percentile(90)),
    p99: micros(samples.percentile(99)),
    p99_9: samples.count < P999_LEAST ? null : micros(samples.percentile(99.9)),
    max: micros(samples.max),
    n: samples.count,
  };
}

export function micros(nanos: number | null): number | null {
  return nanos === null ? null : Math.round(nanos / 100) / 10;
}

/** To four digits after the point, or as many as it takes: one of millions is not none; null of nothing. */
export function percent(part: number, whole: number): number | null {
  if (whole === 0) return null;
  const exact = (part / whole) * 100;
  const rounded = Math.round(exact * 1e4) / 1e4;
  const hides = (rounded === 0 && part > 0) || (rounded === 100 && part < whole);
  return hides ? exact : rounded;
}
