import { Chat, type Person } from "../client/chat.ts";
import { resolveHost, type Target } from "../client/hosts.ts";
import { Session } from "../client/session.ts";
import { SockError } from "../errors.ts";
import { userName } from "../os/user.ts";
import { meantUrl } from "../plain/address.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { ChatScreen } from "./chat-screen.ts";
import { hostOf } from "./host-word.ts";
import { DIALECT_ARGS, plainPeer } from "./plain-options.ts";
import { sessionOptions } from "./session-options.ts";
import { retryOptions } from "./transfer.ts";
import { TEXT_ARGS, textChoice } from "./text-options.ts";
import { type Context, defineVerb } from "./verb.ts";

const args = {
  host: {
    type: "positional",
    required: false,
    description: "a joined name, or tcp://HOST:PORT, unix:PATH; left out: the default host",
  },
  name: { type: "string", valueHint: "NAME", description: "what the others call you (your user name)" },
  listen: {
    type: "string",
    valueHint: "URL",
    description: "wait for a plain peer at tcp://HOST:PORT or unix:PATH",
  },
  retry: {
    type: "string",
    kind: "duration",
    valueHint: "DUR",
    description: "try again this long when the line breaks (2m); 0s: never",
  },
  ...DIALECT_ARGS,
  encoding: TEXT_ARGS.encoding,
} as const;

export default defineVerb({
  meta: {
    name: "chat",
    summary: "talk with whoever else is at a server, line by line",
    usage: ["chat [HOST] [--name NAME]", "chat tcp://HOST:PORT", "chat --listen tcp://HOST:PORT"],
    examples: [
      { line: "sock chat web1", does: "everybody who does the same at web1 hears you" },
      { line: "sock chat tcp://10.0.0.5:9000", does: "with a program that speaks no sock; q leaves" },
      { line: "sock chat --listen tcp://127.0.0.1:9000", does: "waits for one" },
    ],
    more: [
      "Ctrl-D leaves. Without a terminal lines come from stdin, and what others say goes to stdout.",
      "A plain peer is anybody who can reach the port: there is no key, and nothing is encrypted.",
    ],
  },
  args,
  async run(context, given) {
    if (given.listen !== undefined && given.host !== undefined) {
      throw new SockError("usage", "--listen waits for whoever comes: a host is one too many");
    }
    const url = plainPeer(given.listen ?? given.host, given);
    if (given.listen !== undefined && url === undefined) {
      const hint = meantUrl(given.listen) ?? "tcp://HOST:PORT or unix:PATH";
      throw new SockError("usage", "--listen needs an address", hint);
    }
    const host =
      url === undefined ? resolveHost(hostOf(given.host, "sock chat HOST"), context.env) : undefined;
    const text = textChoice(context, { ...given, "out-encoding": undefined }, host ?? {}, { terminal: true });
    const screen = await ChatScreen.open(context, text.decoding);
    if (host !== undefined) return talkThere(context, host, screen, given);
    if (url === undefined) return;
    const { talkAt, talkTo } = await import("./plain-talk.ts");
    await (given.listen === undefined ? talkTo : talkAt)(context, url, { given, text, screen });
  },
});

/** In the room of a server. */
async function talkThere(
  context: Context,
  host: Target,
  screen: ChatScreen,
  given: { name: string | undefined; retry: number | undefined },
): Promise<void> {
  const counts = { sent: 0, received: 0 };
  const chat = new Chat({
    ...retryOptions(context, given.retry),
    onRetry: (error) => screen.notice(`* ${error.message}; trying again`),
    // without one the key's counts
    name: given.name ?? userName() ?? null,
    open: async () => Session.open(host, sessionOptions(context)),
    onRoom: (name, people) => {
      context.json.emit({ type: "room", name, people });
      screen.name(name);
      const others = people.map(shown).join(", ") || "nobody else";
      const verb = people.length > 1 ? "are" : "is";
      const end = screen.isPerson ? "; Ctrl-D leaves" : "";
      screen.notice(`* at ${host.name} as ${escapeForDisplay(name)}; ${others} ${verb} here${end}`);
    },
    onSaid: async (from, text) => {
      counts.received += 1;
      await screen.said(from, text);
    },
    onCame: (person) => {
      context.json.emit({ type: "came", ...person });
      screen.notice(`* ${shown(person)} came`);
    },
    onLeft: (name) => {
      context.json.emit({ type: "left", name });
      screen.notice(`* ${escapeForDisplay(name)} left`);
    },
    onHeard: (people) => {
      counts.sent += 1;
      if (people === 0) screen.notice("* nobody is here to hear it");
    },
  });
  const say = async (): Promise<void> => {
    for await (const line of screen.typed()) {
      if (line !== "") await chat.say(line);
    }
    chat.leave();
  };
  const saying = say();
  try {
    // who is interrupted does not wait for the others
    await Promise.race([chat.run(), rejected(saying)]);
  } finally {
    screen.close();
    context.json.result({ host: host.name, ...counts });
  }
}

/** Never resolves. */
async function rejected(work: Promise<void>): Promise<never> {
  await work;
  return new Promise(() => undefined);
}

function shown({ name, key }: Person): string {
  const [called, by] = [escapeForDisplay(name), escapeForDisplay(key)];
  return called === by ? called : `${called} (${by})`;
}
