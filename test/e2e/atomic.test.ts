/** `put --atomic`: a folder appears or changes as one. 1,000 changes: npm run faults atomic. */
import { describe, expect, test } from "bun:test";
import { existsSync, linkSync, readdirSync, readFileSync, statSync } from "node:fs";
import { type Pair, pairWithLine, pair, plant } from "../helpers/pair.ts";
import { resultOf } from "../helpers/run.ts";
import { treeOf } from "../helpers/tree.ts";
import { until } from "../helpers/until.ts";
import { plantVersion, seenMeanwhile } from "../helpers/versions.ts";

const SWAPS = 60;

const litter = (ends: Pair): string[] =>
  existsSync(ends.root(".sock-partial")) ? readdirSync(ends.root(".sock-partial")) : [];

test(`${SWAPS} changes while a reader loops: the name is never missing, never two versions mixed`, async () => {
  await using ends = await pair();
  plantVersion(ends.here, 0);
  expect(await ends.run("put", "--atomic", "v", ":www")).toMatchObject({ status: 0 });
  const seen = await seenMeanwhile(ends.root("www"), ends.base("stop"), SWAPS, async (number) => {
    plantVersion(ends.here, number);
    const ran = await ends.run("put", "--atomic", "v", ":www", "-q");
    expect([number, ran.stderr, ran.status]).toEqual([number, "", 0]);
  });
  const { rounds, missing, mixed, versions, gone } = seen;
  expect({ missing, mixed }).toEqual({ missing: 0, mixed: 0 });
  expect(rounds).toBeGreaterThan(SWAPS);
  // it saw the changes, and hardly ever a version that was on its way out
  expect(versions).toBeGreaterThan(SWAPS / 2);
  expect(gone).toBeLessThan(rounds / 2);
  expect(treeOf(ends.root("www"))).toEqual(treeOf(ends.here("v")));
  expect(litter(ends)).toEqual([]);
}, 60_000);

describe("one change", () => {
  test("what is only there stays, with its inode; what is the same is not sent; nothing of it is seen before", async () => {
    await using ends = await pairWithLine();
    plantVersion(ends.here, 1);
    plant(ends.here("v"), { large: Buffer.alloc(20_000_000, "l") });
    plant(ends.root("www"), { own: "own", "only/there": "there", "only/link@": "there", a: "old" });
    linkSync(ends.root("www", "own"), ends.root("second-name"));
    const before = [treeOf(ends.root("www")), statSync(ends.root("www", "own")).ino];
    ends.relay.faults.up.rate = 10_000_000;
    const child = await ends.start("put", "--atomic", "v", ":www", "--compress", "never", "--json");
    await until(() => ends.relay.bytes.up > 5_000_000, "a quarter of it");
    expect(treeOf(ends.root("www"))).toEqual(before[0] as Record<string, string>);
    ends.relay.faults.up.rate = Infinity;
    expect(await child.ended()).toBe(0);
    expect(treeOf(ends.root("www"))).toEqual({
      ...treeOf(ends.here("v")),
      own: expect.any(String),
      only: "folder",
      "only/there": expect.any(String),
      "only/link": "-> there",
    });
    expect(statSync(ends.root("www", "own")).ino).toBe(before[1] as number);
    expect(readFileSync(ends.root("second-name"), "utf8")).toBe("own");
    const bytes = ends.relay.bytes.up;
    const again = await ends.run("put", "--atomic", "v", ":www", "--json");
    expect(resultOf(again.stdout)).toMatchObject({ status: 0, files: 0 });
    expect(ends.relay.bytes.up - bytes).toBeLessThan(30_000);
  });

  test("where one file fails nothing changes; a kill, a cut and a Ctrl-C leave the old one, and the next is whole", async () => {
    await using ends = await pairWithLine();
    plant(ends.here("v"), { a: "new", "m/large": Buffer.alloc(20_000_000, "n") });
    plant(ends.root("www"), { a: "old", "m/large": "old", b: "old" });
    const old = treeOf(ends.root("www"));
    for (const end of ["cut", "SIGKILL", "SIGINT"] as const) {
      ends.relay.faults.up.rate = 10_000_000;
      const at = ends.relay.bytes.up;
      const retry = end === "cut" ? ["--retry", "0s"] : [];
      const child = await ends.start("put", "--atomic", "v", ":www", "--compress", "never", ...retry);
      await until(() => ends.relay.bytes.up - at > 5_000_000, "a quarter of it");
      if (end === "cut") ends.relay.cutAll();
      else child.process.kill(end);
      expect(await child.ended()).toBe(end === "cut" ? 6 : end === "SIGINT" ? 130 : null);
      expect([end, treeOf(ends.root("www"))]).toEqual([end, old]);
    }
    ends.relay.faults.up.rate = Infinity;
    Bun.spawnSync(["mkfifo", ends.here("v", "b")]);
    plant(ends.root("www"), { "x/y": "a folder" });
    plant(ends.here("v"), { x: "a file" });
    const clash = await ends.run("put", "--atomic", "v", ":www");
    expect(clash.status).not.toBe(0);
    expect(treeOf(ends.root("www"))).toEqual({ ...old, x: "folder", "x/y": expect.any(String) });
    expect(await ends.run("put", "--atomic", "--exclude", "x", "v", ":www")).toMatchObject({ status: 0 });
    expect(readFileSync(ends.root("www", "a"), "utf8")).toBe("new");
    expect(statSync(ends.root("www", "m", "large")).size).toBe(20_000_000);
    expect(litter(ends)).toEqual([]);
  }, 20_000);
});
