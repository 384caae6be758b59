/** How often which values came, in bins as wide as their values ask for: each ends at the same multiple of its begin. */
import type { Samples } from "./samples.ts";

const LEAST_BINS = 10;
const MOST_BINS = 60;
/** Smallest ratio between the ends of the whole: values that are all alike still get bins that can be seen. */
const LEAST_RATIO = 1.02;

export interface Spread {
  /** Bin `i` holds the values from `limits[i]` to below `limits[i + 1]`; the last bin its upper limit, too. */
  readonly limits: number[];
  readonly counts: number[];
}

export function spreadOf(samples: Samples): Spread {
  const { count, min, max } = samples;
  if (min === null || max === null) return { limits: [], counts: [] };
  const least = Math.max(1, min);
  const ratio = Math.max(LEAST_RATIO, max / least);
  const bins = Math.min(MOST_BINS, Math.max(LEAST_BINS, Math.ceil(3 * Math.cbrt(count))));
  const limits = Array.from({ length: bins + 1 }, (_, at) => least * ratio ** (at / bins));
  limits[bins] = Math.max(max, least * LEAST_RATIO);
  const below = samples.below(limits.slice(1, -1));
  const counts = Array.from({ length: bins }, (_, at) => (below[at] ?? count) - (below[at - 1] ?? 0));
  return { limits, counts };
}
