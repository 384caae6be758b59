/** A figure that was measured, and the limit that somebody stated for it; `value` null is unknown. */
export interface Threshold {
  /** As on the command line, without its dashes: `max-p99`. */
  readonly name: string;
  readonly limit: number;
  readonly value: number | null;
  readonly unit: string;
  /** Whether the limit is the least that will do; otherwise it is the most. */
  readonly atLeast?: boolean;
}

/** What is unknown was not shown to be met, so it is missed. */
export function isMet(threshold: Threshold): boolean {
  const { value, limit } = threshold;
  if (value === null) return false;
  return threshold.atLeast === true ? value >= limit : value <= limit;
}

export interface Verdict {
  readonly met: boolean;
  readonly missed: { name: string; limit: number; value: number | null; unit: string }[];
}

/** The `verdict` of a result event; names there have underscores. */
export function verdictOf(thresholds: readonly Threshold[]): Verdict {
  const missed = thresholds
    .filter((one) => !isMet(one))
    .map(({ name, limit, value, unit }) => ({ name: name.replaceAll(/[-.]/g, "_"), limit, value, unit }));
  return { met: missed.length === 0, missed };
}
