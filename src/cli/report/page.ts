/** `--report FILE`: one page that needs nothing beside itself, and that nothing in it can make ask for more. */
import license from "uplot/LICENSE" with { type: "text" };
import plotting from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import plottingStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import type { Spread } from "../../measure/spread.ts";
import type { Point } from "../../measure/timeline.ts";
import type { Threshold } from "../../measure/verdict.ts";
import { VERSION } from "../../version.ts";
import { Html, html, scriptJson } from "./html.ts";
import ownStyle from "./page.css" with { type: "text" };
import plots from "./plots.js" with { type: "text" };
import { limitsTable, type Others, others, type Table, table, tiles, type Tile } from "./tables.ts";
import { overTime, plotData, spread } from "./plot-sections.ts";

export interface Verdict {
  readonly mood: "good" | "bad" | "warn" | "none";
  readonly title: string;
  readonly lines: readonly string[];
}

export interface Page {
  /** The verb, and whom it asked. */
  readonly verb: string;
  readonly name: string;
  readonly facts: readonly string[];
  readonly started: Date;
  readonly verdict: Verdict;
  readonly tiles: readonly Tile[];
  readonly limits: readonly Threshold[];
  readonly tables: readonly Table[];
  readonly others: Others;
  readonly points: readonly Point[];
  /** Datagrams (or frames) of each point, what one is called, and what it is when nothing came back. */
  readonly width: number;
  readonly unit: string;
  readonly lost: string;
  readonly spread: Spread;
  /** Percentiles to be marked. */
  readonly marks: readonly { name: string; us: number }[];
}

const STYLE = `${plottingStyle}\n${ownStyle}`;
// a comment that ends with its own end: the licence asks to be wherever the code is
const SCRIPT = `/*!\n${license.replaceAll("*/", "")}*/\n${plotting}\n${plots}`;

export function renderPage(page: Page): string {
  const { name, verb, verdict, started } = page;
  const when = started.toISOString();
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy()}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <title>${verb} ${name}: ${verdict.title}</title>
        <link rel="icon" href="data:," />
        ${raw("style", STYLE)}
      </head>
      <body>
        <header>
          <p class="verb">${verb}</p>
          <h1>${name}</h1>
          <ul class="facts">
            ${page.facts.map((fact) => html`<li>${fact}</li>`)}
            <li><time datetime="${when}">${words(when)}</time></li>
          </ul>
        </header>
        <main>
          <section class="verdict ${verdict.mood}" aria-label="Verdict">
            <h2>${sign(verdict)}${verdict.title}</h2>
            ${verdict.lines.map((line) => html`<p>${line}</p>`)}
          </section>
          ${tiles(page.tiles)} ${limitsTable(page.limits)} ${overTime(page)} ${spread(page)}
          ${page.tables.map(table)} ${others(page.others)}
        </main>
        <footer>
          Written by sock ${VERSION}. Plots by
          <a href="https://github.com/leeoniya/uPlot" rel="noreferrer">uPlot</a>, ${copyright()}, MIT License.
        </footer>
        <script type="application/json" id="data">
          ${scriptJson(plotData(page))}
        </script>
        ${raw("script", SCRIPT)}
      </body>
    </html> `.text;
}

/** Nothing is loaded from anywhere, and of scripts and styles only the two that are here. */
function policy(): string {
  const rules = [
    "default-src 'none'",
    `style-src '${digest(STYLE)}'`,
    `script-src '${digest(SCRIPT)}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ];
  return rules.join("; ");
}

function digest(text: string): string {
  return `sha256-${new Bun.CryptoHasher("sha256").update(text).digest("base64")}`;
}

/** Our own text, as it is. */
function raw(element: "style" | "script", text: string): Html {
  return new Html(`<${element}>${text}</${element}>`);
}

function copyright(): string {
  return /^Copyright .*$/m.exec(license)?.[0] ?? "";
}

/** "2026-11-21 09:41:07 UTC". */
function words(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

/** For those who can't tell the colours. */
function sign({ mood }: Verdict): Html | undefined {
  const signs = { good: "✓", bad: "✗", warn: "!", none: "" };
  return mood === "none" ? undefined : html`<span aria-hidden="true">${signs[mood]} </span>`;
}
