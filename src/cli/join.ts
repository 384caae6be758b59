import { homedir } from "node:os";
import { join, type UdpTried } from "../client/join.ts";
import { SockError } from "../errors.ts";
import { stateFolder } from "../files/state.ts";
import { isTerminal } from "./output.ts";
import { sessionOptions } from "./session-options.ts";
import { type Context, defineVerb } from "./verb.ts";

/** More than any code, with the words that people copy around it, bytes. */
const MAX_STDIN_BYTES = 16 * 1024;

export default defineVerb({
  meta: {
    name: "join",
    summary: "remember a server, with the code that it showed",
    usage: "join [CODE] [--as NAME] [--at HOST[:PORT]]",
    examples: [
      {
        line: "sock join sock1_4Jk…",
        does: "makes a key of its own for this machine; the code is used up then",
      },
      { line: "sock join < code.txt", does: "keeps the code out of the list of processes" },
    ],
  },
  args: {
    code: {
      type: "positional",
      required: false,
      variadic: true,
      description: "left out: asked for, or read from stdin",
    },
    as: { type: "string", valueHint: "NAME", description: "what the server is called here" },
    at: { type: "string", valueHint: "HOST[:PORT]", description: "where it is, when the code does not know" },
  },
  async run(context, given) {
    const text = given.code.length > 0 ? given.code.join(" ") : await askCode(context);
    const joined = await join(text, {
      ...sessionOptions(context),
      stateFolder: stateFolder(context.env, process.platform, homedir()),
      as: given.as,
      at: given.at,
    });
    const { host, key, caps, address } = joined;
    const rttMs = hundredths(joined.rttMs);
    context.json.result({
      host: host.name,
      addresses: host.addresses,
      key,
      allows: caps,
      tcp: { works: true, rtt_ms: rttMs },
      ...(joined.udp === undefined ? {} : { udp: udpResult(joined.udp) }),
    });
    if (context.json.enabled) return;
    context.ui.report(`joined ${host.name} as ${key}`);
    context.ui.report(`  tcp     works, ${rttMs} ms (${address === "" ? "unix socket" : address})`);
    if (joined.udp !== undefined) context.ui.report(`  udp     ${udpWords(joined.udp)}`);
    context.ui.report(`  allows  ${caps.join(" ")}`);
  },
});

function udpResult(udp: UdpTried): Record<string, unknown> {
  return udp.works ? { works: true, rtt_ms: hundredths(udp.rttMs) } : { ...udp };
}

function udpWords(udp: UdpTried): string {
  if (udp.works) return `works, ${hundredths(udp.rttMs)} ms`;
  const where = udp.blocked === null ? "" : `, on the way ${udp.blocked}`;
  return `does not get through${where} (only sock udp needs it)`;
}

function hundredths(ms: number): number {
  return Number(ms.toFixed(2));
}

async function askCode(context: Context): Promise<string> {
  if (isTerminal(0)) context.ui.report("Paste the code that sock serve or sock invite showed, then Enter:");
  const reader = Bun.stdin.stream().getReader();
  context.signal.addEventListener("abort", () => void reader.cancel().catch(() => undefined), { once: true });
  let text = "";
  const decoder = new TextDecoder();
  while (text.length < MAX_STDIN_BYTES) {
    const { value, done } = await reader.read();
    if (context.signal.aborted) throw context.signal.reason;
    if (done) break;
    text += decoder.decode(value, { stream: true });
    if (isTerminal(0) && text.includes("\n")) break;
  }
  if (text.trim() === "") throw new SockError("usage", "no code was given", "sock join CODE");
  return text;
}
