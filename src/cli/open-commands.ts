/** What can be said in an interactive session. */
import { withSession } from "../client/connections.ts";
import { ls } from "../client/ls.ts";
import { SockError } from "../errors.ts";
import { fsFailure } from "../files/failure.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { nearest } from "../text/suggest.ts";
import { openHabit } from "./habits.ts";
import { type CommandLine, plainWords } from "./open-words.ts";
import { localFiles, localPath, remotePath, withoutHost } from "./open-paths.ts";
import type { OpenState } from "./open-state.ts";
import { catFile } from "./open-cat.ts";
import { GET_ARGS, getFiles } from "./get.ts";
import { TRANSFER_GROUPS } from "./transfer.ts";
import { renderCommand, table } from "./help-text.ts";
import { LS_ARGS, listPath } from "./ls.ts";
import { PUT_ARGS, putFiles } from "./put.ts";
import { runRemote } from "./remote-command.ts";
import { environment } from "./shell.ts";
import { type Context, defineVerb, type Verb } from "./verb.ts";

export type OpenCommands = ReadonlyMap<string, Verb>;

/** The commands, in the order of their help. */
export function openCommands(state: OpenState): OpenCommands {
  const { host, connections } = state;
  const at = (word: string): string => remotePath(state.folder, withoutHost(host.name, word));
  const commands = new Map<string, Verb>();
  const verbs = [
    defineVerb({
      meta: { name: "help", summary: "this list, or all about one command", usage: "help [COMMAND]" },
      args: { command: { type: "positional", required: false, description: "a command" } },
      run: (context, { command }) => showHelp(context, commands, command),
    }),
    defineVerb({
      meta: { name: "ls", summary: "what is there", usage: "ls [-l] [-R] [PATH]" },
      args: LS_ARGS,
      run: async (context, given) => {
        const path = given.path === undefined ? folderPath(state.folder) : at(given.path);
        await listPath(context, given, { host, path, connections });
      },
    }),
    defineVerb({
      meta: {
        name: "cd",
        summary: "go into a folder there; / is the top, - the last one",
        usage: "cd [PATH]",
      },
      args: { path: { type: "positional", required: false, description: "a folder there" } },
      run: async (context, { path }) => {
        await enter(state, path === "-" ? state.before : at(path ?? "/"));
        tellFolder(context, state);
      },
    }),
    defineVerb({
      meta: { name: "pwd", summary: "the folder there, and the one here", usage: "pwd" },
      args: {},
      run: async (context) => {
        tellFolder(context, state);
        if (!context.json.enabled) {
          context.ui.print(`${host.name}:${escapeForDisplay(state.folder)}`);
          context.ui.print(escapeForDisplay(process.cwd()));
        }
      },
    }),
    defineVerb({
      meta: { name: "lcd", summary: "go into a folder here; left out: the home", usage: "lcd [DIR]" },
      args: { dir: { type: "positional", required: false, description: "a folder here" } },
      run: (context, { dir = "~" }) => {
        enterHere(localPath(dir));
        tellHere(context);
      },
    }),
    defineVerb({
      meta: { name: "lpwd", summary: "the folder here", usage: "lpwd" },
      args: {},
      run: (context) => {
        tellHere(context);
        if (!context.json.enabled) context.ui.print(escapeForDisplay(process.cwd()));
      },
    }),
    defineVerb({
      meta: {
        name: "get",
        summary: "fetch files and folders",
        usage: "get PATH... [DEST]",
        more: ["With several words the last one is where to, on this side."],
        groups: TRANSFER_GROUPS,
      },
      args: GET_ARGS,
      run: async (context, given) => {
        const last = given.files.at(-1);
        const hasDest = given.files.length > 1 && last?.startsWith(":") === false;
        const words = hasDest ? given.files.slice(0, -1) : given.files;
        if (words.length === 0) throw new SockError("usage", "what is to be fetched?", "get PATH [DEST]");
        const remotes = words.map((word) => ({ host, path: at(word) }));
        await getFiles(context, given, {
          remotes,
          dest: hasDest ? localPath(withoutHost(host.name, last)) : "",
          connections,
        });
      },
    }),
    defineVerb({
      meta: {
        name: "put",
        summary: "send files and folders",
        usage: "put FILE... [PATH]",
        more: ["With several words the last one is where to, over there."],
        groups: TRANSFER_GROUPS,
      },
      args: PUT_ARGS,
      run: async (context, given) => {
        const [first, ...others] = given.files;
        if (first === undefined) throw new SockError("usage", "what is to be sent?", "put FILE [PATH]");
        if (given.files.includes("-")) throw new SockError("usage", "stdin has the commands here");
        const to = others.pop();
        const names = [first, ...others].flatMap(localFiles);
        const path = to === undefined ? folderPath(state.folder) : at(to);
        await putFiles(context, given, { names, host, path, connections });
      },
    }),
    defineVerb({
      meta: { name: "cat", summary: "show files", usage: "cat PATH..." },
      args: { files: { type: "positional", variadic: true, description: "files there" } },
      run: async (context, { files }) => {
        if (files.length === 0) throw new SockError("usage", "which file?", "cat PATH");
        for (const file of files) await catFile(context, state, at(file));
      },
    }),
    defineVerb({
      meta: {
        name: "run",
        summary: "the rest of the line, by the shell there",
        usage: "run LINE",
        more: [
          "It begins in the folder that cd went into, with an empty stdin. At the top of several served folders, and with a key for listed commands alone, that is the home of the user who serves. A terminal there is sock shell's.",
        ],
      },
      args: { line: { type: "positional", required: false, description: "all behind the blank" } },
      run: async (context, { line = "" }) => runLine(context, state, line),
    }),
    defineVerb({
      meta: { name: "exit", summary: "the end; so is Ctrl-D", usage: "exit" },
      args: {},
      run: () => {
        state.over = true;
      },
    }),
  ];
  for (const verb of verbs) commands.set(verb.meta.name, verb);
  return commands;
}

/** The command of that name. Throws `usage` with all there are. */
export function findCommand(commands: OpenCommands, { name }: CommandLine): Verb {
  const found = commands.get(name === "quit" || name === "bye" ? "exit" : name);
  if (found !== undefined) return found;
  const meant = nearest(name, commands.keys());
  const known = `there are ${[...commands.keys()].join(" ")}`;
  throw new SockError(
    "usage",
    `unknown command ${JSON.stringify(name.slice(0, 80))}`,
    openHabit(name) ?? (meant === undefined ? known : `did you mean ${meant}? ${known}`),
  );
}

function folderPath(folder: string): string {
  return folder === "" ? "" : `${folder}/`;
}

function showHelp(context: Context, commands: OpenCommands, name: string | undefined): void {
  context.json.refuseData("help");
  if (name === undefined) {
    const rows = [...commands.values()].map(({ meta }) => [[meta.usage].flat().join(), meta.summary]);
    for (const line of table(rows)) context.ui.print(line);
    return;
  }
  const verb = findCommand(commands, { name, words: [], rest: "" });
  context.ui.print(renderCommand(verb, { inside: true }));
}

/** Who may not list may go anywhere: what is there shows in what follows. */
async function enter(state: OpenState, path: string): Promise<void> {
  const folder = path.replace(/\/+$/, "");
  if (folder !== "") {
    await withSession(state.connections, state.host, async (session) => {
      if (!session.server.caps.includes("ls")) return;
      for await (const _ of ls(session, `${folder}/`, { self: true }));
    });
  }
  [state.before, state.folder] = [state.folder, folder];
}

function tellFolder({ json }: Context, { folder }: OpenState): void {
  json.emit({ type: "folder", path: folder });
}

/** Throws `not-found`, `not-folder`, `permission`. */
function enterHere(dir: string): void {
  try {
    process.chdir(dir);
  } catch (thrown) {
    throw fsFailure(thrown, dir);
  }
}

function tellHere({ json }: Context): void {
  json.emit({ type: "local_folder", path: process.cwd() });
}

async function runLine(context: Context, state: OpenState, line: string): Promise<void> {
  if (line === "") throw new SockError("usage", "which command?", "run LINE");
  const { status, signal, out, err, over } = await runRemote(context, {
    host: state.host,
    connections: state.connections,
    text: { encoding: undefined, "out-encoding": undefined },
    request: (isOwner) => ({
      // a key for listed commands has no shell there
      ...(isOwner ? { words: [line], shell: "auto" } : { words: plainWords(line) }),
      ...(isOwner ? { folder: state.folder } : {}),
      cwd: undefined,
      env: isOwner ? environment(context.env, []) : {},
      detach: false,
      maxOutput: undefined,
    }),
    input: undefined,
  });
  context.json.result({ remote_status: status, signal, stdout_bytes: out, stderr_bytes: err });
  if (status === 0 && !over) return;
  throw new SockError(
    "failed",
    signal === null ? `run: it ended with status ${status ?? 0}` : `run: ${signal} ended it`,
  );
}
