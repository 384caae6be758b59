/** The shape of a command: words about it, its arguments in citty's terms (and a little more), and what it runs. */
import type { ArgsDef, BooleanArgDef, EnumArgDef, PositionalArgDef, StringArgDef } from "citty";
import type { Json } from "./json.ts";
import type { Signals } from "./signals.ts";
import type { Ui } from "./ui.ts";
import type { ValueKind } from "./values.ts";

/**
 * citty's definitions, stricter: `kind` checks a value and gives a number, `repeat` collects every use of a flag,
 * `variadic` takes all the positionals that are left (the last one only). Names are kebab-case, never `no-…`: a boolean
 * with `default: true` or a `negativeDescription` takes `--no-NAME` by itself.
 */
export type ArgDef =
  | BooleanArgDef
  | (EnumArgDef & { options: string[] })
  | (StringArgDef & { kind?: ValueKind; repeat?: boolean })
  | (PositionalArgDef & { variadic?: boolean });
export type ArgDefs = Record<string, ArgDef>;

type Sure<D, V> = D extends { default: string } | { required: true } ? V : V | undefined;
type ValueOfArg<D extends ArgDef> = D extends { type: "boolean" }
  ? boolean
  : D extends { type: "positional" }
    ? D extends { variadic: true }
      ? string[]
      : D extends { required: false }
        ? Sure<D, string>
        : string
    : D extends { type: "enum"; options: (infer O)[] }
      ? Sure<D, O>
      : D extends { repeat: true }
        ? string[]
        : D extends { kind: ValueKind }
          ? Sure<D, number>
          : Sure<D, string>;

/** What `run` gets: each argument by its name, and the words after `--`, raw (see `VerbDef.words`). */
export type Args<T extends ArgDefs> = { [K in keyof T]: ValueOfArg<T[K]> } & { words: string[] | undefined };

/** The same where the definitions are not known to the compiler. */
export type Values = Record<string, string | number | boolean | string[] | undefined>;

/** What every verb gets besides its arguments. */
export interface Context {
  readonly env: Record<string, string | undefined>;
  readonly ui: Ui;
  /** `--json`: `emit` and `result` do nothing without it, so nobody has to ask. */
  readonly json: Json;
  readonly quiet: boolean;
  /** Number of `-v`. */
  readonly verbose: number;
  /** Aborted by SIGINT, SIGTERM, `--timeout` and a closed stdout; its reason is the SockError of it. */
  readonly signal: AbortSignal;
  /** For verbs that hand signals on. */
  readonly signals: Signals;
  /** `--connect-timeout`, ms; undefined where not given. */
  readonly connectTimeoutMs: number | undefined;
  /** `--ready`: how long to wait for a server that is not there yet, ms. */
  readonly readyMs: number | undefined;
}

export type FlagGroups = readonly (readonly [heading: string, flags: readonly string[]])[];

export interface VerbDef<T extends ArgDefs = ArgDefs> {
  meta: {
    name: string;
    /** One line for the list of commands. */
    summary: string;
    /** The usage lines after `sock `; without it they are made from the arguments. */
    usage?: string | string[];
    /** Command lines that work when pasted, each with what it does. */
    examples?: { line: string; does: string }[];
    /** Paragraphs below the summary. */
    more?: string[];
    /** Flags that belong together, under a heading; the others come last. */
    groups?: FlagGroups;
    hidden?: boolean;
  };
  args: T;
  /** The words after `--` are somebody else's (a remote command's): they come as `words`, not as positionals. */
  words?: boolean;
  /** Its statuses are a remote command's: every failure of our own has this one. */
  failureStatus?: number;
  /** The status (STATUS, or a remote command's own), or nothing for 0; failures are thrown as SockError. */
  run(context: Context, args: Args<T>): Promise<number | void> | number | void;
}

/** A verb whose arguments' types are forgotten, as the table of commands holds it. */
export interface Verb {
  meta: VerbDef["meta"];
  args: ArgDefs;
  words: boolean;
  failureStatus: number | undefined;
  /** `values` have been made by `readArgs` from this verb's own `args`. */
  run(context: Context, values: Values): Promise<number | void>;
}

export function defineVerb<const T extends ArgDefs>(definition: VerbDef<T>): Verb {
  return {
    meta: definition.meta,
    args: definition.args,
    words: definition.words ?? false,
    failureStatus: definition.failureStatus,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- readArgs makes each value as ValueOfArg computes its type
    run: async (context, values) => definition.run(context, values as unknown as Args<T>),
  };
}

/** Flags of every command. */
export const GLOBAL_ARGS = {
  json: { type: "boolean", description: "print NDJSON events on stdout, the last one the result" },
  timeout: {
    type: "string",
    kind: "duration",
    valueHint: "DUR",
    description: "give up the whole command after this (status 6)",
  },
  "connect-timeout": {
    type: "string",
    kind: "duration",
    valueHint: "DUR",
    description: "give up connecting after this (10s)",
  },
  ready: {
    type: "string",
    kind: "duration",
    valueHint: "DUR",
    description: "wait this long for a server that is not there yet",
  },
  quiet: { type: "boolean", alias: "q", description: "errors only" },
  verbose: { type: "boolean", alias: "v", description: "say more; -v -v for every step" },
  help: { type: "boolean", alias: "h", description: "this text" },
} as const satisfies ArgDefs & ArgsDef;
