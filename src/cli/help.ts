/** `sock help`, `sock help COMMAND`, `sock help TOPIC`. */
import { type ExitStatus, SockError, STATUS } from "../errors.ts";
import { COMMANDS, findVerb } from "./commands.ts";
import { renderCommand, table } from "./help-text.ts";
import { nearest } from "../text/suggest.ts";
import { dialects, impairments } from "./plain-help.ts";
import { defineVerb } from "./verb.ts";
import { VERSION } from "../version.ts";

export default defineVerb({
  meta: {
    name: "help",
    summary: "explain a command or a topic",
    examples: [
      { line: "sock help put", does: "flags and examples of put" },
      { line: "sock help status", does: "what each exit status means" },
    ],
  },
  args: { topic: { type: "positional", required: false, description: "a command or a topic" } },
  async run(context, { topic }) {
    context.json.refuseData("help");
    context.ui.print(topic === undefined ? await overview() : await explain(topic));
  },
});

const STATUS_WORDS: readonly (readonly [ExitStatus, string])[] = [
  [STATUS.done, "done and verified"],
  [STATUS.failed, "failed"],
  [STATUS.usage, "wrong usage"],
  [STATUS.threshold, "a stated threshold was missed"],
  [STATUS.denied, "not allowed: key, capability, policy, a path outside"],
  [STATUS.notThatServer, "not that server, or no sock at all"],
  [STATUS.unreachable, "unreachable, lost or --timeout; worth a retry"],
  [STATUS.notFound, "not found"],
  [STATUS.noSpace, "no space, or over a quota"],
  [STATUS.differs, "bytes differ"],
  [STATUS.someFailed, "some of many failed"],
  [STATUS.untrusted, "the measurement can't be trusted"],
  [STATUS.exists, "exists already"],
  [STATUS.interrupted, "stopped by Ctrl-C (SIGINT)"],
  [STATUS.terminated, "stopped by SIGTERM"],
];

const TOPICS: ReadonlyMap<string, { summary: string; text: () => string }> = new Map([
  ["status", { summary: "what each exit status means", text: statuses }],
  ["environment", { summary: "variables that sock reads", text: environment }],
  ["dialects", { summary: "what peers that speak no sock send", text: dialects }],
  ["impair", { summary: "lines that are made worse on purpose", text: impairments }],
]);

/** The list of commands and topics. */
export async function overview(): Promise<string> {
  const verbs = await Promise.all([...COMMANDS.values()].map(async (load) => (await load()).default));
  const commands = verbs
    .filter((verb) => verb.meta.hidden !== true)
    .map((verb) => [verb.meta.name, verb.meta.summary]);
  return [
    `sock ${VERSION}: one binary, one port, one join code`,
    "",
    "usage: sock COMMAND [ARGUMENTS]",
    "",
    "commands",
    ...table(commands),
    "",
    "topics (sock help TOPIC)",
    ...table([...TOPICS].map(([name, topic]) => [name, topic.summary])),
    "",
    "sock COMMAND --help explains a command; sock --version says which sock this is",
  ].join("\n");
}

async function explain(topic: string): Promise<string> {
  const found = TOPICS.get(topic);
  if (found !== undefined) return found.text();
  if (COMMANDS.has(topic)) return renderCommand(await findVerb(topic));
  const meant = nearest(topic, [...COMMANDS.keys(), ...TOPICS.keys()]);
  const hint = meant === undefined ? "sock help lists them" : `did you mean sock help ${meant}?`;
  throw new SockError("usage", `no command or topic ${JSON.stringify(topic)}`, hint);
}

function statuses(): string {
  const rows = STATUS_WORDS.map(([status, words]) => [String(status), words]);
  return ["exit status", ...table(rows)].join("\n");
}

function environment(): string {
  return [
    "environment",
    ...table([
      ["SOCK_HOME", "folder of keys, joined servers and grants"],
      ["SOCK_JOIN", "a direct join code: the default host, nothing is stored"],
      ["SOCK_JOIN_FILE", "a file with that code"],
      ["SOCK_JOIN_NAME", "the same for a host called name (SOCK_JOIN_EU is eu)"],
      ["SOCK_SERVE", "key and grant of a server without state: sock invite --pair"],
      ["SOCK_ENCODING", "what programs there print in, as --encoding"],
      ["NO_COLOR", "no colours"],
    ]),
  ].join("\n");
}
