// npm test: everything that must be good, from a fresh clone. `--quiet` (npm run verify) says it in one word.
import { performance } from "node:perf_hooks";
import { BUN, ensureInstalled, OXLINT, run } from "./tools.mjs";

const quiet = process.argv.includes("--quiet");
const TEST = ["test", "--timeout", "30000", "--only-failures"];

/** `tests`: the stage counts its tests; any other stage counts as one. */
const STAGES = [
  { name: "install", run: async () => ({ status: 0, output: ensureInstalled() ? "" : "(was there)" }) },
  { name: "format", run: () => run(BUN, ["fmt", "--check", "src", "test", "scripts", "package.json"]) },
  { name: "types", run: () => run(BUN, ["check"]) },
  {
    name: "lint",
    run: () => run(process.execPath, [OXLINT, "--type-aware", "--deny-warnings", "src", "test", "scripts"]),
  },
  { name: "imports", run: () => run(BUN, ["scripts/check-source.ts"]) },
  { name: "build", run: () => run(BUN, ["scripts/build.ts"]) },
  { name: "unit", tests: true, run: () => run(BUN, [...TEST, "--path-ignore-patterns", "test/e2e/**"]) },
  { name: "e2e", tests: true, run: () => run(BUN, [...TEST, "--parallel=2", "test/e2e"]) },
];

const totals = { passed: 0, failed: 0, skipped: 0 };
const rows = [];
for (const stage of STAGES) {
  const start = performance.now();
  const { status, output } = await stage
    .run()
    .catch((error) => ({ status: 1, output: `${error.message}\n` }));
  const counts = stage.tests
    ? testCounts(output, status)
    : { passed: +(status === 0), failed: +(status !== 0), skipped: 0 };
  for (const key of Object.keys(totals)) totals[key] += counts[key];
  if (status !== 0 && !quiet) process.stdout.write(`--- ${stage.name} failed\n${output}\n`);
  const seconds = `${((performance.now() - start) / 1000).toFixed(1)} s`;
  rows.push(
    `${stage.name.padEnd(8)} ${status === 0 ? "good  " : "FAILED"} ${seconds.padStart(8)}   ${words(counts)}`,
  );
  if (stage.name === "install" && status !== 0) break; // nothing else can run
}

if (quiet) {
  console.log(totals.failed === 0 ? "good" : "bad");
} else {
  console.log(`\n${rows.join("\n")}\n\n${words(totals)}`);
}
process.exitCode = totals.failed === 0 ? 0 : 1;

/** Counts from bun test's last lines; a run that ends badly has failed, whatever it counted. */
function testCounts(output, status) {
  const count = (word) => Number(output.match(new RegExp(`^ *(\\d+) ${word}$`, "m"))?.[1] ?? 0);
  const counts = { passed: count("pass"), failed: count("fail"), skipped: count("skip") + count("todo") };
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  if (status === 0 && counts.passed === 0) counts.failed = 1; // no test was found
  return counts;
}

function words({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
