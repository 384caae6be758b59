/** The help of one command, made from its definition. */
import { fold } from "../text/fold.ts";
import { aliases, isNegatable, positionalName, valueHint } from "./args.ts";
import { type ArgDef, type ArgDefs, GLOBAL_ARGS, type Verb } from "./verb.ts";

/** Widest first column of a table, characters; longer cells get a line of their own. */
const MAX_FIRST_COLUMN = 31;

/** The narrowest terminal that is common, characters: every line fits into it, wherever it goes. */
const WIDTH = 80;

/** `inside`: a command of an interactive session. */
export function renderCommand(verb: Verb, { inside = false } = {}): string {
  const { meta } = verb;
  const usage = meta.usage === undefined ? [defaultUsage(verb)] : [meta.usage].flat();
  // a word that the usage lines explain has no more to say
  const positionals = Object.entries(verb.args).filter(
    ([, { type, description = "" }]) => type === "positional" && description !== "",
  );
  const sections = [
    ...usage.map((line, index) => `${index === 0 ? "usage:" : "      "} ${inside ? "" : "sock "}${line}`),
    "",
    meta.summary,
    ...(meta.more ?? []).flatMap((paragraph) => ["", ...fold(paragraph, WIDTH)]),
    ...section(
      "arguments",
      positionals.map(([name, def]) => [positionalName(name), def.description ?? ""]),
    ),
    ...flagSections(verb),
    ...(inside ? [] : section("flags of every command", flagRows(GLOBAL_ARGS))),
    ...section(
      "examples",
      (meta.examples ?? []).map(({ line, does }) => [line, does]),
    ),
  ];
  return sections.join("\n");
}

type Row = readonly string[];

/** Rows of two columns, indented by two; in one line with those of `aligned`. What is too long goes on below itself. */
export function table(rows: readonly Row[], aligned = rows): string[] {
  const width = Math.max(
    0,
    ...aligned.map(([first = ""]) => first.length).filter((size) => size <= MAX_FIRST_COLUMN),
  );
  const left = " ".repeat(width + 4);
  return rows.flatMap(([first = "", second = ""]) => {
    const [head = "", ...rest] = fold(second, WIDTH - left.length).map((line) => `${left}${line}`.trimEnd());
    if (first.length > width) return [`  ${first}`, head, ...rest];
    return [`  ${first.padEnd(width)}  ${head.slice(left.length)}`.trimEnd(), ...rest];
  });
}

function section(title: string, rows: readonly Row[]): string[] {
  return rows.length === 0 ? [] : ["", title, ...table(rows)];
}

/** A heading for each group, and no line in between; all in the same columns. */
function flagSections({ meta, args }: Verb): string[] {
  const { groups = [] } = meta;
  const flags = Object.entries(args).filter(([, def]) => def.type !== "positional");
  const isNamed = (name: string): boolean => groups.some(([, names]) => names.includes(name));
  const rest = flags.filter(([name]) => !isNamed(name));
  const named = groups.map(([heading, names]) => {
    return { heading, flags: names.flatMap((name) => flags.filter(([own]) => own === name)) };
  });
  const sections = [...named, { heading: groups.length > 0 ? "other flags" : "flags", flags: rest }]
    .map((one) => ({ heading: one.heading, rows: flagRows(Object.fromEntries(one.flags)) }))
    .filter(({ rows }) => rows.length > 0);
  const all = sections.flatMap(({ rows }) => rows);
  const lines = sections.flatMap(({ heading, rows }) => [heading, ...table(rows, all)]);
  return lines.length === 0 ? [] : ["", ...lines];
}

function defaultUsage(verb: Verb): string {
  const words = Object.entries(verb.args).map(([name, def]) => {
    if (def.type !== "positional") return "";
    const shown = `${positionalName(name)}${"variadic" in def && def.variadic === true ? "..." : ""}`;
    return def.required === false || def.default !== undefined ? `[${shown}]` : shown;
  });
  return [verb.meta.name, ...words.filter((word) => word !== ""), verb.words ? "[-- CMD ARG...]" : ""]
    .join(" ")
    .trim();
}

function flagRows(defs: ArgDefs): string[][] {
  return Object.entries(defs)
    .filter(([, def]) => def.type !== "positional")
    .map(([name, def]) => [flagName(name, def), flagWords(def)]);
}

function flagName(name: string, def: ArgDef): string {
  const short = aliases(def).filter((alias) => alias.length === 1);
  const negated =
    negativeOf(def) !== undefined ? "no-" : def.type === "boolean" && isNegatable(def) ? "[no-]" : "";
  const long = `--${negated}${name}`;
  const takes = def.type === "boolean" ? "" : ` ${valueHint(def)}`;
  return [...short.map((alias) => `-${alias}`), long + takes].join(", ");
}

function flagWords(def: ArgDef): string {
  const repeat = "repeat" in def && def.repeat === true ? "; repeatable" : "";
  const preset = typeof def.default === "string" ? ` (${def.default})` : "";
  return `${negativeOf(def) ?? def.description ?? ""}${repeat}${preset}`;
}

/** Of a flag that is on anyway only its `--no-…` says something. */
function negativeOf(def: ArgDef): string | undefined {
  return def.type === "boolean" && def.default === true ? def.negativeDescription : undefined;
}
