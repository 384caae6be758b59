/** The result of a run of datagrams, for people. */
import type { UdpMeasured } from "../client/udp.ts";
import type { UdpFigures, WayFigures } from "../measure/udp-figures.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { intervalWords } from "./run-schedule.ts";
import { jitterLine, rttLine } from "./thresholds.ts";

const NUMBER_WIDTH = 9;

export function resultLines(
  name: string,
  measured: UdpMeasured,
  figures: UdpFigures,
  run: { size: number; intervalNs: number },
): string[] {
  const { counts } = measured;
  const where = placeOf(measured);
  const seen =
    counts?.peer === null || counts === undefined ? [] : [`  seen there as ${escapeForDisplay(counts.peer)}`];
  const pause = run.intervalNs === 0 ? "one after another" : `every ${intervalWords(run.intervalNs)}`;
  const what = `${figures.sent} x ${run.size} B ${pause}`;
  const { rtt_us: rtt, jitter_us: jitter } = figures;
  const kept = figures.schedule_kept_percent;
  const here = [
    `schedule kept ${kept === null ? "-" : kept.toFixed(1)} %`,
    `own drops ${measured.ownDrops ?? "-"}`,
    ...(counts === undefined ? [] : [`over the rate there ${counts.limited}`]),
  ];
  return [
    name === where ? `${where}   ${what}` : `${name} ${where}   ${what}`,
    ...seen,
    `         sent  arrived  ${"lost".padEnd(12)}  duplicate  reordered  corrupt`,
    ...wayRows(figures, counts).map(way),
    `  ${rttLine(rtt)}`,
    `  ${jitterLine(jitter)}`,
    `  here    ${here.join(", ")}`,
    ...remarks(measured, figures),
  ];
}

/** Where the datagrams went. */
export function placeOf({ address, port }: { address: string; port: number }): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

export interface WayRow {
  readonly name: string;
  readonly sent: number;
  readonly arrived: number;
  readonly figures: WayFigures;
}

/** Each way, or both as one where they can't be told apart. */
export function wayRows(figures: UdpFigures, counts: UdpMeasured["counts"]): WayRow[] {
  const { sent, up, down, both, received, delayed } = figures;
  if (counts === undefined) {
    const back = received + delayed + (both.corrupt ?? down.corrupt ?? 0);
    const known = both.lost === null ? { ...down, lost: sent - back } : both;
    return [{ name: "both", sent, arrived: back, figures: known }];
  }
  const seen = counts.answered + counts.corrupt + counts.limited;
  const back = received + delayed + (down.corrupt ?? 0);
  return [
    { name: "up", sent, arrived: seen, figures: up },
    { name: "down", sent: counts.answered, arrived: back, figures: down },
  ];
}

function way({ name, sent, arrived, figures }: WayRow): string {
  const { lost, duplicates, reordered, corrupt } = figures;
  const share = lost === null || sent === 0 ? "" : `${((100 * lost) / sent).toFixed(2)} %`;
  const cells = [
    String(sent).padStart(5),
    String(arrived).padStart(7),
    `${String(lost ?? "-").padEnd(2)} ${share}`.padEnd(12),
    String(duplicates ?? "-").padStart(NUMBER_WIDTH),
    String(reordered ?? "-").padStart(NUMBER_WIDTH),
    String(corrupt ?? "-").padStart(7),
  ];
  return `  ${name.padEnd(4)}  ${cells.join("  ")}`;
}

/** What is seldom there, and should not be missed then. */
function remarks(measured: UdpMeasured, figures: UdpFigures): string[] {
  const { counts, foreign } = measured;
  const lines: string[] = [];
  if (figures.delayed > 0) lines.push(`${figures.delayed} late, so neither lost nor in these times`);
  if (figures.longest_burst > 1) lines.push(`longest burst of losses ${figures.longest_burst}`);
  if (foreign > 0) lines.push(`${foreign} datagrams from elsewhere, ignored`);
  if (counts !== undefined && counts.moved > 0) {
    lines.push(
      `${counts.moved} came there from ${escapeForDisplay(counts.other ?? "elsewhere")}: a NAT changed the address`,
    );
  }
  if (counts !== undefined && (counts.drops ?? 0) > 0)
    lines.push(`the server's own system dropped ${counts.drops}`);
  if (counts !== undefined && counts.unsent > 0)
    lines.push(`the server could not send ${counts.unsent} replies`);
  return lines.map((line) => `  note    ${line}`);
}
