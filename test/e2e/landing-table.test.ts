/** Where things land: each row of the README's two tables is run as it stands there. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { childEnv, events, SOCK, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { treeOf } from "../helpers/tree.ts";

const HERE = ["a.txt", "b.txt", "site/index.html", "site/img/logo.png"];
const THERE = ["logs/a.log", "logs/b.log", "www/index.html", "www/img/logo.png"];

interface Row {
  readonly command: string;
  /** What is at the receiving end; a name with `/` at its end is a folder. */
  readonly before: readonly string[];
  readonly lands: readonly string[];
  readonly status: number;
}

const readme = await readFile(resolve(import.meta.dir, "../../README.md"), "utf8");

/** The rows of the table whose second column has this head. */
function table(head: string): Row[] {
  const [, text] = readme.split(`| command | ${head} |`, 2);
  const lines = text?.split("\n").slice(2) ?? [];
  const end = lines.findIndex((line) => !line.startsWith("|"));
  return lines.slice(0, end).map((line) => {
    const [, command = "", before = "", after = ""] = line.split("|");
    const words = (cell: string): string[] =>
      Array.from(cell.matchAll(/`([^`]+)`/g), ([, word = ""]) => word);
    const status = Number(/status (\d+)/.exec(after)?.[1] ?? 0);
    return { command: words(command)[0] ?? "", before: words(before), lands: words(after), status };
  });
}

const contents = (path: string): string => `this is ${path.split("/").at(-1)}`;
const OLD = "what was there before";

async function fill(folder: string, paths: readonly string[], text: (path: string) => string): Promise<void> {
  for (const path of paths) {
    await mkdir(join(folder, path.endsWith("/") ? path : dirname(path)), { recursive: true });
    if (!path.endsWith("/")) await writeFile(join(folder, path), text(path));
  }
}

/** Files below the folder, with what is in them. */
async function filesIn(folder: string): Promise<Record<string, string>> {
  const paths = Object.entries(treeOf(folder)).filter(([, what]) => what !== "folder");
  return Object.fromEntries(
    await Promise.all(
      paths.map(async ([path]) => [path, await readFile(join(folder, path), "utf8")] as const),
    ),
  );
}

/** What the receiving end has afterwards. A new name has the only file that was named. */
function expected({ command, before, lands, status }: Row): Record<string, string> {
  const names = new Set([...HERE, ...THERE].map((path) => path.split("/").at(-1)));
  const only = /\ba\.(txt|log)\b/.exec(command)?.[0] ?? "";
  const files: Record<string, string> = {};
  for (const path of before) if (!path.endsWith("/")) files[path] = OLD;
  for (const path of status === 0 ? lands : []) {
    if (path in files && !command.includes(only)) continue;
    files[path] = path.endsWith("old.html") ? OLD : contents(names.has(path.split("/").at(-1)) ? path : only);
  }
  return files;
}

let home: TemporaryFolder;
let bin: TemporaryFolder;
let work: TemporaryFolder;
let served: TemporaryFolder;
let server: Serving;

beforeAll(async () => {
  home = await temporaryFolder();
  bin = await temporaryFolder();
  work = await temporaryFolder();
  served = await temporaryFolder();
  server = await serve({ args: [served.path] });
  await symlink(SOCK, bin.join("sock"));
  const code = await sock(["invite"], { home: server.home });
  const joined = await sock(["join", "--as", "web1", "-q"], { home: home.path, stdin: code.stdout });
  expect(joined).toMatchObject({ status: 0 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  for (const folder of [home, bin, work, served]) await folder[Symbol.asyncDispose]();
});

/** The line as somebody types it who stands in `cwd`. */
async function type(line: string, cwd: string) {
  const env = childEnv(home.path);
  const child = Bun.spawn(["bash", "-c", line], {
    cwd,
    env: { ...env, PATH: `${bin.path}:${env["PATH"] ?? ""}` },
    stdout: "pipe",
    stderr: "pipe",
    timeout: 20_000,
  });
  const [stdout, stderr, status] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { stdout, stderr, status };
}

const ROWS = { put: table("there before"), get: table("here before") };

for (const verb of ["put", "get"] as const) {
  describe(`${verb}: the table`, () => {
    test("is there", () => {
      expect(ROWS[verb].length).toBeGreaterThan(20);
      for (const { command } of ROWS[verb]) expect(command).toContain(`sock ${verb} `);
    });

    for (const row of ROWS[verb]) {
      test(`${row.command}   ${row.before.join(" ")}`, async () => {
        const { command, before, lands, status } = row;
        await emptied(served);
        const here = await mkdtemp(work.join("row-"));
        await fill(verb === "put" ? here : served.path, verb === "put" ? HERE : THERE, contents);
        const end = verb === "put" ? served.path : here;
        await fill(end, before, () => OLD);
        const isStream = / - |-$/.test(command);
        const toStdout = command.endsWith(" -");
        const prefix = verb === "put" ? "web1:" : "";
        const said = (stdout: string): unknown[] =>
          events(stdout)
            .filter(({ type, kind }) => type === "file" && kind === undefined)
            .map(({ path, action }) => (action === "failed" ? action : path))
            .sort();
        const paths = lands
          .filter((path) => !before.includes(path) || lands.length === 1)
          .map((path) => prefix + path)
          .sort();

        if (!isStream && status === 0) {
          const unchanged = treeOf(end);
          const dry = await type(`${command} --dry-run --json`, here);
          expect(dry).toMatchObject({ status });
          expect(said(dry.stdout)).toEqual(paths);
          expect(treeOf(end)).toEqual(unchanged);
        }
        const ran = await type(command, here);
        expect(ran).toMatchObject({ status, stdout: toStdout ? contents("a.log") : "" });
        expect(await filesIn(end)).toEqual(expected(row));
        if (toStdout) return;

        const again = await type(`${command} --json`, here);
        expect(again).toMatchObject({ status });
        if (status === 0) expect(said(again.stdout)).toEqual(paths);
        expect(await filesIn(end)).toEqual(expected(row));
      });
    }
  });
}

async function emptied(folder: TemporaryFolder): Promise<void> {
  await Bun.$`find ${folder.path} -mindepth 1 -delete`.quiet();
}
