/** Runs the commands of an interactive session, one after another; Ctrl-C ends the one that runs, and nothing else. */
import { asSockError, type SockError } from "../errors.ts";
import { readArgs } from "./args.ts";
import { Json } from "./json.ts";
import { findCommand, type OpenCommands } from "./open-commands.ts";
import type { OpenState } from "./open-state.ts";
import { type CommandLine, parseLine } from "./open-words.ts";
import { GLOBAL_ARGS, type Context } from "./verb.ts";

export class Runner {
  readonly #context: Context;
  readonly #state: OpenState;
  readonly #commands: OpenCommands;
  #current: AbortController | undefined;
  done = 0;

  constructor(context: Context, state: OpenState, commands: OpenCommands) {
    this.#context = context;
    this.#state = state;
    this.#commands = commands;
  }

  get busy(): boolean {
    return this.#current !== undefined;
  }

  /** Ends the command that runs; false where none does, or it was asked to end before. */
  interrupt(reason: SockError): boolean {
    if (this.#current === undefined || this.#current.signal.aborted) return false;
    this.#current.abort(reason);
    this.#state.connections.interrupt(reason);
    return true;
  }

  /** The commands of a line, up to the first that fails unless `onFailure` says to go on. Throws what it throws. */
  async line(text: string, onFailure: (error: SockError) => void): Promise<void> {
    let commands: CommandLine[];
    try {
      commands = parseLine(text);
    } catch (thrown) {
      onFailure(asSockError(thrown));
      return;
    }
    for (const command of commands) {
      if (this.#state.over) return;
      const error = await this.#one(command);
      await this.#context.ui.drain();
      // what stops us all is no command's own failure
      if (this.#context.signal.aborted) throw this.#context.signal.reason;
      if (error !== undefined) onFailure(error);
    }
  }

  async #one(command: CommandLine): Promise<SockError | undefined> {
    const { ui, json: shared, signal } = this.#context;
    this.#current = new AbortController();
    const json = new Json(ui, shared.enabled);
    const both = AbortSignal.any([signal, this.#current.signal]);
    let error: SockError | undefined;
    try {
      await this.#run({ ...this.#context, json, signal: both }, command);
    } catch (thrown) {
      error = asSockError(both.aborted && asSockError(thrown).code !== "interrupted" ? both.reason : thrown);
    } finally {
      this.#current = undefined;
      ui.clearLive();
    }
    this.done += 1;
    const { name, rest } = command;
    json.end({ type: "command", command: name, rest, status: error?.status ?? 0 }, error);
    return error;
  }

  async #run(context: Context, command: CommandLine): Promise<void> {
    const verb = findCommand(this.#commands, command);
    const { name } = verb.meta;
    const isHelp = command.words.some((word) => word === "-h" || word === "--help");
    if (isHelp) {
      await this.#commands.get("help")?.run(context, { command: name });
    } else if (name === "run") {
      await verb.run(context, { line: command.rest });
    } else {
      const defs = { ...verb.args, verbose: GLOBAL_ARGS.verbose };
      const { values, counts } = readArgs(command.words, defs, { words: false, command: name, inside: true });
      await verb.run({ ...context, verbose: context.verbose + (counts.get("verbose") ?? 0) }, values);
    }
  }
}
