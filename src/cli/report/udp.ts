/** The report of a run of datagrams. */
import type { UdpMeasured } from "../../client/udp.ts";
import type { SockError } from "../../errors.ts";
import type { Timeline } from "../../measure/timeline.ts";
import type { UdpFigures } from "../../measure/udp-figures.ts";
import type { Threshold } from "../../measure/verdict.ts";
import { intervalWords } from "../run-schedule.ts";
import { placeOf, wayRows } from "../udp-words.ts";
import { jitterOthers, jitterTile, keptTile, spreadOfPage, timesTable, timeTiles } from "./figures.ts";
import { renderPage } from "./page.ts";
import { type Others, type Table, type Tile, whole } from "./tables.ts";
import { verdictOfRun } from "./verdict.ts";

export interface UdpReport {
  readonly name: string;
  readonly measured: UdpMeasured;
  readonly figures: UdpFigures;
  readonly limits: readonly Threshold[];
  readonly problem: SockError | undefined;
  readonly run: { readonly count: number; readonly size: number; readonly intervalNs: number };
  readonly timeline: Timeline;
}

export function udpPage(report: UdpReport): string {
  const { name, measured, figures, limits, problem, run, timeline } = report;
  const { trips, started } = measured;
  const complete = measured.failure === undefined;
  // what was damaged on the way there, or came too fast, has no reply and is not lost
  const isLost = figures.both.lost === trips.sent - trips.back;
  return renderPage({
    verb: "sock udp",
    name,
    facts: facts(report),
    started,
    verdict: verdictOfRun({
      limits,
      problem,
      complete,
      sent: figures.sent,
      count: run.count,
      unit: "datagram",
      kept: figures.schedule_kept_percent,
    }),
    tiles: udpTiles(figures),
    limits,
    tables: [
      waysTable(figures, measured.counts),
      timesTable([
        ["round trip", figures.rtt_us],
        ["from schedule", run.intervalNs > 0 ? figures.rtt_from_schedule_us : null],
        ["in the server", figures.server_us],
      ]),
    ],
    others: udpOthers(measured, figures, complete),
    points: timeline.points((number) => trips.fate(number)),
    width: timeline.width,
    unit: "datagram",
    lost: isLost ? "lost" : "no reply",
    ...spreadOfPage(trips.rtt, figures.rtt_us),
  });
}

function facts({ name, measured, run }: UdpReport): string[] {
  const where = placeOf(measured);
  const pause = run.intervalNs === 0 ? "one after another" : `every ${intervalWords(run.intervalNs)}`;
  const seen = measured.counts?.peer ?? null;
  return [
    ...(where === name ? [] : [where]),
    `${whole(run.count)} × ${run.size} B ${pause}`,
    ...(seen === null ? [] : [`seen there as ${seen}`]),
  ];
}

function udpTiles({ sent, received, loss_percent, both, rtt_us, jitter_us, ...figures }: UdpFigures): Tile[] {
  const kept = figures.schedule_kept_percent;
  return [
    {
      name: "lost",
      figure: loss_percent === null ? "unknown" : share(loss_percent),
      unit: loss_percent === null ? "" : "%",
      note:
        both.lost === null
          ? `${whole(received)} of ${whole(sent)} back`
          : `${whole(both.lost)} of ${whole(sent)}`,
    },
    ...timeTiles(rtt_us),
    jitterTile(jitter_us),
    ...(kept === null ? [] : [keptTile(kept)]),
  ];
}

function waysTable(figures: UdpFigures, counts: UdpMeasured["counts"]): Table {
  return {
    caption: "Datagrams",
    unit: "each way",
    columns: ["", "sent", "arrived", "lost", "%", "duplicate", "reordered", "corrupt"],
    rows: wayRows(figures, counts).map(({ name, sent, arrived, figures: way }) => [
      name,
      whole(sent),
      whole(arrived),
      whole(way.lost),
      way.lost === null || sent === 0 ? "" : share((100 * way.lost) / sent),
      whole(way.duplicates),
      whole(way.reordered),
      whole(way.corrupt),
    ]),
  };
}

function udpOthers({ counts, ...measured }: UdpMeasured, figures: UdpFigures, complete: boolean): Others {
  const other = counts?.other ?? null;
  const moved = `${whole(counts?.moved)}${other === null ? "" : ` (${other})`}`;
  return [
    ["complete", complete ? "yes" : "no"],
    ["received", whole(figures.received)],
    ["late", whole(figures.delayed)],
    ["bursts of losses", whole(figures.bursts)],
    ["longest burst", whole(figures.longest_burst)],
    ...jitterOthers(figures.jitter_us),
    ["over the server's limit", whole(figures.rate_limited)],
    ["dropped here", whole(measured.ownDrops)],
    ["dropped at the server", whole(counts?.drops)],
    ["not sent by the server", whole(counts?.unsent)],
    ["came from elsewhere", whole(measured.foreign)],
    ["came there from elsewhere", moved],
  ];
}

/** Percent. */
function share(value: number): string {
  return value.toFixed(2);
}
