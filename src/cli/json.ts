/** `--json`: NDJSON on stdout, one event a line; the last one of every run is the result. */
import { SockError } from "../errors.ts";
import type { Ui } from "./ui.ts";
import { VERSION } from "../version.ts";

/** Number of this form of the events; a field never changes its meaning under the same number. */
export const SCHEMA = 1;

export interface JsonEvent {
  type: string;
  [field: string]: unknown;
}

export class Json {
  readonly enabled: boolean;
  readonly #ui: Ui;
  #fields: Record<string, unknown> = {};

  constructor(ui: Ui, enabled: boolean) {
    this.#ui = ui;
    this.enabled = enabled;
  }

  /** One event; nothing without `--json`. */
  emit(event: JsonEvent): void {
    if (this.enabled) this.#line(event);
  }

  /** Fields of the result event, which is written at the end of the run; later ones win. */
  result(fields: Record<string, unknown>): void {
    this.#fields = { ...this.#fields, ...fields };
  }

  /** The verb's data would go to stdout, where the events go: a usage error. */
  refuseData(what: string): void {
    if (this.enabled) throw new SockError("usage", `--json and ${what} on stdout exclude each other`);
  }

  /** The last line of a run. Called by main only. */
  finish(status: number, error?: SockError): void {
    this.end({ type: "result", schema: SCHEMA, sock: VERSION, status }, error);
  }

  /** The event that ends something, with its result's fields and its failure. */
  end(event: JsonEvent, error?: SockError): void {
    if (!this.enabled) return;
    const failure =
      error === undefined
        ? {}
        : {
            code: error.code,
            message: error.message,
            ...(error.hint === undefined ? {} : { hint: error.hint }),
          };
    this.#line({ ...event, ...this.#fields, ...failure });
  }

  #line(event: JsonEvent): void {
    const text = JSON.stringify(event, (_key, value: unknown) =>
      typeof value === "bigint" ? Number(value) : value,
    );
    this.#ui.data(`${text}\n`).catch(() => undefined); // a failed write shows at the end of the run
  }
}
