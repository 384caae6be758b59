import { ownFolders } from "../client/hosts.ts";
import { SockError, STATUS } from "../errors.ts";
import { Root } from "../files/root.ts";
import { parseImpairment, randomSeed } from "../measure/impairment.ts";
import { formatPlain, isLocal, parsePlainUrl, type PlainAddress, portOf } from "../plain/address.ts";
import type { Dialect, PlainHost } from "../plain/dialect.ts";
import { findDialect } from "../plain/dialects.ts";
import { GREETING } from "../plain/greet.ts";
import { type PlainServer, type ServeOptions, servePlain } from "../plain/serve.ts";
import { allowedRanges } from "../plain/allowed.ts";
import { MAX_PLAIN_CLIENTS } from "../plain/limits.ts";
import type { WhenFull } from "../plain/places.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { formatBytes } from "../text/units.ts";
import { chatRoom } from "./plain-chat.ts";
import { TRACE_ARGS, tracer } from "./plain-options.ts";
import type { OnExistsFlag } from "./transfer.ts";
import { type Args, type Context, defineVerb } from "./verb.ts";

const ON_EXISTS: OnExistsFlag[] = ["rename", "replace", "refuse", "skip"];
const WHEN_FULL: WhenFull[] = ["close", "wait"];

const args = {
  dialects: {
    type: "positional",
    required: false,
    variadic: true,
    description: "NAME=ADDR: which dialect is answered where",
  },
  root: { type: "string", valueHint: "DIR", description: "the folder of files, for ftp-gt and post-pipe" },
  "on-exists": {
    type: "enum",
    options: ON_EXISTS,
    default: "rename",
    description: "where a file is there already; rename saves as NAME.new",
  },
  text: { type: "string", valueHint: "TEXT", description: "what greet says (Thank you for connecting)" },
  "max-clients": {
    type: "string",
    kind: "count",
    valueHint: "N",
    description: `clients of one address at the same time (${MAX_PLAIN_CLIENTS})`,
  },
  "when-full": {
    type: "enum",
    options: WHEN_FULL,
    default: "close",
    description: "one more is told so and closed, or waits",
  },
  "allow-from": {
    type: "string",
    repeat: true,
    valueHint: "CIDR",
    description: "whose addresses are answered; commands and files on other than loopback need it",
  },
  ...TRACE_ARGS,
  impair: {
    type: "string",
    valueHint: "SPEC",
    description: "make the answers worse: sock help impair",
  },
  seed: {
    type: "string",
    kind: "count",
    valueHint: "N",
    description: "the same seed gives the same --impair",
  },
} as const;

type Given = Args<typeof args>;

export default defineVerb({
  meta: {
    name: "plain",
    summary: "answer programs that speak no sock: old scripts, tutorials, nc",
    usage: "plain NAME=ADDR...",
    examples: [
      { line: "sock plain echo=tcp://127.0.0.1:7000", does: "an echo server (RFC 862)" },
      {
        line: "sock plain echo=udp://0.0.0.0:7000 --impair 'drop=1% delay=20ms'",
        does: "one that loses datagrams",
      },
      {
        line: "sock plain exec-length=tcp://127.0.0.1:8000 --trace",
        does: "runs commands, shows each read and write",
      },
      {
        line: "sock plain ftp-gt=unix:/tmp/ftp --root drop",
        does: "takes and gives the files of one folder",
      },
    ],
    more: [
      "ADDR is tcp://HOST:PORT, udp://HOST:PORT or unix:PATH; port 0 is any that is free. sock help dialects draws what is sent.",
      "Nobody proves who they are here: commands and files are for loopback and unix sockets, or for --allow-from.",
    ],
  },
  args,
  async run(context, given) {
    if (given.dialects.length === 0) {
      throw new SockError("usage", "which dialect, and where?", "sock plain echo=tcp://127.0.0.1:7000");
    }
    const wanted = given.dialects.map(readWord);
    const allowFrom = allowedRanges(given["allow-from"]);
    const seed = given.seed ?? randomSeed();
    const impairs = wanted.map(({ address }) =>
      given.impair === undefined
        ? undefined
        : { seed, how: parseImpairment(given.impair, address.kind === "udp" ? "datagrams" : "stream") },
    );
    const maxClients = given["max-clients"] ?? MAX_PLAIN_CLIENTS;
    if (maxClients === 0) throw new SockError("usage", "--max-clients must be 1 or more");
    const root =
      given.root === undefined
        ? undefined
        : Root.open(given.root, { name: "", writable: true, forbidden: ownFolders(context.env) });
    const servers: PlainServer[] = [];
    const room = chatRoom(
      context,
      wanted.some(({ dialect }) => dialect.kind === "chat"),
    );
    const host: PlainHost = {
      root,
      onExists: given["on-exists"],
      greeting: given.text === undefined ? GREETING : `${given.text}\r\n`,
      cwd: process.cwd(),
      chat: room,
      report: (peer, what, bytes, outcome) => {
        const time = new Date();
        context.json.emit({
          type: "request",
          time: time.toISOString(),
          peer: peer.name,
          what,
          bytes,
          outcome,
        });
        if (context.json.enabled) return;
        const clock = time.toTimeString().slice(0, 8);
        context.ui.report(
          `${clock}  ${peer.name}  ${escapeForDisplay(what)}  ${formatBytes(bytes)}  ${outcome}`,
        );
      },
    };
    try {
      for (const [at, { dialect, address }] of wanted.entries()) {
        const options: ServeOptions = {
          dialect,
          address,
          host,
          maxClients,
          whenFull: given["when-full"],
          allowFrom,
          trace: tracer(context, given.trace),
          impair: impairs[at],
          told: async () => context.ui.kept(),
          isBehind: () => context.ui.behind,
          refused: (who, why) => refused(context, who, why),
        };
        servers.push(await servePlain(options));
      }
      announce(context, given, servers, seed);
      await stopped(context.signal);
      // being told to stop is how it ends
      return STATUS.done;
    } finally {
      room?.close();
      for (const server of servers) server.stop();
      root?.close();
    }
  },
});

function readWord(word: string): { dialect: Dialect; address: PlainAddress } {
  const equals = word.indexOf("=");
  if (equals < 0) {
    const hint = "sock plain echo=tcp://127.0.0.1:7000";
    throw new SockError("usage", `${JSON.stringify(word)} is no NAME=ADDR`, hint);
  }
  const dialect = findDialect(word.slice(0, equals));
  const { address, rest } = parsePlainUrl(word.slice(equals + 1));
  if (rest !== "") throw new SockError("usage", `${JSON.stringify(word)}: nothing may follow the port`);
  return { dialect, address };
}

function announce(context: Context, given: Given, servers: readonly PlainServer[], seed: number): void {
  const { ui, json } = context;
  for (const { dialect, address } of servers) {
    const shown = formatPlain(address);
    json.emit({ type: "listening", dialect: dialect.name, address: shown, port: portOf(address) });
    if (!json.enabled) ui.report(`${dialect.name.padEnd(12)}  ${escapeForDisplay(shown)}`);
  }
  const open = servers.filter(({ dialect, address }) => needsNoKey(dialect) && !isLocal(address));
  if (open.length > 0) {
    const what = open.map(({ dialect, address }) => `${dialect.name} at ${formatPlain(address)}`).join(", ");
    ui.warn(`without a key, open to ${given["allow-from"].join(" ")}: ${what}`);
  }
  // loopback is everybody on this machine
  if (process.geteuid?.() === 0 && servers.some(({ dialect }) => dialect.kind === "commands")) {
    ui.warn("commands run as root, for every user of this machine", "run it as a user of its own");
  }
  if (given.impair !== undefined) ui.info(`impaired: ${given.impair} --seed ${seed}`);
}

/** What would be a hole for everybody who reaches it. */
function needsNoKey(dialect: Dialect): boolean {
  return dialect.kind === "commands" || dialect.kind === "files";
}

function refused(context: Context, who: string, why: string): void {
  const time = new Date();
  context.json.emit({ type: "refused", time: time.toISOString(), peer: who, message: why });
  const clock = time.toTimeString().slice(0, 8);
  if (!context.json.enabled) context.ui.report(`${clock}  ${who}  refused  ${escapeForDisplay(why)}`);
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
