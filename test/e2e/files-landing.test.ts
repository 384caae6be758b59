import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { events, resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { treeOf } from "../helpers/tree.ts";

let root: TemporaryFolder;
let here: TemporaryFolder;
let server: Serving;
let run: (...args: string[]) => ReturnType<typeof sock>;

beforeAll(async () => {
  root = await temporaryFolder();
  here = await temporaryFolder();
  server = await serve({ args: [root.path] });
  run = (...args) => sock(args, { home: here.path, env: { SOCK_JOIN: server.join } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await root[Symbol.asyncDispose]();
  await here[Symbol.asyncDispose]();
});

/** Only files, by path. */
const files = (folder: TemporaryFolder): string[] =>
  Object.entries(treeOf(folder.path))
    .filter(([, kind]) => kind !== "folder")
    .map(([path]) => path)
    .sort();

async function empty(folder: TemporaryFolder): Promise<void> {
  for (const name of Object.keys(treeOf(folder.path)))
    await rm(folder.join(name), { recursive: true, force: true });
}

describe("several", () => {
  test("go into a folder, with / or without; a file is no folder", async () => {
    await empty(root);
    await writeFile(here.join("t"), "t");
    await writeFile(here.join("u"), "u");
    expect(await run("put", "t", "u", ":both")).toMatchObject({ status: 0 });
    expect(await run("put", "t", "u", ":both/")).toMatchObject({ status: 0 });
    expect(files(root)).toEqual(["both/t", "both/u"]);
    expect(await run("put", "t", ":both/t/u")).toMatchObject({ status: 1 });
    expect(await run("put", "t", ":both/t/")).toMatchObject({ status: 1 });
    expect(files(root)).toEqual(["both/t", "both/u"]);
  });

  test("one of three is missing: the others arrive, status 10, and the result says so", async () => {
    await empty(root);
    const put = await run("put", "t", "missing", "u", ":both", "--json");
    expect(put.status).toBe(10);
    expect(resultOf(put.stdout)).toMatchObject({ status: 10, code: "some-failed", files: 2 });
    const failed = events(put.stdout).filter((event) => event["action"] === "failed");
    expect(failed).toMatchObject([{ type: "file", path: "missing", code: "not-found" }]);
    expect(files(root)).toEqual(["both/t", "both/u"]);
  });
});

describe("--on-exists", () => {
  const CASES: [how: string, status: number, action: string, there: string, beside: string | undefined][] = [
    ["replace", 0, "replaced", "newer", undefined],
    ["refuse", 12, "failed", "old", undefined],
    ["skip", 0, "skipped", "old", undefined],
    ["rename", 0, "renamed", "old", "newer"],
  ];
  for (const [how, status, action, there, beside] of CASES) {
    const said = [action];
    const actions = (stdout: string) =>
      events(stdout)
        .filter(({ type }) => type === "file")
        .map((event) => event["action"]);

    test(`put ${how}`, async () => {
      await empty(root);
      await writeFile(root.join("e"), "old");
      await writeFile(here.join("n"), "newer");
      const put = await run("put", "n", ":e", "--on-exists", how, "--json");
      expect([put.status, actions(put.stdout)]).toEqual([status, said]);
      const skipped = how === "skip" ? 1 : 0;
      expect(resultOf(put.stdout)).toMatchObject({ status, skipped, files: status === 0 ? 1 - skipped : 0 });
      expect(await readFile(root.join("e"), "utf8")).toBe(there);
      expect(await readFile(root.join("e.new"), "utf8").catch(() => undefined)).toBe(beside);
      expect(files(root)).toEqual(beside === undefined ? ["e"] : ["e", "e.new"]);
      // where nothing stands, all four are the same
      const fresh = await run("put", "n", ":fresh", "--on-exists", how, "--json");
      expect([fresh.status, actions(fresh.stdout)]).toEqual([0, ["new"]]);
    });

    test(`get ${how}`, async () => {
      await using client = await temporaryFolder();
      await writeFile(root.join("r"), "newer");
      await writeFile(client.join("e"), "old");
      const options = { cwd: client.path, env: { SOCK_JOIN: server.join } };
      const get = await sock(["get", ":r", "e", "--on-exists", how, "--json"], options);
      expect([get.status, actions(get.stdout)]).toEqual([status, said]);
      expect(await readFile(client.join("e"), "utf8")).toBe(there);
      expect(files(client)).toEqual(beside === undefined ? ["e"] : ["e", "e.new"]);
      const fresh = await sock(["get", ":r", "fresh", "--on-exists", how, "--json"], options);
      expect([fresh.status, actions(fresh.stdout)]).toEqual([0, ["new"]]);
    });
  }

  test("a folder is never replaced by a file", async () => {
    await empty(root);
    await mkdir(root.join("n", "n"), { recursive: true });
    await writeFile(here.join("n"), "new");
    for (const how of ["replace", "refuse", "skip", "rename"]) {
      // :n is a folder, so this is n/n, which is one too
      expect(await run("put", "n", ":n", "--on-exists", how)).toMatchObject({ status: 1 });
    }
    expect(treeOf(root.path)).toEqual({ n: "folder", "n/n": "folder" });
  });

  test("refuse, twice at once: exactly one wins", async () => {
    await empty(root);
    const puts = Array.from({ length: 6 }, () => run("put", "n", ":one", "--on-exists", "refuse"));
    const statuses = (await Promise.all(puts)).map(({ status }) => status).sort();
    expect(statuses).toEqual([0, 12, 12, 12, 12, 12]);
    expect(files(root)).toEqual(["one"]);
  });
});

describe("what was meant otherwise", () => {
  test("the server first: status 2, and the line that fetches", async () => {
    const ran = await run("put", ":there", "here", "--json");
    expect(ran.status).toBe(2);
    expect(resultOf(ran.stdout)).toMatchObject({
      code: "usage",
      hint: expect.stringContaining("sock get :there here"),
    });
  });

  test("a folder to stdout: status 1, and a line that fetches it", async () => {
    await mkdir(root.join("folder"), { recursive: true });
    const ran = await run("get", ":folder", "-");
    expect(ran).toMatchObject({ status: 1, stdout: "" });
    expect(ran.stderr).toMatch(/^sock: folder: .*folder.*\nsock: hint: sock get /);
  });
});
