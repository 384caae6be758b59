/** A command on a server, with its streams on ours and our signals passed on. */
import { type Connections, withSession } from "../client/connections.ts";
import { exec, type ExecRequest, type Exit, type RunningExec } from "../client/exec.ts";
import type { Target } from "../client/hosts.ts";
import { ShownOutputs } from "./shown-outputs.ts";
import type { CaughtSignal } from "./signals.ts";
import type { TextGiven } from "./text-options.ts";
import type { Context } from "./verb.ts";

export interface RemoteCommand {
  readonly host: Target;
  readonly connections: Connections;
  readonly text: TextGiven;
  /** What to run; an owner may say more about it than which command. */
  request(isOwner: boolean): ExecRequest;
  /** Its stdin; undefined for an empty one. */
  readonly input: AsyncIterable<Uint8Array> | undefined;
}

/** Runs it to its end. Throws what refused it, and `lost` where its end is unknown. */
export async function runRemote(context: Context, command: RemoteCommand): Promise<Exit> {
  const { host, connections, text, input } = command;
  return withSession(connections, host, async (session) => {
    let release: (() => void) | undefined;
    const shown = new ShownOutputs(context, text, host, session.server.encoding);
    try {
      const isOwner = session.server.caps.includes("shell");
      if (!isOwner) session.require("exec");
      const exit = await exec(session, command.request(isOwner), {
        input: input === undefined ? undefined : shown.input(input),
        output: async (stream, bytes) => shown[stream].push(bytes),
        onBegun: (run) => {
          release = context.signals.take(passOn(run));
        },
      });
      await shown.end();
      return exit;
    } catch (thrown) {
      // what a decoder still holds has arrived
      await shown.end().catch(() => undefined);
      throw thrown;
    } finally {
      release?.();
    }
  });
}

/** The command gets our signals; a second SIGINT ends it, whatever it does with the first. A third of any kind ends us. */
function passOn(run: RunningExec): (name: CaughtSignal) => boolean {
  let signals = 0;
  let interrupts = 0;
  return (name) => {
    signals += 1;
    if (name === "SIGINT") interrupts += 1;
    // the line may be dead, or nobody read what is written here
    if (signals > 2) return false;
    run.signal(name === "SIGINT" && interrupts > 1 ? "SIGKILL" : name);
    return true;
  };
}
