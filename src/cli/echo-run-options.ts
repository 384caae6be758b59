/** What is asked of a measurement over TCP: flags, and what they mean together. */
import { FILE_FLAG_NAMES, FILE_FLAGS } from "./run-files.ts";
import { inRange, type Schedule, scheduleOf } from "./run-schedule.ts";
import { TIME_LIMIT_NAMES, TIME_LIMITS } from "./thresholds.ts";
import type { Args } from "./verb.ts";

const DEFAULT_COUNT = 1000;
const DEFAULT_SIZE = 64;
const MAX_SIZE = 1024 * 1024;
const MAX_CONNECTIONS = 10_000;
const MIN_INTERVAL_NS = 1000;

const count = (valueHint: string, description: string) =>
  ({ type: "string", kind: "count", valueHint, description }) as const;
const duration = (description: string) =>
  ({ type: "string", kind: "duration", valueHint: "DUR", description }) as const;

export const RUN_FLAGS = {
  count: count("N", `round trips to measure (${DEFAULT_COUNT})`),
  duration: duration("measure for so long, instead of --count"),
  rate: count("N", "send so many a second, not waiting for the ones before"),
  interval: duration("time between two, instead of --rate; 0: in turns, as without it"),
  size: { type: "string", kind: "bytes", valueHint: "B", description: `bytes each way (${DEFAULT_SIZE})` },
  conns: count("C", "connections at the same time (1)"),
  warmup: count("N", "round trips that go before, and are not counted (0)"),
} as const;

export const MEASURE_ARGS = {
  ...RUN_FLAGS,
  ...TIME_LIMITS,
  "min-rate": count("N", "fewest round trips a second"),
  ...FILE_FLAGS,
} as const;

export type MeasureGiven = Args<typeof MEASURE_ARGS>;

export const LIMIT_NAMES = [...TIME_LIMIT_NAMES, "min-rate"] as const;

/** Flags that make no sense without a measurement. */
export const MEASURING = [
  ...(["count", "duration", "rate", "interval", "size", "conns", "warmup"] as const),
  ...LIMIT_NAMES,
  ...FILE_FLAG_NAMES,
] as const;

export interface EchoSchedule extends Schedule {
  /** Where it was stated so. */
  readonly rate: number | undefined;
  /** Stated without an interval, ms. */
  readonly lastsMs: number | undefined;
  /** Bytes each way. */
  readonly size: number;
  readonly connections: number;
}

/** Throws `usage` for what does not fit together. */
export function runOf(given: MeasureGiven, leastSize: number): EchoSchedule {
  const schedule = scheduleOf(given, {
    count: DEFAULT_COUNT,
    intervalMs: 0,
    minIntervalNs: MIN_INTERVAL_NS,
    maxCount: Number.MAX_SAFE_INTEGER,
    what: "round trips",
  });
  return {
    ...schedule,
    rate: given.rate,
    lastsMs: schedule.count === undefined ? given.duration : undefined,
    size: inRange("--size", given.size ?? DEFAULT_SIZE, leastSize, MAX_SIZE),
    connections: inRange("--conns", given.conns ?? 1, 1, MAX_CONNECTIONS),
  };
}
