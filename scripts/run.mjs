// npm run build | demo | bench | fuzz [NAME] [ARG...]: installs and builds what is missing, then runs the script under bun.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { BUN, ensureInstalled, ROOT, run } from "./tools.mjs";

const [what = "", ...args] = process.argv.slice(2);

ensureInstalled();
if (what === "build") process.exit((await run(BUN, ["scripts/build.ts", ...args], { inherit: true })).status);

const built = await run(BUN, ["scripts/build.ts"]);
if (built.status !== 0) {
  process.stderr.write(built.output);
  process.exit(1);
}
let worst = 0;
for (const script of scripts(join("scripts", what))) {
  const { status } = await run(BUN, [script, ...args], { inherit: true });
  worst ||= status;
}
process.exit(worst);

/** scripts/NAME.ts, or every script of scripts/NAME/, or the one of them that the first argument names. */
function scripts(path) {
  const single = `${path}.ts`;
  if (existsSync(join(ROOT, single))) return [single];
  const folder = join(ROOT, path);
  const all = existsSync(folder) && statSync(folder).isDirectory() ? readdirSync(folder).toSorted() : [];
  const programs = all.filter((name) => name.endsWith(".ts"));
  const named = programs.filter((name) => name === `${args[0]}.ts`);
  if (named.length > 0) args.shift();
  const chosen = named.length > 0 ? named : programs;
  if (chosen.length > 0) return chosen.map((name) => join(path, name));
  console.error(`no scripts/${what}.ts and no scripts/${what}/`);
  process.exit(1);
}
