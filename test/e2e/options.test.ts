import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { codeAt, start } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { treeOf } from "../helpers/tree.ts";
import { until } from "../helpers/until.ts";

const MB = 1_000_000;

let base: TemporaryFolder;
let server: Serving;
let relay: Relay;
let env: Record<string, string>;
const here = (...names: string[]) => base.join("here", ...names);
const there = (...names: string[]) => base.join("root", ...names);
const run = (...args: string[]) => sock(args, { env, cwd: here() });

beforeEach(async () => {
  base = await temporaryFolder();
  fs.mkdirSync(here());
  fs.mkdirSync(there());
  server = await serve({ args: [there()] });
  relay = await Relay.start(server.port);
  env = { SOCK_JOIN: codeAt(server.join, relay.port) };
});
afterEach(async () => {
  await relay[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await base[Symbol.asyncDispose]();
});

const DIRECTIONS = [
  ["put", "up", "here", "root"],
  ["get", "down", "root", "here"],
] as const;

describe("Ctrl-C says how far it came, and the same command goes on", () => {
  for (const [verb, way, from, to] of DIRECTIONS) {
    test(verb, async () => {
      const size = 40 * MB;
      fs.writeFileSync(base.join(from, "f"), randomBytes(size));
      const args = verb === "put" ? ["put", "f", ":f"] : ["get", ":f", "f"];
      {
        relay.faults[way].rate = 30 * MB;
        await using child = await start(args, { env, cwd: here() });
        await until(() => relay.bytes[way] > 15 * MB);
        child.process.kill("SIGINT");
        expect(await child.ended()).toBe(130);
        expect(child.stderr()).toMatch(/^sock: stopped at [1-9]\d? % of 40 MB; the same command goes on\n$/);
        expect(fs.existsSync(base.join(to, "f"))).toBe(false);
      }
      relay.faults[way].rate = Infinity;
      const before = relay.bytes[way];
      expect(await run(...args)).toMatchObject({ status: 0 });
      expect(relay.bytes[way] - before).toBeLessThan(size - 8 * MB);
      expect(treeOf(base.join(to))["f"]).toBe(treeOf(base.join(from))["f"] ?? "");
    });

    test(`${verb} of a tree, by SIGTERM; with --json the words are in the result`, async () => {
      fs.mkdirSync(base.join(from, "t"));
      for (let n = 0; n < 40; n++) fs.writeFileSync(base.join(from, `t/${n}`), randomBytes(MB));
      const args = verb === "put" ? ["put", "t", ":t"] : ["get", ":t", "t"];
      {
        relay.faults[way].rate = 30 * MB;
        await using child = await start([...args, "--json"], { env, cwd: here() });
        await until(() => relay.bytes[way] > 15 * MB);
        child.process.kill("SIGTERM");
        expect(await child.ended()).toBe(143);
        expect(resultOf(child.stdout())).toMatchObject({
          status: 143,
          code: "terminated",
          message: expect.stringMatching(
            /^stopped after [1-9]\d* files, [\d.]+ MB; the same command goes on$/,
          ),
        });
        expect(child.stderr()).not.toContain("verified");
      }
      relay.faults[way].rate = Infinity;
      const ran = await run(...args, "--json");
      expect(resultOf(ran.stdout)).toMatchObject({ status: 0, skipped: expect.any(Number) });
      expect(resultOf(ran.stdout)["skipped"]).toBeGreaterThan(2);
      expect(treeOf(base.join(to, "t"))).toEqual(treeOf(base.join(from, "t")));
    });
  }

  test("of stdin nothing stays, and a wait for --bwlimit does not hold it up", async () => {
    await using child = await start(["put", "-", ":f", "--bwlimit", "100k"], {
      env,
      cwd: here(),
      pipe: true,
    });
    const stdin = child.process.stdin;
    if (stdin === undefined || stdin === null || typeof stdin === "number") throw new Error("no pipe");
    // the pipe holds less, and its end is killed
    Promise.resolve(stdin.write(randomBytes(3 * MB))).catch(() => undefined);
    Promise.resolve(stdin.flush()).catch(() => undefined);
    await until(() => relay.bytes.up > 50_000);
    const began = performance.now();
    child.process.kill("SIGINT");
    expect(await child.ended()).toBe(130);
    expect(performance.now() - began).toBeLessThan(3000);
    expect(child.stderr()).toMatch(/stopped after 0 files, .*; nothing was changed there\n$/);
    await until(() => Object.keys(treeOf(there())).length === 0);
  });
});

describe("--bwlimit", () => {
  for (const [verb, , from] of DIRECTIONS) {
    test(`${verb}: neither one large file nor many small ones are faster, nor much slower`, async () => {
      fs.writeFileSync(base.join(from, "large"), randomBytes(2 * MB));
      fs.mkdirSync(base.join(from, "many"));
      for (let n = 0; n < 100; n++) fs.writeFileSync(base.join(from, `many/${n}`), randomBytes(20_000));
      fs.writeFileSync(base.join(from, "medium"), randomBytes(100_000));
      const args = (name: string) => (verb === "put" ? ["put", name, ":"] : ["get", `:${name}`]);
      const timed = async (name: string, limit: string): Promise<number> => {
        const began = performance.now();
        expect(await run(...args(name), "--bwlimit", limit, "--json")).toMatchObject({ status: 0 });
        return performance.now() - began;
      };
      const [large, many, medium] = [
        await timed("large", "2M"),
        await timed("many", "2M"),
        await timed("medium", "200k"),
      ];
      for (const ms of [large, many]) expect(ms).toBeGreaterThan(850);
      expect(medium).toBeGreaterThan(400);
      // a block that is not full counts as what it is
      expect(medium).toBeLessThan(4000);
    });

    test(`${verb}: who forgets the unit is told, and nothing is begun`, async () => {
      fs.writeFileSync(base.join(from, "small"), "small");
      const ran = await run(
        ...(verb === "put" ? ["put", "small", ":"] : ["get", ":small"]),
        "--bwlimit",
        "1",
      );
      expect(ran.status).toBe(2);
      expect(ran.stderr).toContain("hint: --bwlimit 1k, or with M for millions\n");
    });
  }
});

describe("--compress", () => {
  for (const [verb, way, from, to] of DIRECTIONS) {
    test(`${verb}: always packs, never does not, both arrive`, async () => {
      const text = Buffer.from("the quick brown fox jumps over the lazy dog\n".repeat(60_000));
      const moved: Record<string, number> = {};
      for (const mode of ["always", "never", "auto"]) {
        fs.writeFileSync(base.join(from, mode), text);
        const before = relay.bytes[way];
        const args = verb === "put" ? ["put", mode, ":"] : ["get", `:${mode}`];
        expect(await run(...args, "--compress", mode)).toMatchObject({ status: 0 });
        moved[mode] = relay.bytes[way] - before;
      }
      expect(moved["always"]).toBeLessThan(text.length / 10);
      expect(moved["never"]).toBeGreaterThan(text.length);
      expect(treeOf(base.join(to))).toEqual(treeOf(base.join(from)));
    });
  }
});

describe("--links", () => {
  for (const [verb, , from, to] of DIRECTIONS) {
    test(`${verb}: keep those that stay inside, follow them, or skip them`, async () => {
      const source = (name: string) => base.join(from, "t", name);
      fs.mkdirSync(source("sub"), { recursive: true });
      fs.writeFileSync(base.join(from, "beside"), "beside");
      fs.writeFileSync(source("sub/f"), "f");
      fs.symlinkSync("sub/f", source("in"));
      fs.symlinkSync("sub", source("folder"));
      fs.symlinkSync("../beside", source("out"));
      fs.symlinkSync("/etc/hostname", source("absolute"));
      fs.symlinkSync("nothing", source("broken"));
      const after = async (mode: string): Promise<[number | null, Record<string, string>]> => {
        fs.rmSync(base.join(to, mode), { recursive: true, force: true });
        const args = verb === "put" ? ["put", "t", `:${mode}`] : ["get", ":t", mode];
        const ran = await run(...args, "--links", mode);
        return [ran.status, treeOf(base.join(to, mode))];
      };
      const sub = { sub: "folder", "sub/f": expect.stringMatching(/^[0-9a-f]{64}$/) };
      expect(await after("keep")).toEqual([
        0,
        { ...sub, in: "-> sub/f", folder: "-> sub", broken: "-> nothing" },
      ]);
      expect(await after("skip")).toEqual([0, sub]);
      const [status, followed] = await after("follow");
      // a link to nothing, and where it matters one that leads out
      expect(status).toBe(10);
      expect(followed).toMatchObject({
        ...sub,
        in: followed["sub/f"] ?? "",
        folder: "folder",
        "folder/f": followed["sub/f"] ?? "",
      });
      // one's own files may be followed anywhere, a server's only to what it serves
      const expected = verb === "put" ? ["absolute", "out"] : ["out"];
      expect(["absolute", "out", "broken"].filter((name) => name in followed)).toEqual(expected);
    });
  }
});

describe("the others", () => {
  test("--chmod sets the mode of files, in trees too, and of what is there", async () => {
    fs.mkdirSync(here("t/sub"), { recursive: true });
    for (const name of ["t/a", "t/sub/b"]) fs.writeFileSync(here(name), "x", { mode: 0o755 });
    for (const mode of ["600", "0644"]) {
      expect(await run("put", "t", ":", "--chmod", mode)).toMatchObject({ status: 0 });
      expect(await run("put", "t/a", ":one", "--chmod", mode)).toMatchObject({ status: 0 });
      const modes = ["t/a", "t/sub/b", "one"].map((name) => fs.statSync(there(name)).mode & 0o7777);
      expect(modes).toEqual([1, 2, 3].map(() => Number.parseInt(mode, 8)));
    }
    for (const mode of ["4755", "u+x", "9", ""]) {
      expect((await run("put", "t", ":", "--chmod", mode)).status).toBe(2);
    }
  });

  test("--sync and --verify: the same result, slower", async () => {
    fs.mkdirSync(here("t/sub"), { recursive: true });
    fs.writeFileSync(here("t/a"), "a");
    fs.writeFileSync(here("t/sub/large"), randomBytes(2 * MB));
    expect(await run("put", "t", ":", "--sync", "--verify")).toMatchObject({ status: 0 });
    expect(treeOf(there())).toEqual(treeOf(here()));
    expect(await run("get", ":t", "back", "--sync", "--verify")).toMatchObject({ status: 0 });
    expect(treeOf(here("back"))).toEqual(treeOf(here("t")));
  });

  test("-q says nothing but what went wrong, -v a line for each file", async () => {
    fs.mkdirSync(here("t"));
    fs.writeFileSync(here("t/a"), "a");
    expect(await run("put", "t", ":", "-q")).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(await run("get", ":t", "back", "-q")).toMatchObject({ status: 0, stdout: "", stderr: "" });
    const failed = await run("put", "t", "nothing", ":", "-q");
    expect(failed).toMatchObject({ status: 10, stdout: "" });
    expect(failed.stderr).toMatch(/^sock: nothing: .*\nsock: 1 of 2 failed\n$/);
    expect((await run("get", ":t", "again", "-v")).stderr).toMatch(/^new {2}again\/a\nagain {2}1 file, /);
    expect((await run("put", "t", ":", "-v")).stderr).toMatch(
      /^same {2}127.0.0.1:t\/a\n127.0.0.1: {2}0 files, 1 there already\n$/,
    );
  });

  test("a get does not pass over in silence what the server can't read or does not send", async () => {
    fs.mkdirSync(there("t"));
    fs.writeFileSync(there("t/a"), "a");
    fs.symlinkSync("../..", there("t/out"));
    const passed = await run("get", ":t", "one");
    expect(passed).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("sock: warning: t/out: "),
    });
    expect(await run("get", ":t", "two", "--exclude", "a")).toMatchObject({ status: 0 });
    expect((await run("get", ":t", "two", "--exclude", "a")).stderr.match(/warning/g)).toHaveLength(1);
    const failed = await run("get", ":t", "one", "--links", "follow");
    expect(failed).toMatchObject({ status: 10 });
    expect(failed.stderr).toContain("sock: t/out: ");
    await until(() =>
      events(server.stdout()).some(({ what, outcome }) => what === "t/out" && outcome === "outside"),
    );
    expect(resultOf((await run("get", ":t", "one", "--links", "follow", "--json")).stdout)).toMatchObject({
      code: "some-failed",
      failed: 1,
      skipped: 1,
    });
  });

  test("the owner's log of a get names what was fetched, not where to", async () => {
    fs.writeFileSync(there("f"), "f");
    expect(await run("get", ":f", here("private"))).toMatchObject({ status: 0 });
    await until(() => events(server.stdout()).some(({ verb, what }) => verb === "get" && what === "f"));
    expect(server.stdout()).not.toContain("private");
  });

  test("a failed get of a tree says which file, also when nothing else was asked for", async () => {
    fs.mkdirSync(there("t"));
    for (const name of ["a", "b"]) fs.writeFileSync(there("t", name), name);
    fs.mkdirSync(here("t/a"), { recursive: true });
    const ran = await run("get", ":t", "t");
    expect(ran).toMatchObject({ status: 10 });
    expect(ran.stderr).toMatch(/^sock: t\/a: is a folder\nt {2}1 file, .*, 1 failed\nsock: 1 of 2 failed\n$/);
    expect(events((await run("get", ":t", "t", "--json")).stdout)[0]).toMatchObject({
      path: "t/a",
      code: "is-folder",
    });
  });
});
