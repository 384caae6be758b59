/** A measurement over TCP: its figures for people and scripts, and what it leaves behind. */
import type { LoopOptions } from "../client/echo-run.ts";
import type { Measured } from "../client/measure.ts";
import { SockError } from "../errors.ts";
import { jitterUs } from "../measure/jitter.ts";
import { percent, summaryUs } from "../measure/summary.ts";
import { Timeline } from "../measure/timeline.ts";
import { type Threshold, verdictOf } from "../measure/verdict.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { formatBytes, formatDuration } from "../text/units.ts";
import { type EchoSchedule, type MeasureGiven, runOf } from "./echo-run-options.ts";
import { Progress } from "./progress.ts";
import { RunFiles } from "./run-files.ts";
import {
  isTimed,
  jitterLine,
  judged,
  rttLine,
  statusOf,
  thresholdLines,
  timeThresholds,
} from "./thresholds.ts";
import type { Context } from "./verb.ts";

export type WantedEchoes = EchoSchedule & LoopOptions;

/** `address`: where the server was found. */
export type EchoFigures = Measured & { readonly address: string };

export interface EchoPeer {
  readonly name: string;
  readonly measure: (wanted: WantedEchoes) => Promise<EchoFigures>;
}

/** Measures, tells, and gives the status; throws what ended it early once all that was measured is told. */
export async function measureAndTell(
  context: Context,
  given: MeasureGiven & { readonly host: string | undefined },
  find: () => EchoPeer,
  leastSize = 0,
): Promise<number> {
  const run = runOf(given, leastSize);
  const files = new RunFiles(given);
  const timeline = new Timeline();
  const started = new Date();
  let name = given.host ?? "";
  let measured: EchoFigures;
  try {
    const peer = find();
    ({ name } = peer);
    const progress = new Progress(context.ui, name, run.count ?? null, undefined, String);
    measured = await peer.measure({
      ...run,
      onProgress: (done) => progress.update(done),
      ...(files.hasPage
        ? {
            onSent: (_number: number, at: number) => timeline.send(at),
            onReply: (number: number, rttUs: number) => timeline.reply(number, rttUs),
          }
        : {}),
    });
    progress.done();
  } catch (thrown) {
    if (thrown instanceof SockError) await files.failed("echo", name, started, thrown);
    throw thrown;
  }
  const { thresholds, perSecond, ended } = tell(context, name, given, measured, run);
  const problem = ended instanceof SockError ? ended : undefined;
  const verdict = { verb: "echo", name, thresholds, failure: problem, started: measured.part.started };
  await files.write(verdict, async () => {
    const { echoPage } = await import("./report/echo.ts");
    return echoPage({ name, measured, perSecond, limits: thresholds, problem, run, timeline });
  });
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
  { part, seconds, failure, address }: EchoFigures,
  { count, size, connections, intervalNs }: EchoSchedule,
): Told {
  const { done, sent, inTime, fromSchedule } = part;
  const rtt = summaryUs(part.rtt);
  const jitter = jitterUs(part.jitter, part.rtt);
  const perSecond = seconds > 0 ? Math.round(done / seconds) : 0;
  const kept = intervalNs === 0 ? null : percent(inTime, sent);
  const thresholds = timeThresholds(given, rtt, jitter);
  const least = given["min-rate"];
  if (least !== undefined) {
    thresholds.push({ name: "min-rate", limit: least, value: perSecond, unit: "/s", atLeast: true });
  }
  context.json.result({
    host: name,
    started: part.started.toISOString(),
    size,
    connections,
    interval_us: intervalNs / 1000,
    count: count ?? null,
    complete: failure === undefined,
    sent,
    done,
    seconds: Number(seconds.toFixed(3)),
    per_second: perSecond,
    schedule_kept_percent: kept,
    rtt_us: rtt,
    rtt_from_schedule_us: fromSchedule === undefined ? null : summaryUs(fromSchedule),
    jitter_us: jitter,
    verdict: verdictOf(thresholds),
  });
  if (!context.json.enabled) {
    const what = `${done} x ${formatBytes(size)} over ${connections} connection${connections === 1 ? "" : "s"}`;
    const where = [escapeForDisplay(name), address].filter((word) => word !== "").join(" ");
    context.ui.print(`${where}   ${what} in ${formatDuration(seconds * 1000)}`);
    const schedule = kept === null ? "" : `   schedule kept ${kept.toFixed(1)} %`;
    context.ui.print(`  rate    ${perSecond} round trips a second${schedule}`);
    context.ui.print(`  ${rttLine(rtt)}`);
    context.ui.print(`  ${jitterLine(jitter)}`);
    for (const line of thresholdLines(thresholds)) context.ui.print(`  ${line}`);
  }
  const ended =
    failure === undefined ? judged(() => statusOf(context.ui, thresholds, kept, isTimed(given))) : failure;
  return { thresholds, perSecond, ended };
}
