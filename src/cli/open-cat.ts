/** `cat` in an interactive session: a file as text on a terminal, its bytes elsewhere. */
import { escapeForDisplay } from "../text/escape.ts";
import { filesToStdout } from "./get.ts";
import type { OpenState } from "./open-state.ts";
import { isTerminal } from "./output.ts";
import { textChoice } from "./text-options.ts";
import { TextOutput } from "./text-output.ts";
import type { Context } from "./verb.ts";

const GIVEN = { encoding: undefined, "out-encoding": undefined };

export async function catFile(context: Context, state: OpenState, path: string): Promise<void> {
  context.json.refuseData("the file");
  const { host, connections } = state;
  const { ui } = context;
  const job = { remotes: [{ host, path }], connections };
  const choice = textChoice(context, GIVEN, host, { terminal: isTerminal(1), hello: null });
  if (choice.decoding.kind === "raw") {
    await filesToStdout(context, job, async (bytes) => ui.lentData(bytes));
    return;
  }
  const decoder = new TextDecoder();
  let isOpen = false;
  const shown = new TextOutput(choice, async (bytes) => {
    const text = safe(decoder.decode(bytes, { stream: true }));
    if (text !== "") isOpen = !text.endsWith("\n");
    await ui.data(text);
  });
  await filesToStdout(context, job, async (bytes) => shown.push(bytes));
  await shown.end();
  // the prompt begins a line
  if (isOpen) await ui.data("\n");
}

/** What could move the cursor, or change how the terminal reads, is shown as its code. */
function safe(text: string): string {
  return text
    .split(/(\r?\n|\t)/)
    .map((part, index) => (index % 2 === 0 ? escapeForDisplay(part) : part))
    .join("");
}
