/** The report of round trips over TCP. */
import type { SockError } from "../../errors.ts";
import { percent, summaryUs } from "../../measure/summary.ts";
import type { Timeline } from "../../measure/timeline.ts";
import type { Threshold } from "../../measure/verdict.ts";
import { formatBytes, formatDuration } from "../../text/units.ts";
import type { EchoFigures } from "../echo-measure.ts";
import { keptTile, spreadOfPage, timesTable, timeTiles } from "./figures.ts";
import { renderPage } from "./page.ts";
import { whole } from "./tables.ts";
import { verdictOfRun } from "./verdict.ts";

export interface EchoReport {
  readonly name: string;
  readonly measured: EchoFigures;
  readonly perSecond: number;
  readonly limits: readonly Threshold[];
  readonly problem: SockError | undefined;
  readonly run: {
    readonly count: number;
    readonly size: number;
    readonly connections: number;
    readonly rate: number | undefined;
  };
  readonly timeline: Timeline;
}

export function echoPage({ name, measured, perSecond, limits, problem, run, timeline }: EchoReport): string {
  const { sent, done, inTime, seconds, failure, fromSchedule } = measured;
  const rtt = summaryUs(measured.rtt);
  const kept = run.rate === undefined ? null : percent(inTime, sent);
  const complete = failure === undefined;
  const over = run.connections === 1 ? "1 connection" : `${whole(run.connections)} connections`;
  const pace = run.rate === undefined ? "" : `, ${whole(run.rate)} a second`;
  return renderPage({
    verb: "sock echo",
    name,
    facts: [measured.address, `${whole(run.count)} × ${formatBytes(run.size)} over ${over}${pace}`].filter(
      Boolean,
    ),
    started: measured.started,
    verdict: verdictOfRun({ limits, problem, complete, sent, count: run.count, unit: "frame", kept }),
    tiles: [
      ...timeTiles(rtt),
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
    ],
    points: timeline.points(),
    width: timeline.width,
    unit: "frame",
    lost: "not back",
    ...spreadOfPage(measured.rtt, rtt),
  });
}
