import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";

const FILES = [
  ".hidden",
  ".config/x.txt",
  "a.txt",
  "b.txt",
  "c.log",
  "d1/e.txt",
  "d1/deep/e.txt",
  "d1/.h.txt",
  "d2/e.txt",
  "lit/a*",
  "lit/ab",
  "lit/abc",
  "lit/[x]",
  "lit/x",
  "lit/{p,q}",
  "lit/p",
  "lit/*/in",
  "lit2/[d]/in",
  "lit2/d/in",
];

let base: TemporaryFolder;
let server: Serving;
const run = (...args: string[]) => sock(["ls", ...args], { env: { SOCK_JOIN: server.join } });

beforeAll(async () => {
  base = await temporaryFolder();
  for (const file of FILES) {
    await mkdir(dirname(base.join("root", file)), { recursive: true });
    await writeFile(base.join("root", file), "");
  }
  await mkdir(base.join("outside"));
  await writeFile(base.join("outside", "e.txt"), "precious");
  await symlink("../outside", base.join("root", "out"));
  await symlink("d1", base.join("root", "d3"));
  server = await serve({ args: [base.join("root")] });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await base[Symbol.asyncDispose]();
});

const FOUND: [pattern: string, paths: string[]][] = [
  ["*.txt", ["a.txt", "b.txt"]],
  ["?.[tl]*", ["a.txt", "b.txt", "c.log"]],
  ["[!a].txt", ["b.txt"]],
  ["{c,a}.*", ["c.log", "a.txt"]],
  ["{*.txt,a.*}", ["a.txt", "b.txt"]],
  ["{a,nothing}.txt", ["a.txt"]],
  ["*", ["a.txt", "b.txt", "c.log", "d1/", "d2/", "d3", "lit/", "lit2/", "out"]],
  ["*/", ["d1/", "d2/", "d3/", "lit/", "lit2/"]],
  [".*", [".config/", ".hidden"]],
  [".*/*", [".config/x.txt"]],
  // through a link that stays inside, and not through one that leads out
  ["*/e.txt", ["d1/e.txt", "d2/e.txt", "d3/e.txt"]],
  ["d1/*", ["d1/deep/", "d1/e.txt"]],
  ["d1/.*", ["d1/.h.txt"]],
  ["**/e.txt", ["d1/deep/e.txt", "d1/e.txt", "d2/e.txt"]],
  ["d1/**", ["d1/deep/", "d1/deep/e.txt", "d1/e.txt"]],
  ["**/d*/", ["d1/", "d1/deep/", "d2/", "lit2/d/"]],
  ["{d1,d2}/**/e.txt", ["d1/deep/e.txt", "d1/e.txt", "d2/e.txt"]],
  // a name that is there literally is meant
  ["lit/a*", ["lit/a*"]],
  ["lit/[x]", ["lit/[x]"]],
  ["lit/{p,q}", ["lit/{p,q}"]],
  ["lit/*/i?", ["lit/*/in"]],
  ["lit2/[d]/i?", ["lit2/[d]/in"]],
  ["lit/a[*]", ["lit/a*"]],
  ["lit/a?", ["lit/a*", "lit/ab"]],
];
for (const [pattern, paths] of FOUND) {
  test(pattern, async () => {
    const ran = await run(`:${pattern}`);
    expect({ ...ran, stdout: ran.stdout.split("\n").slice(0, -1) }).toMatchObject({
      status: 0,
      stdout: paths,
    });
  });
}

test("a folder that is there literally is listed, not only named", async () => {
  expect((await run(":lit/*/")).stdout).toBe("in\n");
});

test("-R goes into the folders that were found", async () => {
  expect((await run("-R", ":d?")).stdout).toBe(
    "d1/\nd1/.h.txt\nd1/deep/\nd1/deep/e.txt\nd1/e.txt\nd2/\nd2/e.txt\nd3\n",
  );
});

test("nothing found is 7, with the pattern", async () => {
  for (const pattern of ["x*", "none/*", "a.txt/*", "{x,y}", "d1/*/none", "**/none", "*/.hidden"]) {
    const ran = await run(`:${pattern}`, "--json");
    expect(resultOf(ran.stdout)).toMatchObject({ status: 7, code: "not-found", items: 0 });
    expect(resultOf(ran.stdout)["message"]).toContain(pattern);
  }
});

test("what leads outside is refused as without a pattern, and too many braces are a usage error", async () => {
  for (const pattern of ["../*", "out/*", "d1/../../*", "{../outside,x}/e.txt", "../{outside,root}"]) {
    const ran = await run(`:${pattern}`);
    expect({ pattern, ...ran }).toMatchObject({ status: 4, stdout: "" });
  }
  expect((await run(`:${"{a,b}".repeat(20)}`)).status).toBe(2);
});
