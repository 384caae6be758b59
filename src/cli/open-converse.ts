/** An interactive session with a person at a terminal. */
import { readdirSync } from "node:fs";
import { withSession } from "../client/connections.ts";
import { readHistory, writeHistory } from "../client/history.ts";
import { ls } from "../client/ls.ts";
import { SockError } from "../errors.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { completions, type KnownName } from "./open-completion.ts";
import type { OpenCommands } from "./open-commands.ts";
import { localPath, remotePath } from "./open-paths.ts";
import { Prompt } from "./open-prompt.ts";
import type { Runner } from "./open-runner.ts";
import type { OpenState } from "./open-state.ts";
import type { Context } from "./verb.ts";

/** What takes longer is not completed, ms. */
const LONGEST_MS = 3000;
/** A folder with more names is not completed. */
const MOST_NAMES = 20_000;

/** Reads commands and runs them until `exit`, Ctrl-D or a hang-up. */
export async function converse(
  context: Context,
  state: OpenState,
  commands: OpenCommands,
  runner: Runner,
): Promise<void> {
  const { ui, signals, signal } = context;
  const prompt = await Prompt.open({
    history: state.host.ephemeral ? [] : readHistory(context.env),
    complete: async (line) =>
      completions(line, {
        commands: commands.keys(),
        remote: async (folder) => remoteNames(state, folder),
        local: localNames,
      }),
  });
  const release = signals.take((name) => {
    if (name === "SIGINT") {
      const reason = new SockError("interrupted", "interrupted");
      if (runner.interrupt(reason)) return true;
      // names that were to complete a word may still be waited for
      if (!runner.busy) state.connections.interrupt(reason);
      return !runner.busy;
    }
    if (name === "SIGHUP") {
      state.over = true;
      runner.interrupt(new SockError("interrupted", "the terminal is gone"));
      prompt.close();
    }
    return name === "SIGHUP";
  });
  const close = (): void => prompt.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    while (!state.over) {
      await ui.drain();
      const line = await prompt.ask(`${escapeForDisplay(`${state.host.name}:${state.folder}`)}> `);
      if (line === undefined) break;
      await runner.line(line, (error) => ui.error(error));
    }
  } finally {
    signal.removeEventListener("abort", close);
    release();
    prompt.close();
    if (!state.host.ephemeral) writeHistory(context.env, prompt.history);
  }
}

/** Throws where it takes too long: who types waits for it. */
async function remoteNames(state: OpenState, folder: string): Promise<KnownName[]> {
  const late = new SockError("timeout", "the names there did not come");
  const timer = setTimeout(() => state.connections.interrupt(late), LONGEST_MS);
  try {
    return await namesIn(state, folder);
  } finally {
    clearTimeout(timer);
  }
}

async function namesIn(state: OpenState, folder: string): Promise<KnownName[]> {
  const path = remotePath(state.folder, folder);
  return withSession(state.connections, state.host, async (session) => {
    const names: KnownName[] = [];
    for await (const { path: found, kind } of ls(session, path === "" ? "" : `${path.replace(/\/$/, "")}/`, {
      most: MOST_NAMES,
    })) {
      const [name] = found;
      if (typeof name === "string") names.push({ name, isFolder: kind === "folder" });
    }
    return names;
  });
}

function localNames(folder: string): KnownName[] {
  try {
    return readdirSync(localPath(folder) || ".", { withFileTypes: true }).map((entry) => ({
      name: entry.name,
      isFolder: entry.isDirectory(),
    }));
  } catch {
    return [];
  }
}
