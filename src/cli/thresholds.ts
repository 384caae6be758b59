/** Limits that decide the status of a measured run, as flags, figures and words. */
import { type ExitStatus, SockError, STATUS } from "../errors.ts";
import type { JitterFigures } from "../measure/jitter.ts";
import type { Summary } from "../measure/summary.ts";
import { isMet, type Threshold } from "../measure/verdict.ts";
import type { Ui } from "./ui.ts";

/** Less of the schedule kept than this, and the times are ours as much as the network's, percent. */
export const LEAST_KEPT = 99;

const duration = (description: string) =>
  ({ type: "string", kind: "duration", valueHint: "DUR", description }) as const;

/** Flags of limits on times. */
export const TIME_LIMITS = {
  "max-rtt": duration("all take at most this"),
  "max-p50": duration("half take at most this"),
  "max-p90": duration("90 % take at most this"),
  "max-p99": duration("99 % take at most this"),
  "max-p99.9": duration("99.9 % take at most this; needs 1,000 of them"),
  "max-jitter": duration("99 % differ at most this much from the one before"),
} as const;

type TimeLimit = keyof typeof TIME_LIMITS;
type TimesGiven = { [name in TimeLimit]: number | undefined };
export const TIME_LIMIT_NAMES: readonly TimeLimit[] = [
  ...(["max-p50", "max-p90", "max-p99", "max-p99.9", "max-rtt", "max-jitter"] as const),
];

/** Those that were stated, with what was measured; flags are in ms. */
export function timeThresholds(given: TimesGiven, rtt: Summary, jitter: JitterFigures): Threshold[] {
  const values = {
    "max-p50": rtt.p50,
    "max-p90": rtt.p90,
    "max-p99": rtt.p99,
    "max-p99.9": rtt.p99_9,
    "max-rtt": rtt.max,
    "max-jitter": jitter.ipdv_abs_p99,
  };
  return TIME_LIMIT_NAMES.flatMap((name) => {
    const limit = given[name];
    return limit === undefined ? [] : [{ name, limit: limit * 1000, value: values[name], unit: "us" }];
  });
}

/** Whether any was stated. */
export function isTimed(given: TimesGiven): boolean {
  return TIME_LIMIT_NAMES.some((limit) => given[limit] !== undefined);
}

/**
 * The status that limits and schedule come to. `kept` in percent, null where there was no schedule; `timed`: a limit on
 * times was stated. Throws `not-trusted` where this machine was too slow to say.
 */
export function statusOf(
  ui: Ui,
  thresholds: readonly Threshold[],
  kept: number | null,
  timed: boolean,
): ExitStatus {
  const missed = thresholds.filter((one) => !isMet(one));
  if (kept === null || kept >= LEAST_KEPT) return missed.length === 0 ? STATUS.done : STATUS.threshold;
  const words = slowWords(kept);
  // a limit that has nothing to do with time is missed all the same
  if (missed.some((one) => one.unit !== "us")) {
    ui.warn(words);
    return STATUS.threshold;
  }
  if (timed) throw new SockError("not-trusted", words, "a lower rate, or less else to do here");
  ui.warn(words, "the times are this machine's as much as the network's");
  return STATUS.done;
}

/** The status, or why there is none to be trusted: for those who have something to write down before they end. */
export function judged(judge: () => ExitStatus): ExitStatus | SockError {
  try {
    return judge();
  } catch (thrown) {
    if (thrown instanceof SockError) return thrown;
    throw thrown;
  }
}

export function slowWords(kept: number): string {
  return `this machine was too slow: ${kept.toFixed(1)} % of the schedule kept`;
}

export function rttLine(rtt: Summary): string {
  const tail = rtt.p99_9 === null ? "" : `   p99.9 ${ms(rtt.p99_9)}`;
  return `rtt     min ${ms(rtt.min)}   p50 ${ms(rtt.p50)}   p90 ${ms(rtt.p90)}   p99 ${ms(rtt.p99)}${tail}   max ${ms(rtt.max)} ms   n ${rtt.n}`;
}

export function jitterLine({ ipdv_abs_p50: p50, ipdv_abs_p99: p99 }: JitterFigures): string {
  return `jitter  p50 ${ms(p50)}   p99 ${ms(p99)} ms (ipdv)`;
}

/** `met    max-loss    0.5 %   0.40 %`, a line each. */
export function thresholdLines(thresholds: readonly Threshold[]): string[] {
  const width = Math.max(0, ...thresholds.map(({ name }) => name.length));
  const limits = thresholds.map(({ limit, unit }) => shown(limit, unit));
  const wide = Math.max(0, ...limits.map((text) => text.length));
  return thresholds.map((one, at) => {
    const verdict = isMet(one) ? "met   " : "MISSED";
    return `${verdict}  ${one.name.padEnd(width)}  ${(limits[at] ?? "").padEnd(wide)}  ${found(one)}`;
  });
}

/** "31.4 ms, stated is at most 20.0 ms". */
export function missedWords({ value, limit, unit, atLeast }: Threshold): string {
  return `${shown(value, unit)}, stated is ${atLeast === true ? "at least" : "at most"} ${shown(limit, unit)}`;
}

function found({ name, value, unit }: Threshold): string {
  // a thousandth of fewer would be the longest
  return value === null && name === "max-p99.9" ? "unknown: needs 1,000 round trips" : shown(value, unit);
}

/** With its unit: "9.41 ms", "0.4 %", "unknown". */
export function shown(value: number | null, unit: string): string {
  if (value === null) return "unknown";
  if (unit === "us") return `${ms(value)} ms`;
  if (unit === "%") return `${Number(value.toPrecision(4))} %`;
  return unit === "" ? String(value) : `${value}${unit === "/s" ? "" : " "}${unit}`;
}

/** Microseconds as ms: "0.083", "9.41", "31.2", "402". */
export function ms(micros: number | null): string {
  if (micros === null) return "-";
  const value = micros / 1000;
  return value < 1
    ? value.toFixed(3)
    : value < 10
      ? value.toFixed(2)
      : value < 100
        ? value.toFixed(1)
        : value.toFixed(0);
}
