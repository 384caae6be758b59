/** `sock shell` with a peer that speaks no sock: commands, one after another on one connection, and what they wrote. */
import { SockError, STATUS } from "../errors.ts";
import type { PlainUrl } from "../plain/address.ts";
import { dialectFor } from "../plain/dialects.ts";
import { ANSWER_PAUSE_MS } from "../plain/limits.ts";
import { formatBytes } from "../text/units.ts";
import { lines } from "./lines.ts";
import { connected, noticeSilence } from "./plain-client.ts";
import type { DialectGiven } from "./plain-options.ts";
import { ShownOutputs } from "./shown-outputs.ts";
import type { TextGiven } from "./text-options.ts";
import type { Context } from "./verb.ts";

export interface PlainShellGiven extends TextGiven, DialectGiven {
  readonly line: string | undefined;
  readonly words: readonly string[] | undefined;
  readonly "quiet-for": number | undefined;
}

/** The status of a command is not said by any dialect: 0 means that its answer came whole, as far as that can be told. */
export async function plainShell(
  context: Context,
  { address, rest }: PlainUrl,
  given: PlainShellGiven,
): Promise<number> {
  if (rest !== "") throw new SockError("usage", "nothing may follow the port of a shell");
  if (address.kind === "udp")
    throw new SockError("usage", "commands are not for UDP", "tcp://HOST:PORT or unix:PATH");
  const dialect = dialectFor("commands", given.dialect ?? "exec", "shell");
  const only = given.line ?? given.words?.join(" ");
  if (only?.trim() === "") throw new SockError("usage", "which command?", "sock shell ADDR -c LINE");
  const shown = new ShownOutputs(context, given, {}, null);
  const peer = await connected(context, address, given.trace);
  let bytes = 0;
  let count = 0;
  const options = {
    pauseMs: given["quiet-for"] ?? ANSWER_PAUSE_MS,
    warn: (text: string) => context.ui.warn(text),
  };
  try {
    for await (const command of only === undefined ? typed(context) : [only]) {
      count += 1;
      const heard = noticeSilence(context);
      try {
        for await (const piece of dialect.ask(peer, new TextEncoder().encode(command), options)) {
          heard();
          bytes += piece.length;
          await shown.out.push(piece);
        }
      } finally {
        heard();
      }
      if (context.signal.aborted) throw context.signal.reason;
    }
    const more = await peer.finish();
    if (more > 0) context.ui.warn(`${formatBytes(more)} came behind the last answer`, "--trace shows them");
    return STATUS.done;
  } finally {
    peer.close();
    await shown.end();
    context.json.result({ dialect: dialect.name, commands: count, stdout_bytes: bytes });
  }
}

/** Each line of stdin is a command. */
async function* typed(context: Context): AsyncGenerator<string> {
  for await (const { bytes } of lines(Bun.stdin.stream(), context.signal)) {
    const line = new TextDecoder().decode(bytes).trim();
    if (line !== "") yield line;
  }
  if (context.signal.aborted) throw context.signal.reason;
}
