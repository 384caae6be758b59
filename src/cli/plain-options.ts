/** `--trace` and `--dialect`, the same for every verb that talks to plain peers. */
import { SockError } from "../errors.ts";
import { parsePlainUrl, type PlainUrl } from "../plain/address.ts";
import { type Trace, traceLines } from "../plain/trace.ts";
import type { Context } from "./verb.ts";

export const TRACE_ARGS = {
  trace: { type: "boolean", description: "show every read and write: time, size, hex" },
} as const;

export const DIALECT_ARGS = {
  dialect: {
    type: "string",
    valueHint: "NAME",
    description: "what a plain peer speaks: sock help dialects",
  },
  ...TRACE_ARGS,
} as const;

export const QUIET_ARGS = {
  "quiet-for": {
    type: "string",
    kind: "duration",
    valueHint: "DUR",
    description: "a plain answer without an end is over when nothing more comes for this long (200ms)",
  },
} as const;

export interface DialectGiven {
  readonly dialect: string | undefined;
  readonly trace: boolean;
}

/** The peer that a word names, or undefined for a word that is no URL. Throws `usage`, also for flags that need one. */
export function plainPeer(word: string | undefined, given: DialectGiven): PlainUrl | undefined {
  if (word !== undefined && /^((tcp|udp):\/\/|unix:)/i.test(word)) return parsePlainUrl(word);
  const flag = given.dialect !== undefined ? "--dialect" : given.trace ? "--trace" : undefined;
  if (flag === undefined) return undefined;
  throw new SockError(
    "usage",
    `${flag} is for plain peers`,
    "name one by tcp://HOST:PORT, udp://HOST:PORT or unix:PATH",
  );
}

export function tracer(context: Context, wanted: boolean): Trace | undefined {
  if (!wanted) return undefined;
  return (traced) => {
    const { time, peer, direction, bytes } = traced;
    context.json.emit({
      type: "trace",
      time: new Date(time).toISOString(),
      peer,
      direction,
      bytes: bytes.length,
      hex: Buffer.from(bytes).toString("hex"),
    });
    if (!context.json.enabled) context.ui.report(traceLines(traced).join("\n"));
  };
}
