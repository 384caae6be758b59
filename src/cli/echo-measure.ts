/** `sock echo --count`: what is asked of a measurement, and its figures for people and scripts. */
import type { LoopOptions, Measured } from "../client/measure.ts";
import { SockError } from "../errors.ts";
import { percent, summaryUs } from "../measure/summary.ts";
import { Timeline } from "../measure/timeline.ts";
import { type Threshold, verdictOf } from "../measure/verdict.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { formatBytes, formatDuration } from "../text/units.ts";
import { Progress } from "./progress.ts";
import { ResultFile } from "./result-file.ts";
import {
  judged,
  rttLine,
  rttThresholds,
  RTT_LIMITS,
  RTT_LIMIT_NAMES,
  statusOf,
  thresholdLines,
} from "./thresholds.ts";
import type { Args, Context } from "./verb.ts";

const DEFAULT_COUNT = 1000;
const DEFAULT_SIZE = 64;
const MAX_SIZE = 1024 * 1024;
const MAX_CONNECTIONS = 10_000;
const MAX_RATE = 1_000_000;

export const MEASURE_ARGS = {
  count: {
    type: "string",
    kind: "count",
    valueHint: "N",
    description: `round trips to measure (${DEFAULT_COUNT})`,
  },
  size: { type: "string", kind: "bytes", valueHint: "B", description: `bytes each way (${DEFAULT_SIZE})` },
  conns: { type: "string", kind: "count", valueHint: "C", description: "connections at the same time (1)" },
  rate: {
    type: "string",
    kind: "count",
    valueHint: "N",
    description: "send so many a second, not waiting for the ones before",
  },
  ...RTT_LIMITS,
  "min-rate": {
    type: "string",
    kind: "count",
    valueHint: "N",
    description: "fewest round trips a second",
  },
  report: { type: "string", valueHint: "FILE", description: "write a page with plots, as HTML" },
} as const;

export type MeasureGiven = Args<typeof MEASURE_ARGS>;

/** Flags that make no sense without a measurement. */
export const MEASURING = [
  "count",
  "size",
  "conns",
  "rate",
  ...RTT_LIMIT_NAMES,
  "min-rate",
  "report",
] as const;

export interface WantedEchoes extends LoopOptions {
  /** Bytes each way. */
  size: number;
  connections: number;
}

/** `address`: where the server was found. */
export type EchoFigures = Measured & { readonly address: string };

/** Measures, tells, and gives the status; throws what ended it early once all that was measured is told. */
export async function measureAndTell(
  context: Context,
  name: string,
  given: MeasureGiven,
  measure: (wanted: WantedEchoes) => Promise<EchoFigures>,
  leastSize = 0,
): Promise<number> {
  const count = inRange("--count", given.count ?? DEFAULT_COUNT, 1, Number.MAX_SAFE_INTEGER);
  const size = inRange("--size", given.size ?? DEFAULT_SIZE, leastSize, MAX_SIZE);
  const connections = inRange("--conns", given.conns ?? 1, 1, MAX_CONNECTIONS);
  const rate = given.rate === undefined ? undefined : inRange("--rate", given.rate, 1, MAX_RATE);
  const file = given.report === undefined ? undefined : new ResultFile(given.report);
  const timeline = new Timeline();
  const progress = new Progress(context.ui, name, count, undefined, String);
  const run = { count, size, connections, rate };
  const measured = await measure({
    ...run,
    onProgress: (done) => progress.update(done),
    ...(file === undefined
      ? {}
      : {
          onSent: (_number: number, at: number) => timeline.send(at),
          onReply: (number: number, rttUs: number) => timeline.reply(number, rttUs),
        }),
  });
  progress.done();
  const { thresholds, perSecond, ended } = tell(context, name, given, measured, run);
  if (file !== undefined) {
    const { echoPage } = await import("./report/echo.ts");
    const problem = ended instanceof SockError ? ended : undefined;
    await file.write(echoPage({ name, measured, perSecond, limits: thresholds, problem, run, timeline }));
  }
  if (ended instanceof SockError) throw ended;
  return ended;
}

interface Told {
  readonly thresholds: readonly Threshold[];
  readonly perSecond: number;
  /** The status, or what is to be thrown. */
  readonly ended: number | SockError;
}

function tell(
  context: Context,
  name: string,
  given: MeasureGiven,
  measured: EchoFigures,
  { count, size, connections, rate }: WantedEchoes,
): Told {
  const { failure, done, seconds, sent, inTime } = measured;
  const rtt = summaryUs(measured.rtt);
  const perSecond = seconds > 0 ? Math.round(done / seconds) : 0;
  const kept = rate === undefined ? null : percent(inTime, sent);
  const thresholds = rttThresholds(given, rtt);
  const least = given["min-rate"];
  if (least !== undefined) {
    thresholds.push({ name: "min-rate", limit: least, value: perSecond, unit: "/s", atLeast: true });
  }
  const verdict = verdictOf(thresholds);
  context.json.result({
    host: name,
    size,
    connections,
    count,
    complete: failure === undefined,
    sent,
    done,
    seconds: Number(seconds.toFixed(3)),
    per_second: perSecond,
    schedule_kept_percent: kept,
    rtt_us: rtt,
    rtt_from_schedule_us: measured.fromSchedule === undefined ? null : summaryUs(measured.fromSchedule),
    verdict,
  });
  if (!context.json.enabled) {
    const what = `${done} x ${formatBytes(size)} over ${connections} connection${connections === 1 ? "" : "s"}`;
    const where = [escapeForDisplay(name), measured.address].filter((word) => word !== "").join(" ");
    context.ui.print(`${where}   ${what} in ${formatDuration(seconds * 1000)}`);
    const schedule = kept === null ? "" : `   schedule kept ${kept.toFixed(1)} %`;
    context.ui.print(`  rate    ${perSecond} round trips a second${schedule}`);
    context.ui.print(`  ${rttLine(rtt)}`);
    for (const line of thresholdLines(thresholds)) context.ui.print(`  ${line}`);
  }
  const timed = RTT_LIMIT_NAMES.some((limit) => given[limit] !== undefined);
  const ended = failure === undefined ? judged(() => statusOf(context.ui, thresholds, kept, timed)) : failure;
  return { thresholds, perSecond, ended };
}

function inRange(flag: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new SockError("usage", `${flag} must be from ${least} to ${most}`);
}
