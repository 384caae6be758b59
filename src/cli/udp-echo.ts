/** `sock udp HOST TEXT`, piped lines and `-i`: what was sent comes back, or it is said that it did not. */
import { resolveHost } from "../client/hosts.ts";
import { resolvePeer } from "../client/plain-peer.ts";
import { type Echoer, openEcho, openPlainEcho } from "../client/udp-echo.ts";
import { SockError } from "../errors.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { lines } from "./lines.ts";
import { isTerminal } from "./output.ts";
import { sessionOptions } from "./session-options.ts";
import type { Context } from "./verb.ts";

const DEFAULT_WAIT_MS = 1000;

async function open(context: Context, host: string | undefined): Promise<Echoer> {
  if (host !== undefined && /^udp:\/\//i.test(host)) return openPlainEcho(await resolvePeer(host));
  return openEcho(resolveHost(host, context.env), sessionOptions(context));
}

export async function echoText(
  context: Context,
  host: string | undefined,
  text: string,
  waitMs = DEFAULT_WAIT_MS,
): Promise<void> {
  const echoer = await open(context, host);
  try {
    if (!(await one(context, echoer, new TextEncoder().encode(text), true, waitMs))) throw lost(1, 1);
  } finally {
    echoer.close();
  }
}

export async function echoLines(
  context: Context,
  host: string | undefined,
  waitMs = DEFAULT_WAIT_MS,
): Promise<void> {
  const echoer = await open(context, host);
  let sent = 0;
  let missing = 0;
  try {
    const over = new AbortController();
    echoer.onEnd(() => over.abort());
    const signal = AbortSignal.any([context.signal, over.signal]);
    for await (const { bytes, ended } of lines(Bun.stdin.stream(), signal)) {
      sent += 1;
      if (!(await one(context, echoer, bytes, ended, waitMs))) {
        missing += 1;
        context.ui.warn(`lost: no reply to ${bytes.length} bytes within ${waitMs} ms`);
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
  echoer: Echoer,
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
  const text = new TextDecoder().decode(back.bytes);
  context.json.emit({ type: "echo", bytes: back.bytes.length, text, rtt_us: Math.round(back.ms * 1000) });
  if (context.json.enabled) return true;
  if (isTerminal(1)) await context.ui.data(`${escapeForDisplay(text)}\n`);
  else await context.ui.data(ended ? Buffer.concat([back.bytes, Buffer.from("\n")]) : back.bytes);
  return true;
}
