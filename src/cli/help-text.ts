/** The help of one command, made from its definition. */
import { aliases, isNegatable, positionalName } from "./args.ts";
import { type ArgDef, type ArgDefs, GLOBAL_ARGS, type Verb } from "./verb.ts";

/** Widest first column of a table, characters; longer cells get a line of their own. */
const MAX_FIRST_COLUMN = 30;

/** `inside`: a command of an interactive session. */
export function renderCommand(verb: Verb, { inside = false } = {}): string {
  const { meta } = verb;
  const usage = meta.usage === undefined ? [defaultUsage(verb)] : [meta.usage].flat();
  const positionals = Object.entries(verb.args).filter(([, def]) => def.type === "positional");
  const sections = [
    ...usage.map((line, index) => `${index === 0 ? "usage:" : "      "} ${inside ? "" : "sock "}${line}`),
    "",
    meta.summary,
    ...(meta.more ?? []).flatMap((paragraph) => ["", paragraph]),
    ...section(
      "arguments",
      positionals.map(([name, def]) => [positionalName(name), def.description ?? ""]),
    ),
    ...section("flags", flagRows(verb.args)),
    ...(inside ? [] : section("flags of every command", flagRows(GLOBAL_ARGS))),
    ...section(
      "examples",
      (meta.examples ?? []).map(({ line, does }) => [line, does]),
    ),
  ];
  return sections.join("\n");
}

/** Rows of two columns, indented by two. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(
    0,
    ...rows.map(([first = ""]) => first.length).filter((size) => size <= MAX_FIRST_COLUMN),
  );
  return rows.flatMap(([first = "", second = ""]) =>
    first.length > width
      ? [`  ${first}`, `  ${" ".repeat(width)}  ${second}`.trimEnd()]
      : [`  ${first.padEnd(width)}  ${second}`.trimEnd()],
  );
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : ["", title, ...table(rows)];
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
  return [...short.map((alias) => `-${alias}`), long + valueHint(def)].join(", ");
}

function valueHint(def: ArgDef): string {
  if (def.type === "enum") return ` ${def.valueHint ?? def.options.join("|")}`;
  return def.type === "string" ? ` ${def.valueHint ?? "VALUE"}` : "";
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
