/** An interactive session with a person at a terminal. */
import { readdirSync } from "node:fs";
import { withSession } from "../client/connections.ts";
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
    history: [],
    complete: async (line) =>
      completions(line, {
        commands: commands.keys(),
        remote: async (folder) => remoteNames(state, folder),
        local: localNames,
      }),
  });
  const release = signals.take((name) => {
    if (name === "SIGINT") return runner.interrupt(new SockError("interrupted", "interrupted"));
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
  }
}

async function remoteNames(state: OpenState, folder: string): Promise<KnownName[]> {
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
