import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { codeAt } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { treeOf } from "../helpers/tree.ts";

const LARGE = 2_000_000;
const PAST = new Date(1_600_000_000_000);

let base: TemporaryFolder;
let server: Serving;
let relay: Relay;
beforeAll(async () => {
  base = await temporaryFolder();
  fs.mkdirSync(base.join("root"));
  fs.mkdirSync(base.join("here"));
  server = await serve({ args: [base.join("root")] });
  relay = await Relay.start(server.port);
});
afterAll(async () => {
  await relay[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await base[Symbol.asyncDispose]();
});
beforeEach(() => {
  for (const side of ["root", "here"]) {
    for (const name of fs.readdirSync(base.join(side))) fs.rmSync(base.join(side, name), { recursive: true });
  }
});

for (const verb of ["put", "get"] as const) {
  const [from, to] = verb === "put" ? ["here", "root"] : ["root", "here"];
  const source = (name: string) => base.join(from, name);
  const target = (name: string) => base.join(to, name);
  /** Runs it through the relay; `moved` are the bytes that went the way of the files. */
  const run = async (name: string, ...flags: string[]) => {
    const before = { ...relay.bytes };
    const words = verb === "put" ? [name, `:${name}`] : [`:${name}`, name];
    const env = { SOCK_JOIN: codeAt(server.join, relay.port) };
    const ran = await sock([verb, ...words, "--json", ...flags], { env, cwd: base.join("here") });
    const way = verb === "put" ? "up" : "down";
    const actions = events(ran.stdout).flatMap(({ action }) => (typeof action === "string" ? [action] : []));
    return { ...ran, actions, result: resultOf(ran.stdout), moved: relay.bytes[way] - before[way] };
  };
  const write = (path: string, bytes: number, fill: string, at: Date = PAST): void => {
    fs.writeFileSync(path, Buffer.alloc(bytes, fill));
    fs.utimesSync(path, at, at);
  };

  describe(verb, () => {
    for (const bytes of [5, LARGE]) {
      test(`${bytes} bytes: the same size and time is enough, --checksum looks at the bytes`, async () => {
        write(source("f"), bytes, "x");
        write(target("f"), bytes, "y");
        const before = fs.statSync(target("f")).ino;
        expect(await run("f")).toMatchObject({
          status: 0,
          actions: ["same"],
          result: { files: 0, skipped: 1 },
        });
        expect([fs.statSync(target("f")).ino, fs.readFileSync(target("f"))[0]]).toEqual([before, 0x79]);
        expect(await run("f", "--checksum")).toMatchObject({ status: 0, actions: ["replaced"] });
        expect(treeOf(base.join("here"))).toEqual(treeOf(base.join("root")));
        const again = await run("f", "--checksum");
        expect(again).toMatchObject({ status: 0, actions: ["same"] });
        expect(again.moved).toBeLessThan(20_000);
      });

      test(`${bytes} bytes: another time, the same bytes: only the time is set`, async () => {
        write(source("f"), bytes, "x");
        write(target("f"), bytes, "x", new Date(1_500_000_000_000));
        const { ino } = fs.statSync(target("f"));
        const ran = await run("f");
        expect(ran).toMatchObject({ status: 0, actions: ["repaired"], result: { files: 1, bytes: 0 } });
        expect(ran.moved).toBeLessThan(20_000);
        expect(fs.statSync(target("f"))).toMatchObject({ ino, mtimeMs: PAST.getTime() });
      });

      test(`${bytes} bytes: another mode: only that is set, not the bytes`, async () => {
        write(source("f"), bytes, "x");
        write(target("f"), bytes, "x");
        fs.chmodSync(source("f"), 0o750);
        const { ino } = fs.statSync(target("f"));
        expect(await run("f")).toMatchObject({ status: 0, actions: ["repaired"] });
        expect(fs.statSync(target("f"))).toMatchObject({ ino, mode: 0o100750, mtimeMs: PAST.getTime() });
        expect(await run("f")).toMatchObject({ status: 0, actions: ["same"] });
      });
    }

    test("a second run of a tree moves names only, a changed file only itself", async () => {
      fs.mkdirSync(source("t"));
      for (let n = 0; n < 200; n++) write(source(`t/${n}`), 5000, String.fromCharCode(33 + (n % 90)));
      expect(await run("t")).toMatchObject({ status: 0, result: { files: 200, skipped: 0 } });
      const second = await run("t");
      expect(second).toMatchObject({ status: 0, result: { files: 0, skipped: 200, bytes: 0 } });
      expect(second.moved).toBeLessThan(60_000);
      fs.writeFileSync(source("t/7"), "new");
      expect(await run("t")).toMatchObject({ status: 0, result: { files: 1, skipped: 199, bytes: 3 } });
      expect(treeOf(base.join("here"))).toEqual(treeOf(base.join("root")));
    });

    const ON_EXISTS: [flag: string, status: number, action: string, files: Record<string, string>][] = [
      ["replace", 0, "replaced", { f: "new" }],
      ["refuse", 12, "failed", { f: "old!" }],
      ["skip", 0, "skipped", { f: "old!" }],
      ["rename", 0, "renamed", { f: "old!", "f.new": "new" }],
    ];
    for (const [flag, status, action, files] of ON_EXISTS) {
      test(`--on-exists ${flag}, one file and a tree, where it is there and where not`, async () => {
        for (const name of ["f", "t/f"]) {
          fs.mkdirSync(source("t"), { recursive: true });
          fs.mkdirSync(target("t"), { recursive: true });
          fs.writeFileSync(source(name), "new");
          fs.writeFileSync(target(name), "old!");
        }
        fs.writeFileSync(source("t/other"), "free");
        const one = await run("f", "--on-exists", flag);
        expect({ ...one, stderr: "" }).toMatchObject({ status, actions: [action] });
        const tree = await run("t", "--on-exists", flag);
        expect(tree.actions.toSorted()).toEqual(["new", action].toSorted());
        expect(tree.status).toBe(status === 12 ? 10 : 0);
        const read = (path: string): string => fs.readFileSync(target(path), "utf8");
        const there = fs.readdirSync(target("t")).toSorted();
        expect(Object.fromEntries(there.map((name) => [name, read(`t/${name}`)]))).toEqual({
          ...files,
          other: "free",
        });
        expect(Object.fromEntries(Object.keys(files).map((name) => [name, read(name)]))).toEqual(files);
      });
    }

    const TREE = [
      "keep.txt",
      "a.log",
      "sub/b.log",
      "sub/keep.md",
      "important.log",
      "build/out",
      "sub/build/out",
      "node_modules/x/index.js",
      "sub/node_modules/y",
      "name with space",
      "#hash",
      "docs/build",
      "deep/a/b/c.tmp",
    ];
    const EXCLUDE: [patterns: string[], left: string[]][] = [
      [["*.log"], ["a.log", "important.log", "sub/b.log"]],
      [
        ["*.log", "!important.log"],
        ["a.log", "sub/b.log"],
      ],
      [
        ["!important.log", "*.log"],
        ["a.log", "important.log", "sub/b.log"],
      ],
      [["/build"], ["build/out"]],
      [["build"], ["build/out", "docs/build", "sub/build/out"]],
      [["build/"], ["build/out", "sub/build/out"]],
      [
        ["node_modules", "!index.js"],
        ["node_modules/x/index.js", "sub/node_modules/y"],
      ],
      [["sub/*.log"], ["sub/b.log"]],
      [["deep/**/*.tmp"], ["deep/a/b/c.tmp"]],
      [["**/b/*"], ["deep/a/b/c.tmp"]],
      [
        ["\\#hash", "name with space"],
        ["#hash", "name with space"],
      ],
      [["/*", "!/sub"], TREE.filter((path) => !path.startsWith("sub/"))],
    ];
    for (const [patterns, left] of EXCLUDE) {
      test(`--exclude ${patterns.join(" ")}`, async () => {
        for (const path of TREE) {
          fs.mkdirSync(source(`t/${path}`.slice(0, `t/${path}`.lastIndexOf("/"))), { recursive: true });
          fs.writeFileSync(source(`t/${path}`), path);
        }
        const ran = await run("t", ...patterns.flatMap((pattern) => ["--exclude", pattern]));
        expect(ran).toMatchObject({ status: 0, result: { files: TREE.length - left.length } });
        const arrived = Object.entries(treeOf(target("t"))).flatMap(([path, what]) =>
          what === "folder" ? [] : [path],
        );
        expect(arrived.toSorted()).toEqual(TREE.filter((path) => !left.includes(path)).toSorted());
        expect(fs.existsSync(target("t/node_modules"))).toBe(!left.includes("node_modules/x/index.js"));
      });
    }

    test("--exclude: a pattern that can't be one is a usage error, before anything is moved", async () => {
      fs.mkdirSync(source("t"));
      for (const pattern of ["", "#comment", "[a", "a\\"]) {
        expect(await run("t", "--exclude", pattern)).toMatchObject({ status: 2, result: { code: "usage" } });
      }
      expect(fs.existsSync(target("t"))).toBe(false);
    });
  });
}
