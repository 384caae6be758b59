/** "Names and paths": two entries that would be one, and keys that see a part only. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pair, type Pair, plant, VICTIM } from "../helpers/pair.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { scriptedClient } from "../helpers/scripted.ts";
import { serve } from "../helpers/serve.ts";
import { treeOf } from "../helpers/tree.ts";

let ends: Pair;
let run: Pair["run"];
beforeAll(async () => {
  ends = await pair();
  ({ run } = ends);
});
afterAll(() => ends[Symbol.asyncDispose]());

const MiB = 1024 * 1024;
const SMALL: [string, string] = ["the first", "the second"];
const LARGE = SMALL.map((text) => text.padEnd(2 * MiB, "."));

/** The failed ones, by path and code. */
const failures = (stdout: string) =>
  events(stdout)
    .filter(({ action }) => action === "failed")
    .map(({ path, code }) => [String(path).split("/").at(-1), code]);

describe("the same path twice in a batch: never last-wins in silence", () => {
  for (const [size, [first = "", second = ""]] of [
    ["small", SMALL],
    ["large", LARGE],
  ] as const) {
    for (const flags of [[], ["--sync"]]) {
      const id = `${size}${flags.join("")}`;
      test(`put of two trees' contents, ${id}: the first stays, the other is named, 10`, async () => {
        plant(ends.here(id), { "t/x": first, "t/y": "y", "u/x": second, "u/z": "z" });
        const put = await run("put", `${id}/t/`, `${id}/u/`, `:${id}/`, "--json", ...flags);
        expect(resultOf(put.stdout)).toMatchObject({ status: 10, files: 3, failed: 1 });
        expect(failures(put.stdout)).toEqual([["x", "exists"]]);
        expect(readFileSync(ends.root(id, "x"), "utf8")).toBe(first);
        expect(readdirSync(ends.root(id)).toSorted()).toEqual(["x", "y", "z"]);
        // and when the first is there already
        const again = await run("put", `${id}/t/`, `${id}/u/`, `:${id}/`, "--json", ...flags);
        expect(failures(again.stdout)).toEqual([["x", "exists"]]);
        expect(readFileSync(ends.root(id, "x"), "utf8")).toBe(first);
      });

      test(`get of two trees' contents, ${id}: the same`, async () => {
        plant(ends.root(`g-${id}`), { "t/x": first, "t/y": "y", "u/x": second, "u/z": "z" });
        const get = await run("get", `:g-${id}/t/`, `:g-${id}/u/`, `got-${id}/`, "--json", ...flags);
        expect(resultOf(get.stdout)).toMatchObject({ status: 10, files: 3, failed: 1 });
        expect(failures(get.stdout)).toEqual([["x", "exists"]]);
        expect(readFileSync(ends.here(`got-${id}`, "x"), "utf8")).toBe(first);
      });
    }
  }

  test("two files of one name: put and get say so before anything is moved", async () => {
    plant(ends.here("two"), { "a/x": "1", "b/x": "2" });
    plant(ends.root("two"), { "a/x": "1", "b/x": "2" });
    expect(await run("put", "two/a/x", "two/b/x", ":two-there")).toMatchObject({ status: 2 });
    expect(existsSync(ends.root("two-there"))).toBe(false);
    const get = await run("get", ":two/a/x", ":two/b/x", "two-here/", "--json");
    expect(resultOf(get.stdout)).toMatchObject({ status: 2, code: "usage" });
    expect(existsSync(ends.here("two-here"))).toBe(false);
    // their twins, of two names
    plant(ends.here("two"), { "c/y": "3" });
    expect(await run("put", "two/a/x", "two/c/y", ":two-there")).toMatchObject({ status: 0 });
  });

  test("a client that sends one path as file, as file, as link, large, and without asking: one stays", async () => {
    const bytes = Buffer.from("12345");
    const digest = createHash("sha256").update(bytes).digest("hex");
    const entry = { type: "entry", kind: "file", path: "f", mtime: null, mode: null, length: 5 } as const;
    using client = await scriptedClient(ends.server.join);
    client.send({ type: "put", to: "one/", digest: "sha256", on_exists: "replace" });
    client.send({ ...entry, entry: 0, digest, size: 5 }, bytes);
    const other = Buffer.from("other");
    const wrong = createHash("sha256").update(other).digest("hex");
    client.send({ ...entry, entry: 1, digest: wrong, size: 5 }, other);
    client.send({ type: "entry", entry: 2, kind: "link", path: "f", target: "g", mtime: null, mode: null });
    client.send({ ...entry, entry: 3 });
    client.send({ type: "data", entry: 3 }, other);
    client.send({ type: "end", entry: 3, bytes: 5, digest: wrong });
    client.send({ type: "finish" });
    const answers = await client.until("result");
    expect(answers.filter(({ type }) => type === "stop").map(({ entry, code }) => [entry, code])).toEqual([
      [1, "exists"],
      [2, "exists"],
      [3, "exists"],
    ]);
    expect(answers.at(-1)).toMatchObject({ files: 1, failed: 3 });
    expect(readFileSync(ends.root("one", "f"), "utf8")).toBe("12345");
  });
});

describe("file `a` and file `a/b`", () => {
  for (const [order, code] of [
    [["t", "u"], "not-folder"],
    [["u", "t"], "exists"],
  ] as const) {
    test(`${order.join(" then ")}: the second is refused, put and get`, async () => {
      const id = `ab-${order.join("")}`;
      const trees = { "t/a": "file", "u/a/b": "below", "u/fine": "fine" };
      plant(ends.here(id), trees);
      plant(ends.root(id), trees);
      const [one, two] = order;
      const put = await run("put", `${id}/${one}/`, `${id}/${two}/`, `:${id}-there/`, "--json");
      const get = await run("get", `:${id}/${one}/`, `:${id}/${two}/`, `${id}-here/`, "--json");
      for (const [ran, at] of [
        [put, ends.root(`${id}-there`)],
        [get, ends.here(`${id}-here`)],
      ] as const) {
        expect(ran.status).toBe(10);
        expect(new Set(failures(ran.stdout).map(([, why]) => why))).toEqual(new Set([code]));
        expect(readFileSync(one === "t" ? join(at, "a") : join(at, "a", "b"), "utf8")).toMatch(/file|below/);
        expect(readFileSync(join(at, "fine"), "utf8")).toBe("fine");
      }
    });
  }
});

test("a key with scope `a/` stays in `a`, whatever it puts, gets and lists; `a`'s own twin works", async () => {
  plant(ends.root("a"), { "in/f": "mine" });
  plant(ends.root(), { "b/secret": "theirs" });
  const code = await sock(
    ["invite", "--direct", "--name", "scoped", "--scope", "a", "--allow", "put,get,ls"],
    {
      home: ends.base("state"),
    },
  );
  expect(code).toMatchObject({ status: 0 });
  const options = { env: { SOCK_JOIN: code.stdout }, home: ends.base("home"), cwd: ends.here() };
  plant(ends.here("plant"), { "x@": "../b", "y@": "../../outside", "z@": "/etc", "sub/w@": "..", ok: "ok" });
  const before = treeOf(ends.root("b"));
  const put = await sock(["put", "plant", ":", "--json"], options);
  expect(put.status).toBe(0);
  expect(readFileSync(ends.root("a", "plant", "ok"), "utf8")).toBe("ok");
  expect(readdirSync(ends.root("a", "plant")).toSorted()).toEqual(["ok", "sub"]);
  expect(readdirSync(ends.root("a", "plant", "sub"))).toEqual(["w"]);
  using client = await scriptedClient(code.stdout.trim());
  client.send({ type: "put", to: "", digest: "sha256", on_exists: "replace" });
  for (const [entry, target] of ["../b", "../../outside", "/etc", "a/../../b"].entries()) {
    client.send({ type: "entry", entry, kind: "link", path: "x", target, mtime: null, mode: null });
  }
  client.send({ type: "finish" });
  expect((await client.until("result")).at(-1)).toMatchObject({ files: 0, failed: 4 });
  for (const path of ["../b/secret", "A/../../b/secret", "plant/x/secret", "b/secret", "../A/in/f"]) {
    for (const words of [
      ["get", `:${path}`, "-"],
      ["ls", `:${path}`],
      ["put", "plant/ok", `:${path}/`],
    ]) {
      const ran = await sock(words, options);
      const made = words[0] === "put" && !path.includes("..");
      if (made) continue; // b/secret/ok in its own folder is its right
      expect([words, ran.status, ran.stdout]).toEqual([words, expect.any(Number), ""]);
      expect(ran.status).toBeOneOf([4, 7]);
    }
  }
  expect(treeOf(ends.root("b"))).toEqual(before);
  expect(await sock(["get", ":in/f", "-"], options)).toMatchObject({ status: 0, stdout: "mine" });
  expect(ends.outside()).toBe(VICTIM);
});

test("the state folder in what is served: no part of a tree that is fetched or listed, and nothing is put there", async () => {
  plant(ends.base("served"), { f: "f", "state/": "" });
  const home = ends.base("served", "state");
  await using server = await serve({ args: [ends.base("served")], home });
  const options = { env: { SOCK_JOIN: server.join }, home: ends.base("home"), cwd: ends.here() };
  const secret = readdirSync(home).toSorted();
  plant(ends.here("into"), { "sock/server/grants/evil.json": "{}", "sock/evil": "x", fine: "fine" });
  const put = await sock(["put", "into/", ":state/", "--json"], options);
  expect(put.status).toBe(10);
  expect(readdirSync(home).toSorted()).toEqual([...secret, "fine"].toSorted());
  expect(existsSync(join(home, "sock", "evil"))).toBe(false);
  expect((await sock(["ls", "-R", ":"], options)).stdout).not.toContain("server");
  const get = await sock(["get", ":", "all/"], options);
  expect(get.status).toBe(0);
  expect(readdirSync(ends.here("all"), { recursive: true }).map(String).toSorted()).toEqual([
    "f",
    "state",
    "state/fine",
  ]);
});
