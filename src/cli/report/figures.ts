/** Times as the reports of both verbs show them. */
import type { JitterFigures } from "../../measure/jitter.ts";
import type { Samples } from "../../measure/samples.ts";
import { spreadOf } from "../../measure/spread.ts";
import type { Summary } from "../../measure/summary.ts";
import { LEAST_KEPT, ms } from "../thresholds.ts";
import type { Page } from "./page.ts";
import { type Others, type Table, type Tile, whole } from "./tables.ts";

export function timesTable(rows: readonly [name: string, summary: Summary | null][]): Table {
  return {
    caption: "Times",
    unit: "ms",
    columns: ["", "min", "mean", "p50", "p90", "p99", "p99.9", "max", "n"],
    rows: rows.flatMap(([name, one]) =>
      one === null || one.n === 0
        ? []
        : [
            [
              name,
              ...[one.min, one.mean, one.p50, one.p90, one.p99, one.p99_9, one.max].map(ms),
              whole(one.n),
            ],
          ],
    ),
  };
}

export function timeTiles(rtt: Summary): Tile[] {
  return [
    {
      name: "half took at most",
      figure: ms(rtt.p50),
      unit: rtt.p50 === null ? "" : "ms",
      note: `shortest ${ms(rtt.min)}`,
    },
    {
      name: "99 % took at most",
      figure: ms(rtt.p99),
      unit: rtt.p99 === null ? "" : "ms",
      note: `longest ${ms(rtt.max)}`,
    },
  ];
}

export function jitterTile({ ipdv_abs_p50: p50, ipdv_abs_p99: p99 }: JitterFigures): Tile {
  return { name: "jitter", figure: ms(p99), unit: p99 === null ? "" : "ms", note: `p99, half ${ms(p50)}` };
}

/** Jitter by other definitions. */
export function jitterOthers({ rfc3550, pdv_p95_p50: pdv }: JitterFigures): Others {
  const time = (us: number | null): string => (us === null ? "-" : `${ms(us)} ms`);
  return [
    ["jitter, RFC 3550", time(rfc3550)],
    ["jitter, p95 less p50", time(pdv)],
  ];
}

export function keptTile(kept: number): Tile {
  return {
    name: "schedule kept",
    figure: kept.toFixed(1),
    unit: "%",
    note: "sent in time",
    slow: kept < LEAST_KEPT,
  };
}

export function spreadOfPage(samples: Samples, rtt: Summary): Pick<Page, "spread" | "marks"> {
  const marks: [name: string, us: number | null][] = [
    ["p50", rtt.p50],
    ["p90", rtt.p90],
    ["p99", rtt.p99],
    ["p99.9", rtt.p99_9],
  ];
  return {
    spread: spreadOf(samples),
    marks: marks.flatMap(([name, us]) => (us === null ? [] : [{ name, us }])),
  };
}
