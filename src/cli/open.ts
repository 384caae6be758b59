import { resolve } from "node:path";
import { KeptConnection } from "../client/connections.ts";
import { hostOf } from "./host-word.ts";
import { resolveHost } from "../client/hosts.ts";
import { asSockError, type ExitStatus, SockError, STATUS } from "../errors.ts";
import { lines } from "./lines.ts";
import { openCommands } from "./open-commands.ts";
import { converse } from "./open-converse.ts";
import { Runner } from "./open-runner.ts";
import type { OpenState } from "./open-state.ts";
import { isTerminal } from "./output.ts";
import { sessionOptions } from "./session-options.ts";
import { type Context, defineVerb } from "./verb.ts";

/** These go before `some-failed`: the caller can do something about them. */
const FIRST: ReadonlySet<ExitStatus> = new Set([STATUS.unreachable, STATUS.noSpace]);

export default defineVerb({
  meta: {
    name: "open",
    summary: "an interactive session: ls, cd, get, put, cat, run; or a script",
    usage: ["open [HOST]", "open [HOST] -c LINE...", "open [HOST] < SCRIPT"],
    examples: [
      { line: "sock open web1", does: "asks for commands; help lists them" },
      { line: "sock open web1 -c 'cd logs; get app.log'", does: "two commands on one connection" },
      { line: "sock open web1 < deploy.txt", does: "a command a line, up to the first that fails" },
    ],
    more: [
      "Words are as in shells: quotes, backslashes, a ; between commands, a # before what is none. What follows run is the shell's there, to the end of the line.",
      "Ctrl-C ends the command that runs; Ctrl-D, or exit, the session. Names are completed with Tab.",
      "A script ends with the status of its first failure; with --keep-going with 10 where some failed.",
    ],
  },
  args: {
    host: { type: "positional", required: false, description: "a joined name; left out: the default host" },
    line: {
      type: "string",
      alias: "c",
      repeat: true,
      valueHint: "LINE",
      description: "run this and end",
    },
    "keep-going": { type: "boolean", description: "go on after a command that failed" },
  },
  async run(outer, given) {
    const context = { ...outer, env: rooted(outer.env) };
    const host = resolveHost(hostOf(given.host, "sock open HOST"), context.env);
    const isTyped = given.line.length === 0 && isTerminal(0) && (isTerminal(1) || isTerminal(2));
    if (isTyped) context.json.refuseData("a conversation");
    const connections = new KeptConnection(sessionOptions(context), () =>
      context.ui.info(`connected to ${host.name} again`),
    );
    const state: OpenState = { host, connections, folder: "", before: "", over: false };
    const commands = openCommands(state);
    const runner = new Runner(context, state, commands);
    try {
      const { server } = await connections.open(host);
      if (isTyped) {
        context.ui.report(`${host.name}  ${server.caps.join(" ")}    help lists the commands`);
        await converse(context, state, commands, runner);
      } else await script(context, state, runner, given.line, given["keep-going"]);
    } finally {
      connections.close();
    }
  },
});

/** The state folder stays where it is when lcd goes elsewhere. */
function rooted(env: Context["env"]): Context["env"] {
  const home = env["SOCK_HOME"];
  return home === undefined || home === "" ? env : { ...env, SOCK_HOME: resolve(home) };
}

/** Throws the first failure, or at the end what became of all. */
async function script(
  context: Context,
  state: OpenState,
  runner: Runner,
  given: readonly string[],
  keepsGoing: boolean,
): Promise<void> {
  const failures: SockError[] = [];
  const fromStdin = given.length === 0;
  let number = 0;
  const failed = (error: SockError): void => {
    failures.push(error);
    if (!keepsGoing) throw fromStdin ? atLine(error, number) : error;
    if (!context.json.enabled) context.ui.error(fromStdin ? atLine(error, number) : error);
  };
  try {
    for await (const line of fromStdin ? typedLines(context.signal) : given.flatMap(split)) {
      number += 1;
      await runner.line(line, failed);
      if (state.over) break;
    }
  } finally {
    context.json.result({ host: state.host.name, commands: runner.done, failed: failures.length });
  }
  const first = failures.find(({ status }) => FIRST.has(status)) ?? failures[0];
  if (first === undefined) return;
  const code = FIRST.has(first.status) ? first.code : "some-failed";
  throw new SockError(code, `${failures.length} of ${runner.done} commands failed`);
}

function atLine({ code, message, hint }: SockError, number: number): SockError {
  return new SockError(code, `line ${number}: ${message}`, hint);
}

function split(text: string): string[] {
  return text.split(/\r?\n/);
}

async function* typedLines(signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for await (const { bytes } of lines(Bun.stdin.stream(), signal)) {
    try {
      yield decoder.decode(bytes).replace(/\r$/, "");
    } catch {
      throw new SockError("usage", "the script is not UTF-8");
    }
  }
  if (signal.aborted) throw asSockError(signal.reason);
}
