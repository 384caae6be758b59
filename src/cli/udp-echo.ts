/** `sock udp HOST TEXT`, piped lines and `-i`: what was sent comes back, or it is said that it did not. */
import { type Meant, resolveHost } from "../client/hosts.ts";
import { resolvePeer } from "../client/plain-peer.ts";
import { type Echoer, openEcho, openPlainEcho } from "../client/udp-echo.ts";
import { SockError } from "../errors.ts";
import { decodeText } from "../text/decoder.ts";
import { encodeText } from "../text/encoder.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { lines } from "./lines.ts";
import { isTerminal } from "./output.ts";
import { sessionOptions } from "./session-options.ts";
import { type TextChoice, textChoice, type TextGiven } from "./text-options.ts";
import type { Context } from "./verb.ts";

const DEFAULT_WAIT_MS = 1000;

/** What sends and hears, and how what is said is read and written. */
interface Line {
  readonly echoer: Echoer;
  readonly choice: TextChoice;
}

async function open(
  context: Context,
  host: string | undefined,
  given: TextGiven,
  meant?: Meant,
): Promise<Line> {
  const terminal = context.json.enabled || isTerminal(1);
  const isPlain = host !== undefined && /^udp:\/\//i.test(host);
  const target = isPlain ? {} : resolveHost(host, context.env, undefined, meant);
  const choice = textChoice(context, given, target, { terminal });
  const echoer = isPlain
    ? openPlainEcho(await resolvePeer(host), sessionOptions(context))
    : openEcho(resolveHost(host, context.env), sessionOptions(context));
  return { echoer: await echoer, choice };
}

export async function echoText(
  context: Context,
  host: string | undefined,
  text: string,
  given: TextGiven,
  waitMs = DEFAULT_WAIT_MS,
  meant?: Meant,
): Promise<void> {
  const line = await open(context, host, given, meant);
  try {
    if (!(await one(context, line, encodeText(text, line.choice.send), true, waitMs))) throw lost(1, 1);
  } finally {
    line.echoer.close();
  }
}

export async function echoLines(
  context: Context,
  host: string | undefined,
  given: TextGiven,
  waitMs = DEFAULT_WAIT_MS,
): Promise<void> {
  const line = await open(context, host, given);
  const { echoer, choice } = line;
  // what is typed here is UTF-8; a pipe's bytes are what they are
  const encode = choice.send !== "utf-8" && isTerminal(0);
  let sent = 0;
  let missing = 0;
  try {
    const over = new AbortController();
    echoer.onEnd(() => over.abort());
    const signal = AbortSignal.any([context.signal, over.signal]);
    for await (const { bytes, ended } of lines(Bun.stdin.stream(), signal)) {
      sent += 1;
      const said = encode ? encodeText(new TextDecoder().decode(bytes), choice.send) : bytes;
      if (!(await one(context, line, said, ended, waitMs))) {
        missing += 1;
        context.ui.warn(`lost: no reply to ${bytes.length} B within ${waitMs} ms`);
      }
    }
    if (context.signal.aborted) throw context.signal.reason;
    if (echoer.failure !== undefined) throw echoer.failure;
  } finally {
    echoer.close();
  }
  context.json.result({ sent, lost: missing });
  if (missing > 0) throw lost(missing, sent);
}

function lost(missing: number, sent: number): SockError {
  const what = sent === 1 ? "it was lost" : `${missing} of ${sent} were lost`;
  return new SockError(
    "silent",
    `${what}: no reply in time`,
    "without text, sock udp says what is lost on which way",
  );
}

/** False for a lost one. */
async function one(
  context: Context,
  { echoer, choice }: Line,
  bytes: Uint8Array,
  ended: boolean,
  waitMs: number,
): Promise<boolean> {
  const back = await echoer.echo(bytes, waitMs);
  if (back === undefined) {
    if (echoer.failure !== undefined) throw echoer.failure;
    if (context.signal.aborted) throw context.signal.reason;
    context.json.emit({ type: "lost", bytes: bytes.length });
    return false;
  }
  const text = decodeText(back.bytes, choice.decoding);
  context.json.emit({ type: "echo", bytes: back.bytes.length, text, rtt_us: Math.round(back.ms * 1000) });
  if (context.json.enabled) return true;
  const shown = isTerminal(1) ? escapeForDisplay(text) : text;
  const data = choice.decoding.kind === "raw" ? back.bytes : encodeText(shown, choice.out);
  await context.ui.data(ended ? Buffer.concat([data, encodeText("\n", choice.out)]) : data);
  return true;
}
