/** "Links, special files, races": trees and single files, put, get and ls. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { pair, type Pair, plant, VICTIM } from "../helpers/pair.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { scriptedClient } from "../helpers/scripted.ts";
import { treeOf } from "../helpers/tree.ts";

let ends: Pair;
let run: Pair["run"];
beforeAll(async () => {
  ends = await pair();
  ({ run } = ends);
});
afterAll(() => ends[Symbol.asyncDispose]());
afterEach(() => {
  expect(ends.outside()).toBe(VICTIM);
  expect(readdirSync(ends.base("outside"))).toEqual(["victim"]);
});

/** Both ways: from here to the server, and back. */
const WAYS = [
  { verb: "put", from: () => ends.here(), to: () => ends.root() },
  { verb: "get", from: () => ends.root(), to: () => ends.here() },
] as const;
const move = (verb: "put" | "get", what: string, to: string, ...flags: string[]) =>
  verb === "put"
    ? run("put", what, `:${to}`, "--json", ...flags)
    : run("get", `:${what}`, to, "--json", ...flags);
const skipped = (stdout: string) =>
  events(stdout)
    .filter(({ action }) => action === "skipped")
    .map(({ path }) => String(path).split("/").at(-1))
    .toSorted();

describe("entry 1 a symlink to outside, entry 2 a file of that name, or below it", () => {
  const file = { type: "entry", kind: "file", mtime: null, mode: null, length: 0 } as const;
  const digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  for (const target of [
    "../../outside",
    "/etc",
    "..",
    "sub/../../..",
    "./..//../outside",
    "../outside/victim",
  ]) {
    for (const below of ["l", "l/victim", "l/new"]) {
      test(`l -> ${target}, then ${below}: the link is refused, nothing gets out`, async () => {
        using client = await scriptedClient(ends.server.join);
        client.send({ type: "put", to: "hostile/", digest: "sha256", on_exists: "replace" });
        client.send({ type: "entry", entry: 0, kind: "link", path: "l", target, mtime: null, mode: null });
        client.send({ ...file, entry: 1, path: below, digest, size: 0 }, new Uint8Array(0));
        client.send({ type: "finish" });
        const answers = await client.until("result");
        expect(answers[0]).toMatchObject({ type: "ready" });
        expect(answers[1]).toMatchObject({ type: "stop", entry: 0, code: "outside" });
        const link = lstatSync(ends.root("hostile", "l"), { throwIfNoEntry: false });
        expect(link?.isSymbolicLink() ?? false).toBe(false);
        rmSync(ends.root("hostile"), { recursive: true, force: true });
      });
    }
  }

  test("two good links that together lead out: the second is refused where it lies behind the first", async () => {
    using client = await scriptedClient(ends.server.join);
    client.send({ type: "put", to: "chain/", digest: "sha256", on_exists: "replace" });
    const link = { type: "entry", kind: "link", mtime: null, mode: null } as const;
    const links = [
      ["a/b/up", "../.."],
      ["short", "a/b"],
      ["short/up2", ".."],
      ["a/b/up/x", ".."],
      ["chained", "a/b/up/.."],
    ];
    for (const [entry, [path = "", target = ""]] of links.entries())
      client.send({ ...link, entry, path, target });
    client.send({ ...file, entry: 9, path: "a/b/up/new", digest, size: 0 }, new Uint8Array(0));
    client.send({ type: "finish" });
    const answers = await client.until("result");
    const refused = answers.filter(({ type }) => type === "stop").map(({ entry }) => entry);
    expect(refused).toEqual([2, 3, 4]);
    // through a link that stays inside
    expect(existsSync(ends.root("chain", "new"))).toBe(true);
  });

  test("the twin: a link that stays inside is made, and a file below it goes where it leads", async () => {
    using client = await scriptedClient(ends.server.join);
    client.send({ type: "put", to: "kind/", digest: "sha256", on_exists: "replace" });
    client.send({ type: "entry", entry: 0, kind: "link", path: "l", target: "sub", mtime: null, mode: null });
    client.send({ ...file, entry: 1, path: "sub/f", digest, size: 0 }, new Uint8Array(0));
    client.send({ ...file, entry: 2, path: "l/g", digest, size: 0 }, new Uint8Array(0));
    client.send({ type: "finish" });
    expect((await client.until("result")).at(-1)).toMatchObject({ files: 3, failed: 0 });
    expect(readdirSync(ends.root("kind", "sub")).toSorted()).toEqual(["f", "g"]);
  });
});

for (const { verb, from, to } of WAYS) {
  describe(`${verb} of a tree with links`, () => {
    const TREE = {
      "links/f": "f",
      "links/sub/g": "g",
      "links/inside@": "f",
      "links/sub/up@": "../f",
      "links/folder@": "sub",
      "links/dangling@": "nothing",
      "links/loop@": "loop",
      "links/one@": "two",
      "links/two@": "one",
      "links/circle@": ".",
      "links/outside@": "../../outside",
      "links/victim@": "../../outside/victim",
      "links/absolute@": "/etc/passwd",
      "links/sub/out@": "../..",
    };

    test("keep: those that stay inside travel as they are, the others are skipped by name, and it is done", async () => {
      plant(from(), TREE);
      const ran = await move(verb, "links", "kept");
      expect(ran.status).toBe(0);
      expect(skipped(ran.stdout)).toEqual(["absolute", "out", "outside", "victim"]);
      const kept = treeOf(join(to(), "kept"));
      const wanted = Object.entries(treeOf(join(from(), "links"))).filter(
        ([path]) => !["absolute", "sub/out", "outside", "victim"].includes(path),
      );
      expect(kept).toEqual(Object.fromEntries(wanted));
      // the second run has nothing to do
      expect(resultOf((await move(verb, "links", "kept")).stdout)).toMatchObject({ status: 0, files: 0 });
    });

    test("follow: loops end and are named, and a get follows nothing to outside", async () => {
      plant(from(), {
        "circle/f": "f",
        "circle/in@": "f",
        "circle/out@": "../../outside/victim",
        "circle/c@": ".",
      });
      const ran = await move(verb, "circle", "followed", "--links", "follow");
      expect(ran.status).toBe(10);
      expect(readFileSync(join(to(), "followed", "in"), "utf8")).toBe("f");
      expect(lstatSync(join(to(), "followed", "in")).isFile()).toBe(true);
      // what is sent is the user's own, what is fetched is the root's
      if (verb === "put") expect(readFileSync(join(to(), "followed", "out"), "utf8")).toBe(VICTIM);
      else expect(existsSync(join(to(), "followed", "out"))).toBe(false);
      expect(readdirSync(join(to(), "followed"))).not.toContain("c");
    });

    test("skip: none of them", async () => {
      plant(from(), { "skip/f": "f", "skip/in@": "f", "skip/out@": "/etc" });
      const ran = await move(verb, "skip", "bare", "--links", "skip");
      expect([ran.status, readdirSync(join(to(), "bare"))]).toEqual([0, ["f"]]);
    });

    test("a FIFO, a socket, a device in a tree: skipped by name, at once; the rest arrives", async () => {
      plant(from(), { "special/a": "a", "special/z": "z" });
      Bun.spawnSync(["mkfifo", join(from(), "special", "fifo")]);
      const socket = Bun.listen({
        unix: join(from(), "special", "socket"),
        socket: { data: () => undefined },
      });
      Bun.spawnSync(["mknod", join(from(), "special", "null"), "c", "1", "3"]);
      const special = existsSync(join(from(), "special", "null"))
        ? ["fifo", "null", "socket"]
        : ["fifo", "socket"];
      const began = performance.now();
      const ran = await move(verb, "special", "plain");
      expect(performance.now() - began).toBeLessThan(4000);
      expect(skipped(ran.stdout)).toEqual(special);
      expect(readdirSync(join(to(), "plain")).toSorted()).toEqual(["a", "z"]);
      socket.stop();
      rmSync(join(from(), "special"), { recursive: true });
    });

    test("the destination is a symlink out: a file takes the link's place, below a folder it is refused", async () => {
      plant(from(), { "t/f": "mine", "t/d/victim": "mine", "t/d/new": "mine", "t/fine": "fine" });
      plant(to(), { "x/": "", "x/f@": "../../outside/victim", "x/d@": "../../outside" });
      const ran = await move(verb, "t", "x");
      expect(ran.status).toBe(10);
      expect(lstatSync(join(to(), "x", "f")).isFile()).toBe(true);
      expect(readFileSync(join(to(), "x", "f"), "utf8")).toBe("mine");
      expect(readlinkSync(join(to(), "x", "d"))).toBe("../../outside");
      expect(readFileSync(join(to(), "x", "fine"), "utf8")).toBe("fine");
      const failed = events(ran.stdout).filter(({ action }) => action === "failed");
      expect(new Set(failed.map(({ code }) => code))).toEqual(new Set(["outside"]));
      // its twin: a link inside is gone through
      rmSync(join(to(), "x", "d"));
      symlinkSync("real", join(to(), "x", "d"));
      plant(to(), { "x/real/": "" });
      expect((await move(verb, "t", "x")).status).toBe(0);
      expect(readdirSync(join(to(), "x", "real")).toSorted()).toEqual(["new", "victim"]);
    });

    test("a planted link for the folder of partial files is not gone through", async () => {
      plant(from(), { "p/f": "f", "p/big": Buffer.alloc(3_000_000) });
      plant(to(), { "q/": "" });
      rmSync(join(to(), ".sock-partial"), { recursive: true, force: true });
      rmSync(join(to(), "q", ".sock-partial"), { recursive: true, force: true });
      for (const at of [to(), join(to(), "q")]) symlinkSync(ends.base("outside"), join(at, ".sock-partial"));
      expect((await move(verb, "p", "q")).status).not.toBe(0);
      for (const at of [to(), join(to(), "q")]) rmSync(join(at, ".sock-partial"));
      expect((await move(verb, "p", "q")).status).toBe(0);
    });
  });
}

test("ls -R tells links and ends in loops; a link to outside is not entered", async () => {
  plant(ends.root("list"), {
    f: "f",
    "circle@": ".",
    "loop@": "loop",
    "out@": "../../outside",
    "d/up@": "..",
  });
  const ran = await run("ls", "-R", ":list", "--json");
  expect(ran.status).toBe(0);
  expect(ran.stdout).not.toContain("list/out/victim");
  const names = events(ran.stdout).flatMap(({ path }) => (typeof path === "string" ? [path] : []));
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => name.startsWith("list/circle/") || name.startsWith("list/d/up/"))).toEqual(
    [],
  );
  for (const path of ["list/out", "list/out/victim"]) {
    expect((await run("ls", `:${path}/`)).stdout).not.toContain("victim");
  }
});

test("a root that is itself a symlink: trees go in and out of it", async () => {
  plant(ends.base(), { "real/t/f": "f", "real/t/l@": "f" });
  symlinkSync("real", ends.base("as-link"));
  const { serve } = await import("../helpers/serve.ts");
  await using other = await serve({ args: [ends.base("as-link")] });
  const options = { env: { SOCK_JOIN: other.join }, cwd: ends.here(), home: ends.base("home") };
  expect(await sock(["get", ":t", "linked"], options)).toMatchObject({ status: 0 });
  expect(await sock(["put", "linked", ":back"], options)).toMatchObject({ status: 0 });
  expect(treeOf(ends.base("real", "back"))).toEqual(treeOf(ends.base("real", "t")));
});
