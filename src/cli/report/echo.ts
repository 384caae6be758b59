/** The report of round trips over TCP. */
import type { SockError } from "../../errors.ts";
import { jitterUs } from "../../measure/jitter.ts";
import { percent, summaryUs } from "../../measure/summary.ts";
import type { Timeline } from "../../measure/timeline.ts";
import type { Threshold } from "../../measure/verdict.ts";
import { formatBytes, formatDuration } from "../../text/units.ts";
import type { EchoFigures } from "../echo-measure.ts";
import type { EchoSchedule } from "../echo-run-options.ts";
import { intervalWords } from "../run-schedule.ts";
import { jitterOthers, jitterTile, keptTile, spreadOfPage, timesTable, timeTiles } from "./figures.ts";
import { renderPage } from "./page.ts";
import { whole } from "./tables.ts";
import { verdictOfRun } from "./verdict.ts";

export interface EchoReport {
  readonly name: string;
  readonly measured: EchoFigures;
  readonly perSecond: number;
  readonly limits: readonly Threshold[];
  readonly problem: SockError | undefined;
  readonly run: EchoSchedule;
  readonly timeline: Timeline;
}

export function echoPage({ name, measured, perSecond, limits, problem, run, timeline }: EchoReport): string {
  const { part, seconds, failure } = measured;
  const { sent, done, inTime, fromSchedule, started } = part;
  const rtt = summaryUs(part.rtt);
  const jitter = jitterUs(part.jitter, part.rtt);
  const kept = run.intervalNs === 0 ? null : percent(inTime, sent);
  const complete = failure === undefined;
  const over = run.connections === 1 ? "1 connection" : `${whole(run.connections)} connections`;
  const pace =
    run.rate !== undefined
      ? `, ${whole(run.rate)} a second`
      : run.intervalNs === 0
        ? ""
        : `, every ${intervalWords(run.intervalNs)}`;
  // by time alone, as many as there are
  const count = run.count ?? sent;
  return renderPage({
    verb: "sock echo",
    name,
    facts: [measured.address, `${whole(count)} × ${formatBytes(run.size)} over ${over}${pace}`].filter(
      Boolean,
    ),
    started,
    verdict: verdictOfRun({ limits, problem, complete, sent, count, unit: "frame", kept }),
    tiles: [
      ...timeTiles(rtt),
      jitterTile(jitter),
      { name: "rate", figure: whole(perSecond), unit: "/s", note: `in ${formatDuration(seconds * 1000)}` },
      ...(kept === null ? [] : [keptTile(kept)]),
    ],
    limits,
    tables: [
      timesTable([
        ["round trip", rtt],
        ["from schedule", fromSchedule === undefined ? null : summaryUs(fromSchedule)],
      ]),
    ],
    others: [
      ["complete", complete ? "yes" : "no"],
      ["sent", whole(sent)],
      ["came back", whole(done)],
      ...jitterOthers(jitter),
    ],
    points: timeline.points(),
    width: timeline.width,
    unit: "frame",
    lost: "not back",
    ...spreadOfPage(part.rtt, rtt),
  });
}
