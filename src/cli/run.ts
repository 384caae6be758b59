/** argv to a verb, its arguments and its context. */
import { SockError } from "../errors.ts";
import { findVerb } from "./commands.ts";
import type { Json } from "./json.ts";
import type { Signals } from "./signals.ts";
import type { Ui, UiOptions } from "./ui.ts";
import { type Context, GLOBAL_ARGS, type Values, type Verb } from "./verb.ts";
import { VERSION } from "../version.ts";

/** One run, made ready: nothing has happened yet but the check of its words. */
export interface Run {
  timeoutMs: number | undefined;
  start(signal: AbortSignal, signals: Signals): Promise<number>;
}

/** Words that set up the output must count before the rest is known to be right: an error respects -q and --json too. */
export function outputOptions(argv: readonly string[]): { verbosity: number; json: boolean } {
  const end = argv.indexOf("--");
  const flags = end < 0 ? argv : argv.slice(0, end);
  const quiet = flags.some((word) => word === "--quiet" || /^-[a-z]*q/.test(word));
  const verbose = flags.flatMap((word) =>
    word === "--verbose" ? ["v"] : /^-[a-z]+$/.test(word) ? word.split("") : [],
  );
  return {
    verbosity: quiet ? -1 : verbose.filter((letter) => letter === "v").length,
    json: flags.includes("--json"),
  };
}

/** Throws `usage` for whatever does not fit; by then `onVerb` knows whose words they are, where that is known. */
export async function prepare(
  argv: readonly string[],
  env: UiOptions["env"],
  ui: Ui,
  json: Json,
  onVerb: (verb: Verb) => void,
): Promise<Run> {
  const { before, name, after } = splitCommand(argv);
  if (before.includes("--version") || before.includes("-V")) {
    return plain(async () => json.enabled || ui.print(`sock ${VERSION}`));
  }
  if (name === undefined) {
    const { overview } = await import("./help.ts");
    if (asksHelp(before)) return helping(ui, json, overview);
    if (argv.length === 0) ui.report(`${await overview()}\n`);
    const { readArgs } = await import("./args.ts");
    readArgs(before, GLOBAL_ARGS, { words: false, command: "" });
    throw new SockError("usage", "no command given", "sock help lists the commands");
  }
  const verb = await findVerb(
    name,
    after.find((word) => !word.startsWith("-")),
  );
  onVerb(verb);
  const words = [...before, ...after];
  if (asksHelp(words)) {
    const { renderCommand } = await import("./help-text.ts");
    return helping(ui, json, async () => renderCommand(verb));
  }
  const { readArgs } = await import("./args.ts"); // citty loads node:util, which --version needn't wait for
  const { values, counts } = readArgs(
    words,
    { ...GLOBAL_ARGS, ...verb.args },
    { words: verb.words, command: name },
  );
  return running(verb, values, counts.get("verbose") ?? 0, env, ui, json);
}

function running(
  verb: Verb,
  values: Values,
  verbose: number,
  env: UiOptions["env"],
  ui: Ui,
  json: Json,
): Run {
  const context = {
    env,
    ui,
    json,
    quiet: values["quiet"] === true,
    verbose,
    connectTimeoutMs: duration(values["connect-timeout"]),
    readyMs: duration(values["ready"]),
  };
  return {
    timeoutMs: duration(values["timeout"]),
    start: async (signal, signals) => {
      const full: Context = { ...context, signal, signals };
      const status = await verb.run(full, values);
      if (status === undefined && signal.aborted) throw signal.reason;
      return status ?? 0;
    },
  };
}

function helping(ui: Ui, json: Json, text: () => Promise<string>): Run {
  return plain(async () => {
    json.refuseData("help");
    ui.print(await text());
  });
}

/** A run without a verb. */
function plain(show: () => Promise<unknown>): Run {
  return {
    timeoutMs: undefined,
    start: async () => {
      await show();
      return 0;
    },
  };
}

function duration(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function asksHelp(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end)).some((word) => word === "-h" || word === "--help");
}

/** Flags may stand before the command: `sock -q --timeout 10s put …`. */
function splitCommand(argv: readonly string[]): {
  before: string[];
  name: string | undefined;
  after: string[];
} {
  const valued = new Set(["--timeout", "--connect-timeout", "--ready"]);
  let index = 0;
  while (index < argv.length && (argv[index] ?? "").startsWith("-"))
    index += valued.has(argv[index] ?? "") ? 2 : 1;
  return { before: argv.slice(0, index), name: argv[index], after: argv.slice(index + 1) };
}
