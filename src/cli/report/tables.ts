/** The figures of a report. */
import { isMet, type Threshold } from "../../measure/verdict.ts";
import { shown } from "../thresholds.ts";
import { type Html, html } from "./html.ts";

/** One of the few figures that are seen first. */
export interface Tile {
  readonly name: string;
  readonly figure: string;
  readonly unit: string;
  readonly note: string;
  /** That it should be better. */
  readonly slow?: boolean;
}

export interface Table {
  readonly caption: string;
  readonly unit: string;
  readonly columns: readonly string[];
  /** The first cell of each is its name. */
  readonly rows: readonly (readonly string[])[];
}

export type Others = readonly [name: string, figure: string][];

export function tiles(all: readonly Tile[]): Html {
  return html`<dl class="tiles">
    ${all.map(
      ({ name, figure, unit, note, slow }) =>
        html`<div class="${slow === true ? "slow" : "fine"}">
          <dt>${name}</dt>
          <dd>
            <span class="figure"
              >${figure}${unit === "" ? "" : html` <span class="unit">${unit}</span>`}</span
            >
          </dd>
          <dd class="note">${note}</dd>
        </div>`,
    )}
  </dl>`;
}

export function table({ caption, unit, columns, rows }: Table): Html | undefined {
  if (rows.length === 0) return undefined;
  const heading = unit === "" ? undefined : html` <span class="unit">${unit}</span>`;
  return html`<section>
    <div class="wide" tabindex="0" role="group" aria-label="${caption}">
      <table>
        <caption>
          ${caption}${heading}
        </caption>
        ${grid(columns, rows)}
      </table>
    </div>
  </section>`;
}

export function grid(columns: readonly string[], rows: readonly (readonly string[])[]): Html {
  return html`<thead>
      <tr>
        ${columns.map((name) => html`<th scope="col">${name}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ([name, ...cells]) =>
          html`<tr>
            <th scope="row">${name}</th>
            ${cells.map((cell) => html`<td>${cell}</td>`)}
          </tr>`,
      )}
    </tbody>`;
}

export function limitsTable(limits: readonly Threshold[]): Html | undefined {
  if (limits.length === 0) return undefined;
  const rows = limits.map((one) => {
    const met = isMet(one);
    const bound = one.atLeast === true ? "at least" : "at most";
    const verdict = html`<td class="${met ? "met" : "missed"}">${met ? "met" : "missed"}</td>`;
    return html`<tr>
      <th scope="row">${one.name}</th>
      <td>${bound} ${shown(one.limit, one.unit)}</td>
      <td>${shown(one.value, one.unit)}</td>
      ${verdict}
    </tr>`;
  });
  return html`<section>
    <div class="wide" tabindex="0" role="group" aria-label="Limits">
      <table>
        <caption>
          Limits
        </caption>
        <thead>
          <tr>
            <th scope="col">limit</th>
            <th scope="col">stated</th>
            <th scope="col">measured</th>
            <th scope="col">verdict</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </section>`;
}

export function others(all: Others): Html {
  return html`<section>
    <h2>Also</h2>
    <dl class="others">
      ${all.map(
        ([name, figure]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${figure}</dd>
          </div>`,
      )}
    </dl>
  </section>`;
}

/** "10,000"; a dash for what is not known. */
export function whole(count: number | null | undefined): string {
  return count === null || count === undefined ? "-" : String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}
