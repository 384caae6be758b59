/** `sock shell HOST`: this terminal becomes one there. */
import type { Target } from "../client/hosts.ts";
import { Session } from "../client/session.ts";
import { listTerminals, type Over, RemoteTerminal } from "../client/terminal.ts";
import { SockError } from "../errors.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { type TextEncoding, textEncoding } from "../text/encoder.ts";
import { columns } from "./columns.ts";
import { type Escape, Keys } from "./keys.ts";
import { isTerminal } from "./output.ts";
import { RawTerminal } from "./raw-terminal.ts";
import { sessionOptions } from "./session-options.ts";
import { textChoice, type TextGiven } from "./text-options.ts";
import { TextOutput } from "./text-output.ts";
import type { CaughtSignal } from "./signals.ts";
import { signalStatus } from "./signal-status.ts";
import type { Context } from "./verb.ts";

export interface TerminalRequest {
  readonly name: string | null;
  readonly attach: boolean;
  readonly cwd: string | null;
  readonly env: Record<string, string>;
  readonly text: TextGiven;
}

const HELP = `\r
~.   end the connection, and the terminal with it\r
~d   leave the terminal there: sock shell HOST --attach\r
~^Z  suspend sock\r
~?   this help\r
~~   a ~ itself\r
(after a newline)\r
`;

/** So long the other size lasts by which a program is made to draw anew, ms. */
const REDRAW_MS = 100;

/** Returns the shell's own status. Throws `usage` where this is no terminal. */
export async function runTerminal(context: Context, host: Target, request: TerminalRequest): Promise<number> {
  if (!isTerminal(0) || !isTerminal(1)) {
    throw new SockError(
      "usage",
      "stdin and stdout are no terminal",
      "a command: sock shell HOST -- CMD, or -c LINE",
    );
  }
  const raw = new RawTerminal();
  const { ui } = context;
  textChoice(context, request.text, host, { terminal: true });
  let text: TextOutput | undefined;
  let typed: TextEncoding | undefined;
  /** What the notice covered is drawn anew, by those who follow the size. */
  const unnotice = (): void => {
    const { cols, rows } = raw.size();
    if (!raw.notice("") || rows < 2) return;
    remote.resize(cols, rows - 1);
    setTimeout(() => {
      const now = raw.size();
      remote.resize(now.cols, now.rows);
    }, REDRAW_MS);
  };
  const remote = new RemoteTerminal({
    open: async () => {
      const session = await Session.open(host, sessionOptions(context));
      if (text === undefined) {
        // a terminal of Windows speaks UTF-8, whatever its programs do
        const { encoding, platform } = session.server;
        const hello = platform === "win32" ? "utf-8" : encoding;
        const choice = textChoice(context, request.text, host, { terminal: true, hello });
        if (choice.send !== "utf-8") typed = textEncoding(choice.send);
        text = new TextOutput(choice, async (bytes) => raw.write(bytes, ui.stdout));
      }
      return session;
    },
    signal: context.signal,
    begin: request.attach
      ? { kind: "attach", name: request.name }
      : { kind: "new", name: request.name, cwd: request.cwd, env: request.env },
    ...raw.size(),
    output: async (bytes) => text?.push(bytes),
    onState: (lost) => {
      if (lost === undefined) unnotice();
      else raw.notice(`sock: trying again (~. gives up): ${escapeForDisplay(lost.message)}`);
    },
  });
  let signalled: CaughtSignal | undefined;
  const release = context.signals.take((name) => {
    // Ctrl-C is a key here; what comes as a signal is meant for us
    if (name !== "SIGINT") {
      signalled = name;
      remote.leave("stay");
    }
    return true;
  });
  const keys = new Keys();
  const take = (bytes: Uint8Array): Promise<void> | undefined => {
    let room: Promise<void> | undefined;
    for (const part of keys.feed(bytes)) {
      if (typeof part === "string") escape(part, remote, raw);
      else room = remote.input(typed?.push(part) ?? part);
    }
    return room;
  };
  raw.begin(take, (size) => remote.resize(size.cols, size.rows));
  let over: Over;
  try {
    over = await remote.run();
    await text?.end();
  } catch (thrown) {
    // what a decoder still holds has arrived
    await text?.end().catch(() => undefined);
    throw thrown;
  } finally {
    release();
    raw.end();
  }
  const status = told(context, host, remote, over);
  return signalled === undefined || over.reason === "ended" ? status : signalStatus(signalled);
}

function escape(word: Escape, remote: RemoteTerminal, raw: RawTerminal): void {
  if (word === "help") raw.print(HELP);
  else if (word === "suspend") raw.suspend();
  else remote.leave(word);
}

function told({ ui, json }: Context, host: Target, remote: RemoteTerminal, over: Over): number {
  json.result({
    terminal: remote.name,
    remote_status: over.status,
    signal: over.signal,
    reason: over.reason,
  });
  if (over.reason === "ended") return over.status ?? signalStatus(over.signal);
  ui.info(
    over.reason === "left"
      ? `left; it waits there: sock shell ${host.name} --attach ${remote.name ?? ""}`
      : over.reason,
  );
  return 0;
}

/** `sock shell HOST --list`. */
export async function showTerminals(context: Context, host: Target): Promise<void> {
  const session = await Session.open(host, sessionOptions(context));
  try {
    const items = await listTerminals(session);
    for (const { name, since, attached, command } of items) {
      context.json.emit({ type: "terminal", name, since, attached, command });
    }
    if (context.json.enabled) return;
    const rows = items.map(({ name, since, attached, command }) => [
      escapeForDisplay(name),
      escapeForDisplay(command),
      `since ${new Date(since).toISOString()}`,
      attached ? "in use" : "waits",
    ]);
    for (const line of columns(rows)) context.ui.print(line);
    if (items.length === 0) context.ui.report("no terminals there");
  } finally {
    session.close();
  }
}
