import { expect, test } from "bun:test";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { importViolations, lengthViolation, MAX_LINES } from "../scripts/check-source.ts";
import { temporaryFolder } from "./helpers/temp.ts";

/** Path under src/ and the line that must not stand there. */
const PLANTED: [path: string, line: string][] = [
  ["client/put.ts", `import { grants } from "../server/grants.ts";`],
  ["client/put.ts", `import type { Grant } from "../server/grants.ts";`],
  ["client/put.ts", `import { type Grant } from "../server/grants.ts";`],
  ["client/put.ts", `const { grants } = await import("../server/grants.ts");`],
  ["client/put.ts", `let grant: import("../server/grants.ts").Grant;`],
  ["client/put.ts", `export * from '../server/grants.ts';`],
  ["client/put.ts", `import "../server/grants.ts";`],
  ["client/put.ts", `import {\n  grants,\n} from "../server/grants.ts";`],
  ["server/put.ts", `import type { Host } from "../client/hosts.ts";`],
  ["cli/put.ts", `import type { Message } from "../protocol/messages.ts";`],
  ["cli/put.ts", `import { connect } from "../transport/connect.ts";`],
  ["cli/put.ts", `import { main } from "../main.ts";`],
  ["main.ts", `import { put } from "./client/put.ts";`],
  ["transport/tls.ts", `import type { Session } from "../client/session.ts";`],
  ["transport/tls.ts", `import { root } from "../files/root.ts";`],
  ["files/root.ts", `import type { Grant } from "../server/grants.ts";`],
  ["files/root.ts", `import { connect } from "../transport/connect.ts";`],
  ["protocol/frame.ts", `import type { Socket } from "node:net";`],
  ["protocol/frame.ts", `import { file } from "bun";`],
  ["protocol/frame.ts", `import type { Root } from "../files/root.ts";`],
  ["text/decode.ts", `import { readFileSync } from "fs";`],
  ["measure/loss.ts", `const net = require("node:net");`],
  ["errors.ts", `import type { Message } from "./protocol/messages.ts";`],
  ["plain/echo.ts", `import type { Session } from "../server/session.ts";`],
  ["plain/echo.ts", `import { put } from "../client/put.ts";`],
  ["server/put.ts", `import { echo } from "../plain/echo.ts";`],
  ["client/put.ts", `import { consola } from "consola";`],
  ["client/put.ts", `import manifest from "../../package.json";`],
  ["newfolder/x.ts", ``],
];

for (const [path, line] of PLANTED) {
  test(`refused in ${path}: ${line}`, () => expect(importViolations(path, `${line}\n`)).toHaveLength(1));
}

const GOOD: [path: string, line: string][] = [
  ["main.ts", `import { Ui } from "./cli/ui.ts";`],
  ["cli/put.ts", `import { put } from "../client/put.ts";`],
  ["client/put.ts", `import type { Message } from "../protocol/messages.ts";`],
  ["client/put.ts", `import { open } from "node:fs/promises";`],
  ["client/deep/put.ts", `import { open } from "../put.ts";`],
  ["protocol/frame.ts", `import { SockError } from "../errors.ts";`],
  ["cli/plain.ts", `import { echo } from "../plain/echo.ts";`],
  ["plain/serve.ts", `throw bad("say who may: --allow-from", "--allow-from");`],
  ["cli/ui.ts", `import { createConsola } from "consola/core";`],
];

for (const [path, line] of GOOD) {
  test(`allowed in ${path}: ${line}`, () => expect(importViolations(path, `${line}\n`)).toEqual([]));
}

test("a file over the limit is refused, one at the limit is not", () => {
  expect(lengthViolation("a.ts", "x\n".repeat(MAX_LINES))).toEqual([]);
  expect(lengthViolation("a.ts", "x\n".repeat(MAX_LINES + 1))).toHaveLength(1);
});

/** What the linter must refuse in the pure folders, and only there. */
const GLOBALS = [
  "Bun.version",
  "process.platform",
  `Buffer.from("x")`,
  "globalThis.Bun",
  "setTimeout(String, 1)",
];

test("the linter refuses the runtime's globals in the pure folders", async () => {
  await using folder = await temporaryFolder();
  const project = resolve(import.meta.dir, "..");
  await copyFile(join(project, ".oxlintrc.json"), join(folder.path, ".oxlintrc.json"));
  const places = ["protocol", "text", "measure", "transport"];
  for (const place of places) {
    await mkdir(join(folder.path, "src", place), { recursive: true });
    for (const [index, global] of GLOBALS.entries()) {
      await writeFile(
        join(folder.path, "src", place, `planted${index}.ts`),
        `export const x: unknown = ${global};\n`,
      );
    }
    await writeFile(
      join(folder.path, "src", place, "planted-type.ts"),
      "export function f(_x: Buffer): void {}\n",
    );
  }
  const run = Bun.spawn([join(project, "node_modules/.bin/oxlint"), "-f", "unix", "src"], {
    cwd: folder.path,
    stdout: "pipe",
    stderr: "ignore",
  });
  const found = new Set((await run.stdout.text()).match(/src\/\w+\/planted[\w-]+\.ts/g) ?? []);
  const expected = places
    .filter((place) => place !== "transport")
    .flatMap((place) => [
      ...GLOBALS.map((_, index) => `src/${place}/planted${index}.ts`),
      `src/${place}/planted-type.ts`,
    ]);
  expect([...found].toSorted()).toEqual(expected.toSorted());
});
