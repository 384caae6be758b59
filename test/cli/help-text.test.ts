import { expect, test } from "bun:test";
import { COMMANDS, findVerb } from "../../src/cli/commands.ts";
import { renderCommand } from "../../src/cli/help-text.ts";
import { type ArgDefs, GLOBAL_ARGS } from "../../src/cli/verb.ts";

/** What is seen of it at once, lines. */
const SCREEN = 46;

for (const name of COMMANDS.keys()) {
  test(`${name}: every flag has its line, once`, async () => {
    const verb = await findVerb(name);
    const listed = [
      ...renderCommand(verb).matchAll(/^ {2}(?:-\w, )*--(?:\[no-\]|no-(?!stdin))?([a-z][a-z0-9.-]*)/gm),
    ];
    const args: ArgDefs = { ...verb.args, ...GLOBAL_ARGS };
    const flags = Object.keys(args).filter((flag) => args[flag]?.type !== "positional");
    expect(listed.map(([, flag = ""]) => flag).sort()).toEqual(flags.sort());
  });
}

test("that of put and get fits a screen", async () => {
  for (const name of ["put", "get"]) {
    expect(renderCommand(await findVerb(name)).split("\n").length).toBeLessThanOrEqual(SCREEN);
  }
});
