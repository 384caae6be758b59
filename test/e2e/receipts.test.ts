import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { events, resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { treeOf } from "../helpers/tree.ts";

/** Two names that are not UTF-8, as long as each other: in GBK they mean "middle" and "text". */
const GBK = [Buffer.from([0xd6, 0xd0]), Buffer.from([0xce, 0xc4])];
const NAMES = [
  "plain",
  "two words  and more",
  "line\nbreak",
  "back\\slash",
  "\\n",
  "carriage\rreturn",
  "*star",
  "-",
  "--help",
  "#hash",
  "中文",
  "empty",
  ...GBK,
];

let base: TemporaryFolder;
let server: Serving;
const here = (...names: string[]) => base.join("here", ...names);
const there = (...names: string[]) => base.join("root", ...names);
const run = (...args: string[]) => sock(args, { env: { SOCK_JOIN: server.join }, cwd: here() });

/** What `sha256sum -c` says of the receipt in a folder: its status, and how many files it has found good. */
function check(folder: string, receipt = here("receipt")): { status: number; good: number; words: string } {
  const ran = Bun.spawnSync(["sha256sum", "--strict", "-c", receipt], { cwd: folder, stderr: "pipe" });
  const words = ran.stdout.toString();
  return {
    status: ran.exitCode,
    good: words.match(/: OK\n/g)?.length ?? 0,
    words: words + ran.stderr.toString(),
  };
}

function fill(folder: string): void {
  fs.mkdirSync(`${folder}/sub`, { recursive: true });
  for (const name of NAMES) {
    for (const where of [`${folder}/`, `${folder}/sub/`]) {
      fs.writeFileSync(Buffer.concat([Buffer.from(where), Buffer.from(name)]), name === "empty" ? "" : name);
    }
  }
  fs.writeFileSync(`${folder}/large`, Buffer.alloc(3_000_000, "large"));
}
const FILES = NAMES.length * 2 + 1;

beforeEach(async () => {
  base = await temporaryFolder();
  fs.mkdirSync(here());
  fs.mkdirSync(there());
  server = await serve({ args: [there()] });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await base[Symbol.asyncDispose]();
});

describe("--receipt is what sha256sum -c takes, names of any bytes included", () => {
  test("of a put: in the folder that is served; and again when all is there already", async () => {
    fill(here("tree"));
    for (const skipped of [0, FILES]) {
      fs.rmSync(here("receipt"), { force: true });
      const ran = await run("put", "tree", ":in/", "--receipt", "receipt", "--json");
      expect(resultOf(ran.stdout)).toMatchObject({ status: 0, skipped, failed: 0 });
      expect(check(there())).toMatchObject({ status: 0, good: FILES });
    }
    expect(treeOf(there("in/tree"))).toEqual(treeOf(here("tree")));
  });

  test("of a get: in the folder that it was run in; and again when all is there already", async () => {
    fill(there("tree"));
    for (const skipped of [0, FILES]) {
      fs.rmSync(here("receipt"), { force: true });
      const ran = await run("get", ":tree", "in/", "--receipt", "receipt", "--json");
      expect(resultOf(ran.stdout)).toMatchObject({ status: 0, skipped, failed: 0 });
      expect(check(here())).toMatchObject({ status: 0, good: FILES });
    }
    expect(treeOf(here("in", "tree"))).toEqual(treeOf(there("tree")));
  });

  test("of all that a pattern finds, names that are no UTF-8 too", async () => {
    fill(there());
    expect(await run("get", ":*", "in", "--receipt", "receipt")).toMatchObject({ status: 0 });
    expect(check(here())).toMatchObject({ status: 0, good: FILES });
    fs.rmSync(here("receipt"));
    expect(await run("get", ":-", "--receipt", "receipt")).toMatchObject({ status: 0 });
    expect(check(here())).toMatchObject({ status: 0, good: 1 });
  });

  test("of one file under its new name, also where that was taken", async () => {
    fs.writeFileSync(here("a"), "one");
    fs.writeFileSync(there("b"), "other");
    const names: string[] = [];
    for (const flags of [[], ["--on-exists", "rename"]]) {
      expect(await run("put", "a", ":b", "--receipt", "receipt", ...flags)).toMatchObject({ status: 0 });
      expect(check(there())).toMatchObject({ status: 0, good: 1 });
      names.push(fs.readFileSync(here("receipt"), "utf8").slice(66));
    }
    expect(names).toEqual(["b\n", "b.new\n"]);
    fs.writeFileSync(there("b"), "changed");
    expect(check(there(), here("receipt")).status).toBe(0);
    fs.writeFileSync(there("b.new"), "changed");
    expect(check(there()).status).toBe(1);
  });

  test("it lists bytes that were compared: a file of the same size and time with others is sent", async () => {
    fs.writeFileSync(here("a"), "one");
    fs.writeFileSync(there("a"), "two");
    for (const path of [here("a"), there("a")]) fs.utimesSync(path, 5, 5);
    const ran = await run("put", "a", ":", "--receipt", "receipt", "--json");
    expect(events(ran.stdout)[0]).toMatchObject({ action: "replaced" });
    expect(check(there())).toMatchObject({ status: 0, good: 1 });
  });

  test("what was left out or skipped is not in it", async () => {
    fill(here("tree"));
    fs.mkdirSync(there("tree"));
    fs.writeFileSync(there("tree/plain"), "theirs");
    const flags = ["--exclude", "large", "--exclude", "/sub", "--on-exists", "skip"];
    expect(await run("put", "tree", ":", "--receipt", "receipt", ...flags)).toMatchObject({ status: 0 });
    expect(check(there())).toMatchObject({ status: 0, good: NAMES.length - 1 });
    expect(fs.readFileSync(here("receipt"), "latin1")).not.toMatch(/plain|large|sub/);
  });
});

describe("a receipt of what went wrong", () => {
  test("has what arrived, and nothing else", async () => {
    fill(here("tree"));
    fs.mkdirSync(there("tree/plain"), { recursive: true });
    const ran = await run("put", "tree", ":", "--receipt", "receipt", "--json");
    expect(resultOf(ran.stdout)).toMatchObject({ status: 10, files: FILES - 1, failed: 1 });
    expect(check(there())).toMatchObject({ status: 0, good: FILES - 1 });
    const human = await run("put", "tree", ":", "--receipt", "receipt");
    expect(human.stderr).toMatch(/0 files, \d+ there already, 1 failed\n/);
    expect(check(there())).toMatchObject({ status: 0, good: FILES - 1 });
  });

  test("an old one stays where nothing was proved, and a new one is not begun", async () => {
    fs.writeFileSync(here("old"), "the last one's");
    fs.writeFileSync(here("a"), "a");
    for (const receipt of ["old", "new"]) {
      expect((await run("put", "nothing", ":", "--receipt", receipt)).status).toBe(7);
      expect((await run("get", ":nothing", "--receipt", receipt)).status).toBe(7);
      expect((await run("get", ":no*", "--receipt", receipt)).status).toBe(7);
      expect((await run("put", "a", ":../a", "--receipt", receipt)).status).toBe(4);
    }
    expect(fs.readdirSync(here()).toSorted()).toEqual(["a", "old"]);
    expect(fs.readFileSync(here("old"), "utf8")).toBe("the last one's");
    expect(await run("put", "a", ":", "--receipt", "old")).toMatchObject({ status: 0 });
    expect(check(there(), here("old"))).toMatchObject({ status: 0, good: 1 });
  });

  test("one that can't be written is a failure before anything is moved", async () => {
    fs.writeFileSync(here("a"), "a");
    expect((await run("put", "a", ":", "--receipt", "no/such/folder")).status).toBe(7);
    expect((await run("put", "a", ":", "--receipt", ".")).status).toBe(1);
    expect(fs.readdirSync(there())).toEqual([]);
    expect((await run("put", "a", ":", "--receipt", "/dev/full")).status).toBe(8);
  });

  test("what proves nothing is a usage error that says why", async () => {
    fs.writeFileSync(here("a"), "a");
    fs.writeFileSync(there("b"), "b");
    const USAGE: [args: string[], words: RegExp][] = [
      [["put", "a", ":", "--digest", "xxh3"], /sha256sum.*xxh3[^]*hint: .*--digest/],
      [["get", ":b", "--digest", "xxh3"], /sha256sum.*xxh3/],
      [["put", "a", ":", "--dry-run"], /--dry-run/],
      [["get", ":b", "-"], /--receipt.*stdout/],
    ];
    for (const [args, words] of USAGE) {
      const ran = await run(...args, "--receipt", "receipt");
      expect({ args, ...ran }).toMatchObject({ status: 2, stdout: "", stderr: expect.stringMatching(words) });
    }
    expect([fs.readdirSync(here()), fs.readdirSync(there())]).toEqual([["a"], ["b"]]);
  });
});

describe("--json", () => {
  const sha = (text: string) => createHash("sha256").update(text).digest("hex");

  test("one event a file, with path, size, digest and action, and the result", async () => {
    fs.mkdirSync(here("t"));
    fs.writeFileSync(here("t/a"), "aa");
    fs.symlinkSync("a", here("t/l"));
    const first = await run("put", "t", ":", "--json");
    const common = { type: "file", algorithm: "sha256" };
    const host = "127.0.0.1";
    expect(events(first.stdout)).toEqual([
      { ...common, path: `${host}:t/a`, size: 2, digest: sha("aa"), action: "new" },
      { ...common, kind: "link", path: `${host}:t/l`, size: 0, digest: null, action: "new" },
      expect.objectContaining({ type: "result", status: 0, host, files: 2, bytes: 2, skipped: 0, failed: 0 }),
    ]);
    const second = await run("put", "t", ":", "--json");
    expect(events(second.stdout).map((event) => event["action"])).toEqual(["same", "same", undefined]);
    expect(resultOf(second.stdout)).toMatchObject({ files: 0, bytes: 0, skipped: 2 });
    fs.chmodSync(here("t/a"), 0o600);
    const third = await run("put", "t", ":", "--json", "--digest", "xxh3");
    expect(events(third.stdout)[0]).toMatchObject({ action: "repaired", algorithm: "xxh3-64k" });
    expect(resultOf(third.stdout)).toMatchObject({ files: 1, bytes: 0, skipped: 1 });
  });

  test("names that are no UTF-8 come as path64, both ways", async () => {
    fill(here("t"));
    for (const args of [
      ["put", "t", ":"],
      ["get", ":t", "back"],
    ]) {
      const ran = await run(...args, "--json");
      const names = events(ran.stdout).flatMap(({ path64 }) => (typeof path64 === "string" ? [path64] : []));
      const tails = names.map((name) => Buffer.from(name, "base64").subarray(-2).toString("hex"));
      expect(tails.toSorted()).toEqual(["cec4", "cec4", "d6d0", "d6d0"]);
    }
  });

  test("a failure is an event with code and words, and no digest", async () => {
    fs.mkdirSync(there("x/a"), { recursive: true });
    fs.writeFileSync(here("a"), "a");
    fs.writeFileSync(here("b"), "b");
    const ran = await run("put", "a", "b", ":x/", "--json");
    expect(events(ran.stdout)[0]).toEqual({
      type: "file",
      path: "a",
      action: "failed",
      code: "is-folder",
      message: expect.stringContaining("x/a"),
    });
    expect(resultOf(ran.stdout)).toMatchObject({ status: 10, code: "some-failed", files: 1, failed: 1 });
  });
});

describe("the last line has files, bytes, what was skipped, and the rate", () => {
  test("of a tree, of one file, of nothing new, of an empty folder", async () => {
    fill(here("t"));
    fs.mkdirSync(here("nothing"));
    expect((await run("put", "t", ":")).stderr).toMatch(
      new RegExp(`^127.0.0.1:  ${FILES} files, 3\\.0 MB in .* \\([\\d.]+ .B/s\\), verified on both sides\n$`),
    );
    expect((await run("put", "t", ":")).stderr).toBe(`127.0.0.1:  0 files, ${FILES} there already\n`);
    expect((await run("get", ":t", "back")).stderr).toMatch(/^back  \d+ files, 3\.0 MB in .*\/s\), verified/);
    expect((await run("get", ":t/plain", "one")).stderr).toMatch(/^one  5 B in .*, new, verified.*\nsha256 /);
    expect((await run("put", "nothing", ":")).stderr).toBe("127.0.0.1:  0 files\n");
    expect(fs.statSync(there("nothing")).isDirectory()).toBe(true);
  });
});
