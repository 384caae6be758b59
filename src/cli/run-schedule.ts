/** How many are sent, and when: what `udp` and `echo` share of their flags, and what these mean together. */
import { SockError } from "../errors.ts";

const NS_PER_MS = 1e6;
const MS_PER_SECOND = 1000;
const MAX_INTERVAL_NS = 3600 * 1e9;

export interface ScheduleValues {
  readonly count: number | undefined;
  /** ms. */
  readonly duration: number | undefined;
  readonly interval: number | undefined;
  readonly rate: number | undefined;
  readonly warmup: number | undefined;
}

export interface Schedule {
  /** Undefined where only a time is stated, and no interval. */
  readonly count: number | undefined;
  /** 0: each when the one before is back. */
  readonly intervalNs: number;
  readonly warmup: number;
}

export interface ScheduleLimits {
  readonly count: number;
  readonly intervalMs: number;
  readonly minIntervalNs: number;
  readonly maxCount: number;
  /** What is counted: datagrams. */
  readonly what: string;
}

/** Throws `usage` for what does not fit together. `limits` begins with the defaults. */
export function scheduleOf(given: ScheduleValues, limits: ScheduleLimits): Schedule {
  const { rate, interval, duration: lasts } = given;
  const { minIntervalNs, maxCount } = limits;
  if (rate !== undefined && interval !== undefined) throw exclusive("--rate", "--interval");
  if (given.count !== undefined && lasts !== undefined) throw exclusive("--count", "--duration");
  if (rate !== undefined) inRange("--rate", rate, 1, 1e9 / minIntervalNs);
  const intervalNs =
    rate === undefined ? Math.round((interval ?? limits.intervalMs) * NS_PER_MS) : Math.round(1e9 / rate);
  if (intervalNs !== 0)
    inRange("--interval", intervalNs, minIntervalNs, MAX_INTERVAL_NS, [`${minIntervalNs / 1000}us`, "1h"]);
  if (lasts !== undefined && lasts <= 0) throw new SockError("usage", "--duration must be above 0");
  const warmup = inRange("--warmup", given.warmup ?? 0, 0, maxCount);
  if (lasts !== undefined && intervalNs === 0) return { count: undefined, intervalNs, warmup };
  const asked =
    lasts === undefined
      ? (given.count ?? limits.count)
      : fitting(rate === undefined ? (lasts * NS_PER_MS) / intervalNs : (rate * lasts) / MS_PER_SECOND);
  const flag = lasts === undefined ? "--count" : `the number of ${limits.what}`;
  return { count: inRange(flag, asked, 1, maxCount), intervalNs, warmup };
}

/** The last one is sent before the time is over; 0.1 is not quite 0.1 in floating point. */
function fitting(intervals: number): number {
  return Math.max(1, Math.ceil(Number(intervals.toFixed(6))));
}

function exclusive(one: string, other: string): SockError {
  return new SockError("usage", `${one} and ${other} say the same`, "leave out one of the two");
}

export function inRange(
  what: string,
  value: number,
  least: number,
  most: number,
  [from, to] = [String(least), String(most)],
): number {
  if (value >= least && value <= most) return value;
  throw new SockError("usage", `${what} must be from ${from} to ${to}`);
}

/** One interval: "10 ms", "50 us". */
export function intervalWords(ns: number): string {
  return ns >= 1e6 ? `${Number((ns / 1e6).toFixed(3))} ms` : `${Number((ns / 1e3).toFixed(1))} us`;
}
