import { fstatSync } from "node:fs";
import { echo } from "../client/echo.ts";
import { resolveHost, type Target } from "../client/hosts.ts";
import { measureEcho } from "../client/measure.ts";
import { Session } from "../client/session.ts";
import { decodeText } from "../text/decoder.ts";
import { encodeText } from "../text/encoder.ts";
import { SockError } from "../errors.ts";
import { percent, summaryUs } from "../measure/summary.ts";
import { Timeline } from "../measure/timeline.ts";
import { verdictOf } from "../measure/verdict.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { formatBytes, formatDuration } from "../text/units.ts";
import { lines } from "./lines.ts";
import { isTerminal } from "./output.ts";
import { DIALECT_ARGS, plainPeer, QUIET_ARGS } from "./plain-options.ts";
import { Progress } from "./progress.ts";
import { ResultFile } from "./result-file.ts";
import { sessionOptions } from "./session-options.ts";
import { TEXT_ARGS, type TextChoice, textChoice } from "./text-options.ts";
import {
  rttLine,
  judged,
  rttThresholds,
  RTT_LIMITS,
  RTT_LIMIT_NAMES,
  statusOf,
  thresholdLines,
} from "./thresholds.ts";
import { type Args, type Context, defineVerb } from "./verb.ts";

const DEFAULT_COUNT = 1000;
const DEFAULT_SIZE = 64;
const MAX_SIZE = 1024 * 1024;
const MAX_CONNECTIONS = 10_000;
const MAX_RATE = 1_000_000;
const args = {
  host: {
    type: "positional",
    required: false,
    description: "a joined server, left out: the only one; or a plain peer: tcp://, udp://, unix:",
  },
  text: { type: "positional", required: false, variadic: true, description: "what to send" },
  interactive: { type: "boolean", alias: "i", description: "send each line that is typed" },
  count: {
    type: "string",
    kind: "count",
    valueHint: "N",
    description: `round trips to measure (${DEFAULT_COUNT})`,
  },
  size: { type: "string", kind: "bytes", valueHint: "B", description: `bytes each way (${DEFAULT_SIZE})` },
  conns: { type: "string", kind: "count", valueHint: "C", description: "connections at the same time (1)" },
  rate: {
    type: "string",
    kind: "count",
    valueHint: "N",
    description: "send so many a second, whether or not the ones before are back",
  },
  ...RTT_LIMITS,
  "min-rate": {
    type: "string",
    kind: "count",
    valueHint: "N",
    description: "status 3 if there are fewer round trips a second",
  },
  report: { type: "string", valueHint: "FILE", description: "write a page with plots, as HTML" },
  ...TEXT_ARGS,
  ...DIALECT_ARGS,
  ...QUIET_ARGS,
} as const;

type EchoArgs = Args<typeof args>;

/** Flags that make no sense without a measurement. */
const MEASURING = ["count", "size", "conns", "rate", ...RTT_LIMIT_NAMES, "min-rate", "report"] as const;

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
    ],
    examples: [
      { line: "sock echo web1 hello", does: "prints hello when it has been there and back" },
      { line: "sock echo web1 --count 10000 --max-p99 5ms", does: "measures; status 3 if p99 is over 5 ms" },
      { line: "sock echo tcp://10.0.0.7:7 hello --dialect echo", does: "a server that speaks no sock" },
    ],
  },
  args,
  async run(context, given) {
    const url = plainPeer(given.host, given);
    const measured = MEASURING.find((flag) => given[flag] !== undefined);
    const sends = given.text.length > 0 || given.interactive;
    if (sends && measured !== undefined) {
      throw new SockError(
        "usage",
        `--${measured} measures, and text is not measured`,
        "leave out one of the two",
      );
    }
    if (url !== undefined) {
      if (measured !== undefined) throw new SockError("usage", `--${measured} wants a joined server`);
      const { plainEcho } = await import("./plain-echo.ts");
      return plainEcho(context, url, given, given.interactive || pipedIn());
    }
    const target = resolveHost(given.host, context.env);
    textChoice(context, given, target, { terminal: true }); // a wrong name is said before a server is asked
    if (given.text.length > 0) return echoText(context, target, given, given.text.join(" "));
    // a job's stdin may be a pipe that nobody meant: a flag that measures says what is wanted
    if (sends || (measured === undefined && pipedIn())) return echoLines(context, target, given);
    return measure(context, target, given);
  },
});

/** A file or a pipe is text to send; a terminal or /dev/null is not. */
function pipedIn(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket();
  } catch {
    return false;
  }
}

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

async function measure(context: Context, target: Target, given: EchoArgs): Promise<number> {
  const count = inRange("--count", given.count ?? DEFAULT_COUNT, 1, Number.MAX_SAFE_INTEGER);
  const size = inRange("--size", given.size ?? DEFAULT_SIZE, 0, MAX_SIZE);
  const connections = inRange("--conns", given.conns ?? 1, 1, MAX_CONNECTIONS);
  const rate = given.rate === undefined ? undefined : inRange("--rate", given.rate, 1, MAX_RATE);
  const file = given.report === undefined ? undefined : new ResultFile(given.report);
  const timeline = new Timeline();
  const progress = new Progress(context.ui, target.name, count, undefined, String);
  const measured = await measureEcho(target, {
    ...sessionOptions(context),
    count,
    size,
    connections,
    rate,
    onProgress: (done) => progress.update(done),
    ...(file === undefined
      ? {}
      : {
          onSent: (_number: number, at: number) => timeline.send(at),
          onReply: (number: number, rttUs: number) => timeline.reply(number, rttUs),
        }),
  });
  progress.done();
  const { failure, done, seconds, sent, inTime } = measured;
  const rtt = summaryUs(measured.rtt);
  const perSecond = seconds > 0 ? Math.round(done / seconds) : 0;
  const kept = rate === undefined ? null : percent(inTime, sent);
  const thresholds = rttThresholds(given, rtt);
  const least = given["min-rate"];
  if (least !== undefined) {
    thresholds.push({ name: "min-rate", limit: least, value: perSecond, unit: "/s", atLeast: true });
  }
  const verdict = verdictOf(thresholds);
  context.json.result({
    host: target.name,
    size,
    connections,
    count,
    complete: failure === undefined,
    sent,
    done,
    seconds: Number(seconds.toFixed(3)),
    per_second: perSecond,
    schedule_kept_percent: kept,
    rtt_us: rtt,
    rtt_from_schedule_us: measured.fromSchedule === undefined ? null : summaryUs(measured.fromSchedule),
    verdict,
  });
  if (!context.json.enabled) {
    const what = `${done} x ${formatBytes(size)} over ${connections} connection${connections === 1 ? "" : "s"}`;
    context.ui.print(`${target.name} ${measured.address}   ${what} in ${formatDuration(seconds * 1000)}`);
    const schedule = kept === null ? "" : `   schedule kept ${kept.toFixed(1)} %`;
    context.ui.print(`  rate    ${perSecond} round trips a second${schedule}`);
    context.ui.print(`  ${rttLine(rtt)}`);
    for (const line of thresholdLines(thresholds)) context.ui.print(`  ${line}`);
  }
  const timed = RTT_LIMIT_NAMES.some((name) => given[name] !== undefined);
  const ended = failure === undefined ? judged(() => statusOf(context.ui, thresholds, kept, timed)) : failure;
  if (file !== undefined) {
    const { echoPage } = await import("./report/echo.ts");
    const problem = ended instanceof SockError ? ended : undefined;
    const run = { count, size, connections, rate };
    const { name } = target;
    await file.write(echoPage({ name, measured, perSecond, limits: thresholds, problem, run, timeline }));
  }
  if (ended instanceof SockError) throw ended;
  return ended;
}

function inRange(flag: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new SockError("usage", `${flag} must be from ${least} to ${most}`);
}
