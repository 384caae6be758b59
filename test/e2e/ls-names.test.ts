/** Names that could confuse a terminal or a script: escaped for people, exact in `--json`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { Folder } from "../../src/files/folder.ts";
import { start } from "../helpers/child.ts";
import { events, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";

const GBK = Buffer.from([0xc4, 0xe3, 0xba, 0xc3, 0x2e, 0x74, 0x78, 0x74]);
/** In the order of their bytes, each with what is shown. */
const NAMES: [name: string, shown: string][] = [
  ["\x1b[2J", "\\x1b[2J"],
  ["\x1b]52;c;b3du\x07", "\\x1b]52;c;b3du\\x07"],
  [" blank ", " blank "],
  ["-rf", "-rf"],
  ["..foo", "..foo"],
  ["C:\\temp", "C:\\temp"],
  ["\\x1b", "\\\\x1b"],
  ["a\nb", "a\\x0ab"],
  ["a\rb", "a\\x0db"],
  ["x".repeat(255), "x".repeat(255)],
  ["\u009b31m", "\\x9b31m"],
  ["é", "é"],
  ["\u202egpj.exe", "\\u202egpj.exe"],
  ["好", "好"],
  ["🦀", "🦀"],
];
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/;

let base: TemporaryFolder;
let server: Serving;
const run = (...args: string[]) => sock(["ls", ...args], { env: { SOCK_JOIN: server.join } });

beforeAll(async () => {
  base = await temporaryFolder();
  const root = base.join("root");
  await mkdir(`${root}/names`, { recursive: true });
  for (const [name] of NAMES) await writeFile(`${root}/names/${name}`, "");
  const raw = (...parts: (string | Buffer)[]): Buffer =>
    Buffer.concat([`${root}/`, ...parts].map((part) => Buffer.from(part)));
  await mkdir(raw("raw/", GBK), { recursive: true });
  await writeFile(raw("raw/", GBK, "/", GBK), "");
  await writeFile(raw("raw/", GBK, "/plain"), "");
  await symlink(GBK, raw("raw/link"));
  await symlink("\x1b[31m", raw("raw/red"));
  server = await serve({ args: [root] });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await base[Symbol.asyncDispose]();
});

test("people see each name on a line of its own, and no control character", async () => {
  for (const flags of [[], ["-l"], ["-R"]]) {
    const ran = await run(...flags, ":names");
    expect(ran.status).toBe(0);
    expect(ran.stdout).not.toMatch(CONTROL);
    const shown = ran.stdout.split("\n").slice(0, -1);
    expect(shown).toHaveLength(NAMES.length);
    for (const [index, [, name]] of NAMES.entries()) expect(shown[index]).toEndWith(name);
  }
});

test("the same on a terminal", async () => {
  await using child = await start(["ls", ":names"], { env: { SOCK_JOIN: server.join }, terminal: true });
  expect(await child.ended()).toBe(0);
  expect(child.stdout().replaceAll("\r\n", "\n")).not.toMatch(CONTROL);
  expect(child.stdout()).toContain("\\x1b]52;c;b3du\\x07");
});

test("scripts get them exactly, one event a line", async () => {
  const { stdout } = await run("--json", ":names");
  expect(stdout.split("\n")).toHaveLength(NAMES.length + 2);
  const paths = events(stdout).map(({ path }) => path);
  expect(paths.slice(0, -1)).toEqual(NAMES.map(([name]) => `names/${name}`));
});

test("a name that is no UTF-8 is there by its bytes, in folders, links and patterns too", async () => {
  const shown = "\\xc4\\xe3\\xba\\xc3.txt";
  expect((await run("-R", ":raw")).stdout).toBe(`link\nred\n${shown}/\n${shown}/plain\n${shown}/${shown}\n`);
  expect((await run("-l", ":raw")).stdout).toContain(`link -> ${shown}\n`);
  expect((await run("-l", ":raw")).stdout).toContain("red -> \\x1b[31m\n");
  const all = events((await run("--json", "-R", ":raw")).stdout);
  const [name, slash] = [GBK, Buffer.from("/")];
  const base64 = (...parts: Buffer[]): string =>
    Buffer.concat([Buffer.from("raw/"), ...parts]).toString("base64");
  expect(all.map(({ path, path64 }) => path ?? path64)).toEqual([
    "raw/link",
    "raw/red",
    base64(name),
    base64(name, slash, Buffer.from("plain")),
    base64(name, slash, name),
    undefined,
  ]);
  expect(all[0]).toMatchObject({ kind: "link", target64: GBK.toString("base64") });
  // what is in such a folder is asked for by its bytes
  expect((await run(":raw/*.txt/pl*")).stdout).toBe(`raw/${shown}/plain\n`);
  expect((await run(":raw/????.txt/*.txt")).stdout).toBe(`raw/${shown}/${shown}\n`);
});

test("what was asked for is escaped in errors and in the owner's log", async () => {
  const ran = await run(":\x1b]0;x\x07\u202e");
  expect(ran.status).toBe(7);
  expect(ran.stderr).not.toMatch(CONTROL);
  expect((await run(":\x1b[2J*")).stderr).not.toMatch(CONTROL);
});

test.skipIf(process.platform !== "linux")(
  "a path too long for a message is counted, and the rest goes on: 10",
  async () => {
    await using long = await temporaryFolder();
    await mkdir(long.join("root"));
    await writeFile(long.join("root", "z"), "");
    let folder = Folder.open(long.join("root"), false);
    for (let depth = 0; depth < 20; depth++) {
      const name = String.fromCharCode(97 + depth).repeat(250);
      mkdirSync(folder.path(name));
      const next = folder.enter(name);
      folder.close();
      if (!(next instanceof Folder)) throw new Error("the folder was just made");
      folder = next;
    }
    folder.close();
    await using other = await serve({ args: [long.join("root")] });
    const ran = await sock(["ls", "-R", "--json"], { env: { SOCK_JOIN: other.join } });
    const paths = events(ran.stdout).map(({ path }) => path);
    expect(paths.slice(0, -1).map((path) => String(path).length)).toEqual([
      ...Array.from({ length: 16 }, (_, depth) => 251 * (depth + 1) - 1),
      1,
    ]);
    expect(events(ran.stdout).at(-1)).toMatchObject({ status: 10, items: 17, failed: 1 });
  },
);
