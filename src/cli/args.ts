/**
 * Arguments, strictly. citty parses, but takes unknown flags, surplus words and missing values without a word; so each
 * token is first checked against the definitions, and citty is given `--name=value` words that leave nothing to guess.
 */
import { parseArgs } from "citty";
import { SockError } from "../errors.ts";
import { nearest } from "../text/suggest.ts";
import { flagHabit, quietHabit, wordHabit } from "./habits.ts";
import { parseValue } from "./values.ts";
import type { ArgDef, ArgDefs, Values } from "./verb.ts";

interface Scan {
  /** `--name=value` of flags with values. */
  flags: string[];
  /** Booleans: citty would take the name `no-replace` for the opposite of `replace`. */
  booleans: Map<string, boolean>;
  positionals: string[];
  words: string[] | undefined;
  repeated: Map<string, string[]>;
  /** How often each boolean was given (`-v -v`). */
  counts: Map<string, number>;
}

export interface ReadOptions {
  readonly words: boolean;
  readonly command: string;
  /** A command of an interactive session: its help has no `sock ` before it. */
  readonly inside?: boolean;
}

export interface ReadArgs {
  values: Values;
  counts: ReadonlyMap<string, number>;
}

/** Raw words to checked values. Throws `usage` for whatever does not fit the definitions. */
export function readArgs(raw: readonly string[], defs: ArgDefs, options: ReadOptions): ReadArgs {
  const scan = scanArgs(raw, defs, options);
  const named = Object.entries(defs).filter(([, def]) => def.type !== "positional");
  const valued = named.filter(([, def]) => def.type !== "boolean");
  const parsed = parse(scan.flags, Object.fromEntries(valued));
  const values: Values = { words: scan.words };
  for (const [name, def] of named) {
    values[name] = flagValue(name, def, scan, parsed[name]);
  }
  assignPositionals(values, defs, scan.positionals, options);
  return { values: values, counts: scan.counts };
}

function parse(flags: string[], defs: ArgDefs): Values {
  try {
    return parseArgs(flags, defs);
  } catch (error) {
    throw new SockError("usage", error instanceof Error ? firstLower(error.message) : String(error));
  }
}

function flagValue(name: string, def: ArgDef, scan: Scan, parsed: Values[string]): Values[string] {
  if (def.type === "boolean") return scan.booleans.get(name) ?? def.default === true;
  if (def.type === "enum" || def.type === "positional") return parsed;
  if ("repeat" in def && def.repeat === true) return scan.repeated.get(name) ?? [];
  if (typeof parsed !== "string") return undefined;
  return "kind" in def && def.kind !== undefined ? parseValue(def.kind, parsed, `--${name}`) : parsed;
}

function scanArgs(raw: readonly string[], defs: ArgDefs, options: ReadOptions): Scan {
  const scan: Scan = {
    flags: [],
    booleans: new Map(),
    positionals: [],
    words: undefined,
    repeated: new Map(),
    counts: new Map(),
  };
  const names = { options, flags: flagNames(defs) };
  let index = 0;
  /** The value that belongs to a flag: after `=`, or the next word. */
  const value = (shown: string, attached: string | undefined, def: ArgDef): string => {
    if (attached !== undefined) return attached;
    const next = raw[index + 1];
    if (next === undefined || next === "--" || names.flags.has(next.split("=", 1)[0] ?? next)) {
      throw new SockError("usage", `${shown} needs a value`, `${shown} ${valueHint(def)}`);
    }
    index += 1;
    return next;
  };
  for (; index < raw.length; index += 1) {
    const word = raw[index] ?? "";
    if (word === "--") {
      const rest = raw.slice(index + 1);
      if (options.words) scan.words = rest;
      else scan.positionals.push(...rest);
      break;
    }
    const quiet = "quiet-for" in defs ? quietHabit(raw, index) : undefined;
    if (quiet !== undefined)
      throw new SockError("usage", "--quiet means errors only, and takes no time", quiet);
    if (word === "-" || !word.startsWith("-")) scan.positionals.push(word);
    else if (word.startsWith("--")) takeFlag(scan, defs, names, word, value);
    else takeLetters(scan, defs, names, word, value);
  }
  return scan;
}

interface FlagNames {
  readonly options: ReadOptions;
  /** Every way to write a flag to its name. */
  readonly flags: ReadonlyMap<string, string>;
}

type TakeValue = (shown: string, attached: string | undefined, def: ArgDef) => string;

function takeFlag(scan: Scan, defs: ArgDefs, names: FlagNames, word: string, value: TakeValue): void {
  const equals = word.indexOf("=");
  const shown = equals < 0 ? word : word.slice(0, equals);
  const attached = equals < 0 ? undefined : word.slice(equals + 1);
  const name = names.flags.get(shown);
  const def = name === undefined ? undefined : defs[name];
  if (name === undefined || def === undefined) throw unknownFlag(shown, names);
  if (def.type !== "boolean") return take(scan, def, name, value(shown, attached, def));
  if (attached !== undefined) throw new SockError("usage", `${shown} takes no value`);
  scan.booleans.set(name, shown !== `--no-${name}`);
  scan.counts.set(name, (scan.counts.get(name) ?? 0) + 1);
}

/** `-q`, `-vv`, `-c LINE`, `-cLINE`: letters up to the first that takes a value. */
function takeLetters(scan: Scan, defs: ArgDefs, names: FlagNames, word: string, value: TakeValue): void {
  for (let at = 1; at < word.length; at += 1) {
    const shown = `-${word[at]}`;
    const name = names.flags.get(shown);
    const def = name === undefined ? undefined : defs[name];
    if (name === undefined || def === undefined) throw unknownFlag(word.length === 2 ? word : shown, names);
    if (def.type !== "boolean") {
      const attached = word.slice(at + 1).replace(/^=/, "");
      return take(scan, def, name, value(shown, attached === "" ? undefined : attached, def));
    }
    scan.booleans.set(name, true);
    scan.counts.set(name, (scan.counts.get(name) ?? 0) + 1);
  }
}

function take(scan: Scan, def: ArgDef, name: string, value: string): void {
  if (def.type === "enum" && !def.options.includes(value)) {
    const hint = `one of ${def.options.join(", ")}`;
    throw new SockError("usage", `--${name}: ${JSON.stringify(value)} is not known`, hint);
  }
  if (def.type === "string" && "repeat" in def && def.repeat === true) {
    scan.repeated.set(name, [...(scan.repeated.get(name) ?? []), value]);
  } else {
    scan.flags.push(`--${name}=${value}`);
  }
}

/** Every way to write a flag (`--name`, `--no-name`, `-n`) to its name. */
function flagNames(defs: ArgDefs): Map<string, string> {
  const names = new Map<string, string>();
  for (const [name, def] of Object.entries(defs)) {
    if (def.type === "positional") continue;
    names.set(`--${name}`, name);
    for (const alias of aliases(def)) names.set(alias.length === 1 ? `-${alias}` : `--${alias}`, name);
    if (def.type === "boolean" && isNegatable(def)) names.set(`--no-${name}`, name);
  }
  return names;
}

export function aliases(def: ArgDef): string[] {
  return "alias" in def && def.alias !== undefined ? [def.alias].flat() : [];
}

export function isNegatable(def: { default?: unknown; negativeDescription?: string }): boolean {
  return def.default === true || def.negativeDescription !== undefined;
}

/** What a flag takes: "DUR", "keep|follow|skip". */
export function valueHint(def: ArgDef): string {
  return def.valueHint ?? (def.type === "enum" ? def.options.join("|") : "VALUE");
}

function unknownFlag(shown: string, { options, flags }: FlagNames): SockError {
  const long = [...flags.keys()].filter((name) => name.startsWith("--"));
  const meant = shown.startsWith("--") ? nearest(shown, long) : undefined;
  const near =
    meant === undefined
      ? `${helpLine(options)} lists ${options.command === "" ? "the commands" : "its flags"}`
      : `did you mean ${meant}?`;
  return new SockError("usage", `unknown flag ${shown}`, flagHabit(options.command, shown) ?? near);
}

function helpLine({ command, inside = false }: ReadOptions): string {
  return `${inside ? "" : "sock "}help${command === "" ? "" : ` ${command}`}`;
}

function assignPositionals(values: Values, defs: ArgDefs, given: string[], options: ReadOptions): void {
  const left = [...given];
  for (const [name, def] of Object.entries(defs)) {
    if (def.type !== "positional") continue;
    const required = def.required !== false && def.default === undefined;
    if (required && left.length === 0) {
      throw new SockError("usage", `${positionalName(name)} is missing`, helpLine(options));
    }
    values[name] =
      "variadic" in def && def.variadic === true ? left.splice(0) : (left.shift() ?? def.default);
  }
  const surplus = left[0];
  if (surplus !== undefined) {
    const hint = (options.inside === true ? undefined : wordHabit(options.command)) ?? helpLine(options);
    throw new SockError("usage", `one word too many: ${JSON.stringify(surplus)}`, hint);
  }
}

export function positionalName(name: string): string {
  return name.toUpperCase();
}

function firstLower(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1).replace(/\.$/, "");
}
