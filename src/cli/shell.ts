import { type ExecRequest, type Exit, SHELLS, type ShellName } from "../client/exec.ts";
import { resolveHost } from "../client/hosts.ts";
import { SockError } from "../errors.ts";
import { hostOf } from "./host-word.ts";
import { DIALECT_ARGS, plainPeer, QUIET_ARGS } from "./plain-options.ts";
import { runRemote } from "./remote-command.ts";
import { ownConnections } from "./session-options.ts";
import { signalStatus } from "./signal-status.ts";
import { SAFE_ARG, TEXT_ARGS, textChoice } from "./text-options.ts";
import { type Args, type Context, defineVerb } from "./verb.ts";

/** Status of everything that failed on our side, as ssh has it. */
const OWN_FAILURE = 255;
/** Variables that go along without being asked for. */
const PASSED = /^(LANG|LC_[A-Z]+)$/;

const args = {
  host: { type: "positional", required: false, description: "a joined name; left out: the default host" },
  terminal: {
    type: "positional",
    required: false,
    description: "with --attach: the name of the one that waits",
  },
  line: { type: "string", alias: "c", valueHint: "LINE", description: "a line for the shell there" },
  with: { type: "string", valueHint: "SHELL", description: `the shell for -c: ${SHELLS.join(", ")}` },
  cwd: { type: "string", valueHint: "DIR", description: "where it runs (the home of the user who serves)" },
  env: { type: "string", repeat: true, valueHint: "K=V", description: "sets a variable there" },
  "no-stdin": { type: "boolean", alias: "n", description: "its stdin is empty" },
  name: { type: "string", valueHint: "NAME", description: "a new terminal's name" },
  attach: { type: "boolean", description: "go on with a terminal that waits there" },
  list: { type: "boolean", description: "the terminals that wait there" },
  ...TEXT_ARGS,
  ...SAFE_ARG,
  detach: { type: "boolean", description: "it goes on when this end is gone" },
  ...DIALECT_ARGS,
  ...QUIET_ARGS,
  "max-output": {
    type: "string",
    kind: "bytes",
    valueHint: "BYTES",
    description: "end it when it has written so much",
  },
} as const;

export default defineVerb({
  meta: {
    name: "shell",
    summary: "a terminal on a server, or a command with its streams and its status",
    usage: [
      "shell [HOST]",
      "shell [HOST] -- CMD ARG...",
      "shell [HOST] -c LINE",
      "shell ADDR [--dialect NAME] [-c LINE]",
      "shell HOST --attach [NAME]",
    ],
    groups: [
      ["a command", ["line", "with", "cwd", "env", "no-stdin", "detach", "max-output"]],
      ["a terminal", ["name", "attach", "list"]],
      ["what is shown", Object.keys({ ...TEXT_ARGS, ...SAFE_ARG })],
      ["with peers that speak no sock", ["dialect", "trace", "quiet-for"]],
    ],
    examples: [
      { line: "sock shell web1", does: "a terminal; it goes on when the connection breaks" },
      { line: "sock shell web1 --attach", does: "goes on with one that was left there" },
      { line: "sock shell web1 -- systemctl restart app", does: "runs it, without a shell in between" },
      { line: "sock shell web1 -c 'df -h | tail -1'", does: "a line for the shell there" },
      {
        line: "sock shell tcp://10.0.0.9:8080 --dialect exec-length --encoding gbk -c dir",
        does: "a server that speaks no sock, and prints GBK; without -c each line of stdin is a command",
      },
      { line: "pg_dump app | sock shell web1 -- psql app", does: "stdin goes along" },
    ],
    more: [
      "The status is the command's own, 128 and the number for one that a signal ended, 255 where it could not be run or its end is unknown.",
      "Ctrl-C goes to the command; the second one ends it.",
      "The server has to allow it: sock serve --shell, and a key with shell or exec.",
    ],
  },
  args,
  words: true,
  failureStatus: OWN_FAILURE,
  async run(context, given) {
    const words = given.line === undefined ? given.words : [given.line];
    if (given.line !== undefined && given.words !== undefined) {
      throw new SockError("usage", "a command after -- and a line by -c exclude each other");
    }
    checkTerminalName(given, words);
    const url = plainPeer(given.host, given);
    if (url !== undefined) {
      const { plainShell } = await import("./plain-shell.ts");
      return plainShell(context, url, given);
    }
    const word = hostOf(given.host, "sock shell HOST -- CMD");
    const isCommand = words === undefined && !given.list && word?.includes("@") === false;
    const meant = isCommand ? (name: string) => `sock shell ${name || ":"} -- ${word}` : undefined;
    const host = resolveHost(word, context.env, undefined, meant);
    if (words === undefined) {
      const { runTerminal, showTerminals } = await import("./terminal.ts");
      if (given.list) return showTerminals(context, host);
      return runTerminal(context, host, {
        name: given.terminal ?? given.name ?? null,
        attach: given.attach,
        cwd: given.cwd ?? null,
        text: given,
        env: { TERM: terminalType(context.env, given), ...environment(context.env, given.env) },
      });
    }
    if (words.length === 0)
      throw new SockError("usage", "which command?", "sock shell HOST -- CMD, or -c LINE");
    // a name that is none is said before anything is begun
    textChoice(context, given, host, { terminal: true });
    const exit = await runRemote(context, {
      host,
      connections: ownConnections(context),
      text: given,
      // a key for listed commands has nothing to say but which one
      request: (isOwner) => request(isOwner ? context.env : {}, given, words),
      input: given["no-stdin"] ? undefined : Bun.stdin.stream(),
    });
    return told(context, exit);
  },
});

/** What programs there may draw with: without sequences, as on paper. */
function terminalType(env: Context["env"], { safe }: Given): string {
  return safe ? "dumb" : (env["TERM"] ?? "xterm-256color");
}

/** A second word is a terminal's name, and no command: that comes after `--`. */
function checkTerminalName({ terminal, attach, name }: Given, words: readonly string[] | undefined): void {
  if (attach && words !== undefined)
    throw new SockError("usage", "--attach goes with a terminal, not with a command");
  if (terminal === undefined) return;
  if (!attach) {
    throw new SockError(
      "usage",
      `one word too many: ${JSON.stringify(terminal)}`,
      `a command: sock shell HOST -- ${terminal}`,
    );
  }
  if (name !== undefined) throw new SockError("usage", "the terminal has two names");
}

type Given = Args<typeof args>;

function request(passed: Context["env"], given: Given, words: readonly string[]): ExecRequest {
  return {
    words,
    shell: given.line === undefined ? undefined : shellName(given.with ?? "auto"),
    cwd: given.cwd,
    env: environment(passed, given.env),
    detach: given.detach,
    maxOutput: given["max-output"],
  };
}

function shellName(text: string): ShellName {
  const found = SHELLS.find((name) => name === text);
  if (found !== undefined) return found;
  throw new SockError("usage", `--with: ${JSON.stringify(text)} is not known`, `one of ${SHELLS.join(", ")}`);
}

/** What a command gets to know of this side's environment, and what is set by name. Throws `usage`. */
export function environment(env: Context["env"], pairs: readonly string[]): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && PASSED.test(name)) all[name] = value;
  }
  for (const pair of pairs) {
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(pair);
    if (match === null) throw new SockError("usage", `--env ${JSON.stringify(pair)}: K=V is meant`);
    all[match[1] ?? ""] = match[2] ?? "";
  }
  return all;
}

function told({ json, ui }: Context, { status, signal, out, err, held_open: heldOpen, over }: Exit): number {
  json.result({ remote_status: status, signal, stdout_bytes: out, stderr_bytes: err, held_open: heldOpen });
  if (over) {
    throw new SockError("too-large", "the command wrote more than --max-output and was ended");
  }
  if (signal !== null) ui.debug(`ended by ${signal}`);
  return status ?? signalStatus(signal);
}
