import { echo } from "../client/echo.ts";
import { resolveHost, type Target } from "../client/hosts.ts";
import { measureEcho } from "../client/measure.ts";
import { Session } from "../client/session.ts";
import { decodeText } from "../text/decoder.ts";
import { encodeText } from "../text/encoder.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { measureAndTell } from "./echo-measure.ts";
import { LIMIT_NAMES, MEASURE_ARGS, MEASURING, RUN_FLAGS } from "./echo-run-options.ts";
import { lines } from "./lines.ts";
import { isTerminal } from "./output.ts";
import { DIALECT_ARGS, plainPeer, QUIET_ARGS } from "./plain-options.ts";
import { FILE_FLAG_NAMES } from "./run-files.ts";
import { sessionOptions } from "./session-options.ts";
import { TEXT_ARGS, type TextChoice, textChoice } from "./text-options.ts";
import { asText, sendsText } from "./text-or-measure.ts";
import { type Args, type Context, defineVerb } from "./verb.ts";

const args = {
  host: {
    type: "positional",
    required: false,
    description: "a joined server, left out: the only one; or a plain peer: tcp://, udp://, unix:",
  },
  text: { type: "positional", required: false, variadic: true, description: "what to send" },
  interactive: { type: "boolean", alias: "i", description: "send each line that is typed" },
  ...MEASURE_ARGS,
  ...TEXT_ARGS,
  ...DIALECT_ARGS,
  ...QUIET_ARGS,
} as const;

type EchoArgs = Args<typeof args>;

export default defineVerb({
  meta: {
    name: "echo",
    summary: "send text and see it come back, or measure round trips over TCP",
    usage: [
      "echo HOST TEXT...",
      "echo [HOST] < LINES",
      "echo -i [HOST]",
      "echo [HOST] --count N --size B --conns C",
      "echo ADDR [TEXT...] [--dialect NAME]",
      "echo tcp://HOST:PORT --count N",
    ],
    groups: [
      ["how it measures", Object.keys(RUN_FLAGS)],
      ["limits: status 3 where one is missed", LIMIT_NAMES],
      ["what is written", FILE_FLAG_NAMES],
      ["text", ["interactive", ...Object.keys(TEXT_ARGS)]],
      ["with peers that speak no sock", ["dialect", "trace", "quiet-for"]],
    ],
    examples: [
      { line: "sock echo web1 hello", does: "prints hello when it has been there and back" },
      { line: "sock echo web1 --count 10000 --max-p99 5ms", does: "measures; status 3 if p99 is over 5 ms" },
      {
        line: "sock echo web1 --duration 10s --rate 1000",
        does: "1,000 a second, whether or not they are back",
      },
      { line: "sock echo tcp://10.0.0.7:7 hello --dialect echo", does: "a server that speaks no sock" },
      { line: "sock echo tcp://10.0.0.7:7 --count 1000", does: "measures that one" },
    ],
  },
  args,
  async run(context, given) {
    const url = plainPeer(given.host, given);
    const measured = MEASURING.find((flag) => given[flag] !== undefined);
    const sends = sendsText(given, measured);
    if (url !== undefined) {
      const { measurePlainEcho, plainEcho } = await import("./plain-echo.ts");
      if (measured !== undefined) return measurePlainEcho(context, url, given, measured);
      return plainEcho(context, url, given, sends);
    }
    const find = (): Target => {
      const target = resolveHost(
        given.host,
        context.env,
        undefined,
        measured === undefined ? (host) => asText("echo", host, given) : undefined,
      );
      textChoice(context, given, target, { terminal: true }); // a wrong name is said before a server is asked
      return target;
    };
    if (sends) {
      return given.text.length > 0
        ? echoText(context, find(), given, given.text.join(" "))
        : echoLines(context, find(), given);
    }
    return measureAndTell(context, given, () => {
      const target = find();
      const options = sessionOptions(context);
      return { name: target.name, measure: async (wanted) => measureEcho(target, { ...options, ...wanted }) };
    });
  },
});

async function echoText(context: Context, target: Target, given: EchoArgs, text: string): Promise<void> {
  const session = await Session.open(target, sessionOptions(context));
  try {
    const choice = choiceFor(context, session, target, given);
    await oneEcho(context, session, choice, encodeText(text, choice.send));
  } finally {
    session.close();
  }
}

/** Each line when it is there; a last one without its end too. A pipe gets the bytes exactly as they were. */
async function echoLines(context: Context, target: Target, given: EchoArgs): Promise<void> {
  const session = await Session.open(target, sessionOptions(context));
  try {
    const choice = choiceFor(context, session, target, given);
    const typed = isTerminal(0);
    // who waits for a person must hear meanwhile that the server went, or took the key back
    const over = new AbortController();
    session.onEnd(() => over.abort());
    const signal = AbortSignal.any([context.signal, over.signal]);
    for await (const { bytes, ended } of lines(Bun.stdin.stream(), signal)) {
      // what is typed here is UTF-8; a pipe's bytes are what they are
      const encode = typed && choice.send !== "utf-8";
      const sent = encode ? encodeText(new TextDecoder().decode(bytes), choice.send) : bytes;
      await oneEcho(context, session, choice, sent, ended);
    }
    if (context.signal.aborted) throw context.signal.reason;
    if (over.signal.aborted) await session.failure();
  } finally {
    session.close();
  }
}

function choiceFor(context: Context, session: Session, target: Target, given: EchoArgs): TextChoice {
  const terminal = context.json.enabled || isTerminal(1);
  return textChoice(context, given, target, { terminal, hello: session.server.encoding });
}

async function oneEcho(
  context: Context,
  session: Session,
  choice: TextChoice,
  bytes: Uint8Array,
  ended = true,
): Promise<void> {
  const started = performance.now();
  const back = await echo(session, bytes);
  const micros = Math.round((performance.now() - started) * 1000);
  const text = decodeText(back, choice.decoding);
  context.json.emit({ type: "echo", bytes: back.length, text, rtt_us: micros });
  if (context.json.enabled) return;
  const shown = isTerminal(1) ? escapeForDisplay(text) : text;
  const data = choice.decoding.kind === "raw" ? back : encodeText(shown, choice.out);
  await context.ui.data(ended ? Buffer.concat([data, encodeText("\n", choice.out)]) : data);
}
