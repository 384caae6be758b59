/** `put --atomic` whose connection breaks in the middle: what was sent before is still there, or nothing changes. */
import { expect, test } from "bun:test";
import { renameSync } from "node:fs";
import { codeAt, start } from "../helpers/child.ts";
import { pair, type Pair, pairWithLine, plant } from "../helpers/pair.ts";
import type { Relay } from "../helpers/relay.ts";
import { sock } from "../helpers/run.ts";
import { treeOf } from "../helpers/tree.ts";
import { until } from "../helpers/until.ts";

async function halfWay(ends: Pair & { readonly relay: Relay }) {
  plant(ends.here("v"), { a: "new", "m/large": Buffer.alloc(20_000_000, "n") });
  plant(ends.root("www"), { a: "old" });
  ends.relay.faults.up.rate = 10_000_000;
  const child = await ends.start("put", "--atomic", "v", ":www", "--compress", "never", "--retry", "20s");
  await until(() => ends.relay.bytes.up > 5_000_000, "a quarter of it");
  ends.relay.faults.up.rate = Infinity;
  return child;
}

test("it goes on with what was sent before", async () => {
  await using ends = await pairWithLine();
  const child = await halfWay(ends);
  ends.relay.cutAll();
  expect(await child.ended()).toBe(0);
  expect(treeOf(ends.root("www"))).toEqual(treeOf(ends.here("v")));
}, 20_000);

test("it takes over from its own connection, which the server still takes for a living one", async () => {
  await using ends = await pairWithLine();
  const child = await halfWay(ends);
  const cut = performance.now();
  ends.relay.abandonAll();
  expect(await child.ended()).toBe(0);
  expect(performance.now() - cut).toBeLessThan(8_000);
  expect(treeOf(ends.root("www"))).toEqual(treeOf(ends.here("v")));
}, 30_000);

test("another put of the folder in between: nothing of the first is published, and it says so", async () => {
  await using ends = await pairWithLine();
  plant(ends.here("w"), { z: "another" });
  const child = await halfWay(ends);
  for (const faults of [ends.relay.faults.up, ends.relay.faults.down]) faults.stalled = true;
  ends.relay.cutAll();
  // past the line, on which nothing comes through now
  const env = { SOCK_JOIN: ends.server.join };
  const other = await sock(["put", "--atomic", "w", ":www"], {
    cwd: ends.here(),
    home: ends.base("home"),
    env,
  });
  expect(other).toMatchObject({ status: 0 });
  const after = treeOf(ends.root("www"));
  for (const faults of [ends.relay.faults.up, ends.relay.faults.down]) faults.stalled = false;
  const status = await child.ended();
  expect(treeOf(ends.root("www"))).toEqual(after);
  expect([status, child.stderr()]).toEqual([1, expect.stringContaining("changed nothing")]);
  expect(await ends.run("put", "--atomic", "v", ":www")).toMatchObject({ status: 0 });
  expect(treeOf(ends.root("www"))).toEqual({ ...treeOf(ends.here("v")), z: expect.any(String) });
}, 20_000);

test("a key whose scope is the folder goes on in the new one, and after it was gone for a while", async () => {
  await using ends = await pair();
  plant(ends.here(), { "v/a": "new", one: "1", two: "2" });
  plant(ends.root("www"), { a: "the old one" });
  const invite = ["invite", "--direct", "--name", "scoped", "--scope", "www", "--allow", "put,get,ls"];
  const code = await sock(invite, { home: ends.base("state") });
  const env = { SOCK_JOIN: code.stdout.trim() };
  const scoped = (...args: string[]) => sock(args, { env, home: ends.base("home"), cwd: ends.here() });
  expect(await scoped("put", "one", ":")).toMatchObject({ status: 0 });
  expect(await ends.run("put", "--atomic", "v", ":www")).toMatchObject({ status: 0 });
  expect(await scoped("put", "two", ":")).toMatchObject({ status: 0 });
  expect(await scoped("get", ":a", "-")).toMatchObject({ status: 0, stdout: "new" });
  expect(Object.keys(treeOf(ends.root("www"))).sort()).toEqual(["a", "one", "two"]);
  renameSync(ends.root("www"), ends.base("away"));
  plant(ends.root("www"), { a: "another" });
  expect(await scoped("get", ":a", "-")).toMatchObject({ status: 0, stdout: "another" });
});

test("a put of such a key that is under way then does not end well in the old folder, and the same again does", async () => {
  await using ends = await pairWithLine();
  plant(ends.here(), {
    "v/a": "new",
    "w/b": "small",
    "w/large": Buffer.alloc(20_000_000, "n"),
    "w/z": "last",
  });
  plant(ends.root("www"), { a: "the old one" });
  const invite = ["invite", "--direct", "--name", "scoped", "--scope", "www", "--allow", "put,get,ls"];
  const code = await sock(invite, { home: ends.base("state") });
  const env = { SOCK_JOIN: codeAt(code.stdout.trim(), ends.relay.port) };
  const more = { env, home: ends.base("home"), cwd: ends.here() };
  const past = { ...more, env: { SOCK_JOIN: ends.server.join } };
  const exchanged = async (): Promise<void> => {
    expect(await sock(["put", "--atomic", "v", ":www"], past)).toMatchObject({ status: 0 });
  };
  const moved = (): void => {
    renameSync(ends.root("www"), ends.root(`old-${performance.now()}`));
    plant(ends.root("www"), { a: "another" });
  };
  for (const [how, words, change] of [
    ["one file, exchanged", ["put", "w/large", ":"], exchanged],
    ["one file, moved", ["put", "w/large", ":"], moved],
    ["a tree, exchanged", ["put", "w", ":"], exchanged],
    ["a tree, moved", ["put", "w", ":"], moved],
    ["as one, moved", ["put", "--atomic", "w", ":"], moved],
  ] as const) {
    plant(ends.here("w"), { large: Buffer.alloc(20_000_000, how) });
    ends.relay.faults.up.rate = 10_000_000;
    const at = ends.relay.bytes.up;
    await using child = await start([...words, "--compress", "never"], more);
    await until(() => ends.relay.bytes.up - at > 5_000_000, "a quarter of it");
    await change();
    ends.relay.faults.up.rate = Infinity;
    const status = await child.ended();
    expect([how, status, child.stderr()]).toEqual([
      how,
      1,
      expect.stringContaining("was replaced meanwhile"),
    ]);
    const again = await sock([...words], more);
    expect([how, again.status, again.stderr]).toEqual([how, 0, expect.any(String)]);
    const there = treeOf(how.startsWith("one") ? ends.root("www") : ends.root("www", "w"));
    expect([how, there["large"]]).toEqual([how, treeOf(ends.here("w"))["large"]]);
  }
  expect(treeOf(ends.root("www", "w"))).toEqual(treeOf(ends.here("w")));
}, 60_000);
