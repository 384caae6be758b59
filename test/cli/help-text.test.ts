import { expect, test } from "bun:test";
import { COMMANDS, findVerb } from "../../src/cli/commands.ts";
import { renderCommand } from "../../src/cli/help-text.ts";
import { overview } from "../../src/cli/help.ts";
import { dialects, impairments } from "../../src/cli/plain-help.ts";
import { type ArgDefs, GLOBAL_ARGS } from "../../src/cli/verb.ts";

/** What is seen of it at once, lines. */
const SCREEN = 52;

/** Of a terminal, characters. */
const WIDTH = 80;

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

test("no line of any help is wider than a terminal", async () => {
  const texts = [await overview(), dialects(), impairments()];
  for (const name of COMMANDS.keys()) texts.push(renderCommand(await findVerb(name)));
  const wide = texts.flatMap((text) => text.split("\n")).filter((line) => line.length > WIDTH);
  expect(wide).toEqual([]);
});

test("what is too long goes on below itself", async () => {
  const { meta } = await findVerb("help");
  const description = `${"so many words ".repeat(8)}end`;
  const verb = {
    ...(await findVerb("help")),
    meta,
    args: { topic: { type: "positional", description } },
  } as const;
  const lines = renderCommand(verb).split("\n");
  const at = lines.findIndex((line) => line.startsWith("  TOPIC  so many words "));
  expect(lines[at + 1]).toMatch(/^ {9}\w.* end$/);
});
