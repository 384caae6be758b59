/** `--encoding`, `--out-encoding` and SOCK_ENCODING, the same for all verbs that show what programs print. */
import { chooseDecoding, type Decoding, encodingName, type Sources } from "../text/encoding.ts";
import { SockError } from "../errors.ts";
import type { Context } from "./verb.ts";

export const TEXT_ARGS = {
  encoding: {
    type: "string",
    valueHint: "NAME",
    description: "encoding of the text there: auto, raw, utf-8, gbk... (SOCK_ENCODING)",
  },
  "out-encoding": { type: "string", valueHint: "NAME", description: "write text in this (utf-8)" },
} as const;

/** For the verbs that run programs: what others show is escaped anyway. */
export const SAFE_ARG = {
  safe: { type: "boolean", description: "show only text and colours of what it prints" },
} as const;

export interface TextGiven {
  readonly encoding: string | undefined;
  readonly "out-encoding": string | undefined;
  readonly safe?: boolean | undefined;
}

export interface TextChoice {
  readonly decoding: Decoding;
  /** What text is sent in: the stated encoding, else UTF-8. */
  readonly send: string;
  /** What text is written in here; `raw` where it is none. */
  readonly out: string;
  /** Of control sequences only colours are left. */
  readonly safe?: boolean | undefined;
}

/** @throws SockError `usage` for a name that is none; check so before anything is connected (without `hello`) */
export function textChoice(
  context: Context,
  given: TextGiven,
  host: { encoding?: string },
  stream: Pick<Sources, "terminal" | "hello">,
): TextChoice {
  const decoding = chooseDecoding({
    flag: given.encoding,
    variable: context.env["SOCK_ENCODING"],
    host: host.encoding,
    hello: stream.hello,
    // who says what to write wants text, and only in text sequences can be told from characters
    terminal: stream.terminal || given["out-encoding"] !== undefined || given.safe === true,
  });
  if (given.safe === true && decoding.kind === "raw") {
    throw new SockError("usage", "--safe and the encoding raw exclude each other", "--encoding auto");
  }
  const out = decoding.kind === "raw" ? "raw" : encodingName(given["out-encoding"] ?? "utf-8");
  const send = decoding.kind === "text" && decoding.stated ? decoding.encoding : "utf-8";
  return { decoding, send, out, safe: given.safe };
}
