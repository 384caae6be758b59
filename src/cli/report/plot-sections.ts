/** The plots of a report: what is drawn, in words for those who can't see it, and as figures. */
import { coarser, type Point } from "../../measure/timeline.ts";
import { ms } from "../thresholds.ts";
import { type Html, html } from "./html.ts";
import type { Page } from "./page.ts";
import { grid, whole } from "./tables.ts";

const MOST_ROWS = 20;

const EVENTS = ["lost", "delayed", "corrupt", "copies", "overtaken"] as const;
type Event = (typeof EVENTS)[number];

/** What the page's script draws; nothing in it is a peer's. Times in us. */
export function plotData(page: Page): object {
  const { points, width, spread, marks, limits } = page;
  return {
    lasted: points.at(-1)?.at ?? 0,
    width,
    points: {
      at: points.map(({ at }) => tenths(at)),
      sent: points.map(({ sent }) => sent),
      min: points.map(({ min }) => tenths(min)),
      mean: points.map(({ mean }) => tenths(mean)),
      max: points.map(({ max }) => tenths(max)),
    },
    lanes: lanes(page).map(({ event, name, color }) => ({
      event,
      name,
      color,
      counts: points.map((point) => point[event]),
    })),
    limits: limits.flatMap(({ name, limit, unit }) =>
      unit === "us" && name !== "max-jitter" ? [{ name, us: limit }] : [],
    ),
    marks,
    spread: {
      limits: spread.limits.map((limit) => Number((limit / 1000).toPrecision(6))),
      counts: spread.counts,
    },
  };
}

/** Kinds of events that there were. */
function lanes({ points, lost }: Page): { event: Event; name: string; color: string }[] {
  return EVENTS.filter((event) => points.some((point) => point[event] > 0)).map((event) => ({
    event,
    name: { lost, delayed: "late", corrupt: "corrupt", copies: "copies", overtaken: "overtaken" }[event],
    color: { lost: "bad", delayed: "warn", corrupt: event, copies: event, overtaken: event }[event],
  }));
}

export function overTime(page: Page): Html {
  const { points, width, unit } = page;
  const present = lanes(page);
  const title = html`<h2 id="over-time-title">Round trips over time <span class="unit">ms</span></h2>`;
  if (points.length === 0) return empty(title, "Nothing was sent.");
  const each = width === 1 ? `each ${unit}` : `the mean of each ${whole(width)} ${unit}s`;
  const band = width === 1 ? undefined : html`<span class="key band">shortest to longest of these</span>`;
  return html`<figure>
    <div class="head">
      ${title}
      <p class="readout" id="over-time-readout"></p>
      <label><input type="checkbox" id="logarithmic" />logarithmic</label>
    </div>
    ${plot("over-time")}
    <figcaption>
      <p class="keys">
        <span class="key time">${each}</span>
        ${band} ${present.map(({ event, name }) => html`<span class="key ${event}">${name}</span>`)}
      </p>
      <p><span id="over-time-words">${inWords(page)}</span> Drag to zoom in, double click to go back.</p>
    </figcaption>
    <details>
      <summary>The same as a table</summary>
      <div class="wide" tabindex="0" role="group" aria-label="Round trips over time">
        <table>
          ${pointTable(points, present)}
        </table>
      </div>
    </details>
  </figure>`;
}

/** Where the page's script draws. */
function plot(id: string): Html {
  return html`<div
    class="plot"
    id="${id}"
    role="img"
    aria-labelledby="${id}-title"
    aria-describedby="${id}-words"
  >
    <p class="dim">The plot needs JavaScript; its figures are below.</p>
  </div>`;
}

function empty(title: Html, words: string): Html {
  return html`<figure>
    <div class="head">${title}</div>
    <p class="dim">${words}</p>
  </figure>`;
}

function inWords({ points, unit, lost }: Page): string {
  const sum = (event: Event): number => points.reduce((all, point) => all + point[event], 0);
  const sent = points.reduce((all, point) => all + point.sent, 0);
  const missing = sum("lost");
  const rows = points.filter((point) => point.lost > 0);
  const [first, last] = [rows.at(0), rows.at(-1)];
  const begin = `${whole(sent)} ${unit}s in ${clock(points.at(-1)?.at ?? 0)}`;
  if (first === undefined || last === undefined)
    return `${begin}, ${lost === "lost" ? "none lost" : "all came back"}.`;
  return `${begin}, ${whole(missing)} ${lost}, between ${clock(first.at)} and ${clock(last.at)}.`;
}

function pointTable(points: readonly Point[], present: readonly { event: Event; name: string }[]): Html {
  const columns = ["from", "sent", ...present.map(({ name }) => name), "min", "mean", "max"];
  const rows = coarser(points, MOST_ROWS).map((point) => [
    clock(point.at),
    whole(point.sent),
    ...present.map(({ event }) => whole(point[event])),
    ...[point.min, point.mean, point.max].map(ms),
  ]);
  return grid(columns, rows);
}

export function spread({ spread: { counts }, marks }: Page): Html {
  const title = html`<h2 id="spread-title">
    Distribution <span class="unit">round trips of each length, ms</span>
  </h2>`;
  if (counts.length === 0) return empty(title, "Nothing came back.");
  const said = marks.map(({ name, us }) => `${name} ${ms(us)} ms`).join(", ");
  return html`<figure>
    <div class="head">
      ${title}
      <p class="readout" id="spread-readout"></p>
    </div>
    ${plot("spread")}
    <figcaption>
      <p><span id="spread-words">${said}.</span> The scale is logarithmic: all bars span the same ratio.</p>
    </figcaption>
  </figure>`;
}

/** us from the start: "420 ms", "3.10 s", which stay on one line. */
function clock(us: number): string {
  return us < 1e6
    ? `${(us / 1e3).toFixed(us < 1e5 ? 1 : 0)} ms`
    : `${(us / 1e6).toFixed(us < 1e8 ? 2 : 0)} s`;
}

function tenths(value: number): number;
function tenths(value: number | null): number | null;
function tenths(value: number | null): number | null {
  return value === null ? null : Math.round(value * 10) / 10;
}
