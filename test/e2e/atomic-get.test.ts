/** `get --atomic`: a folder here appears or changes as one, or where anything fails not at all. */
import { describe, expect, test } from "bun:test";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { pair, type Pair, pairWithLine, plant } from "../helpers/pair.ts";
import type { Relay } from "../helpers/relay.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { treeOf } from "../helpers/tree.ts";
import { until } from "../helpers/until.ts";
import { plantVersion, seenMeanwhile } from "../helpers/versions.ts";

const SWAPS = 30;

/** What was left beside the folder. */
const litter = (ends: Pair): string[] =>
  existsSync(ends.here(".sock-partial")) ? readdirSync(ends.here(".sock-partial")) : [];

const GET = ["get", "--atomic", ":v", "www", "--compress", "never"];

async function halfWay(
  ends: Pair & { readonly relay: Relay },
  ...flags: string[]
): Promise<Awaited<ReturnType<Pair["start"]>>> {
  ends.relay.faults.down.rate = 10_000_000;
  const at = ends.relay.bytes.down;
  const child = await ends.start(...GET, ...flags);
  await until(() => ends.relay.bytes.down - at > 5_000_000, "a quarter of it");
  return child;
}

test(`${SWAPS} changes while a reader loops: the name is never missing, never two versions mixed`, async () => {
  await using ends = await pair();
  plantVersion(ends.root, 0);
  expect(await ends.run(...GET)).toMatchObject({ status: 0 });
  const seen = await seenMeanwhile(ends.here("www"), ends.base("stop"), SWAPS, async (number) => {
    plantVersion(ends.root, number);
    const ran = await ends.run(...GET, "-q");
    expect([number, ran.stderr, ran.status]).toEqual([number, "", 0]);
  });
  const { rounds, missing, mixed } = seen;
  expect({ missing, mixed }).toEqual({ missing: 0, mixed: 0 });
  expect(rounds).toBeGreaterThan(SWAPS);
  expect(treeOf(ends.here("www"))).toEqual(treeOf(ends.root("v")));
  expect(litter(ends)).toEqual([]);
}, 60_000);

describe("one change", () => {
  test("what is only here stays, with its inode; what is the same is not sent; nothing of it is seen before", async () => {
    await using ends = await pairWithLine();
    plantVersion(ends.root, 1);
    plant(ends.root("v"), { large: Buffer.alloc(20_000_000, "l") });
    plant(ends.here("www"), { own: "own", "only/there": "there", "only/link@": "there", a: "old" });
    linkSync(ends.here("www", "own"), ends.here("second-name"));
    const before = [treeOf(ends.here("www")), statSync(ends.here("www", "own")).ino];
    const child = await halfWay(ends, "--json");
    expect(treeOf(ends.here("www"))).toEqual(before[0] as Record<string, string>);
    ends.relay.faults.down.rate = Infinity;
    expect(await child.ended()).toBe(0);
    expect(treeOf(ends.here("www"))).toEqual({
      ...treeOf(ends.root("v")),
      own: expect.any(String),
      only: "folder",
      "only/there": expect.any(String),
      "only/link": "-> there",
    });
    expect(statSync(ends.here("www", "own")).ino).toBe(before[1] as number);
    expect(readFileSync(ends.here("second-name"), "utf8")).toBe("own");
    const bytes = ends.relay.bytes.down;
    const again = await ends.run(...GET, "--json");
    expect(resultOf(again.stdout)).toMatchObject({ status: 0, files: 0 });
    expect(ends.relay.bytes.down - bytes).toBeLessThan(30_000);
    expect(litter(ends)).toEqual([]);
  });

  test("a kill, a cut and a Ctrl-C leave the old one, and the next is whole", async () => {
    await using ends = await pairWithLine();
    plant(ends.root("v"), { a: "new", "m/large": Buffer.alloc(20_000_000, "n") });
    plant(ends.here("www"), { a: "old", "m/large": "old", b: "old" });
    const old = treeOf(ends.here("www"));
    for (const end of ["cut", "SIGINT", "SIGKILL"] as const) {
      rmSync(ends.here(".sock-partial"), { recursive: true, force: true });
      const child = await halfWay(ends, ...(end === "cut" ? ["--retry", "0s"] : []));
      if (end === "cut") ends.relay.cutAll();
      else child.process.kill(end);
      expect(await child.ended()).toBe(end === "cut" ? 6 : end === "SIGINT" ? 130 : null);
      expect([end, treeOf(ends.here("www"))]).toEqual([end, old]);
      // who can goes without leaving anything but the part of the large file
      if (end !== "SIGKILL")
        expect([end, litter(ends)]).toEqual([end, [expect.not.stringMatching(/^tree-/)]]);
    }
    ends.relay.faults.down.rate = Infinity;
    const bytes = ends.relay.bytes.down;
    const ran = await ends.run(...GET);
    expect([ran.status, ran.stderr]).toEqual([0, expect.stringContaining("verified on both sides")]);
    expect(ends.relay.bytes.down - bytes).toBeGreaterThan(10_000_000);
    expect(treeOf(ends.here("www"))).toEqual({ ...treeOf(ends.root("v")), b: expect.any(String) });
    expect(litter(ends).filter((name) => name.startsWith("tree-"))).toEqual([]);
  }, 30_000);

  test("a connection that breaks: it goes on with what came before", async () => {
    await using ends = await pairWithLine();
    plant(ends.root("v"), { a: "new", "m/large": Buffer.alloc(20_000_000, "n") });
    plant(ends.here("www"), { a: "old" });
    const child = await halfWay(ends, "--retry", "20s");
    ends.relay.cutAll();
    ends.relay.faults.down.rate = Infinity;
    expect(await child.ended()).toBe(0);
    expect(treeOf(ends.here("www"))).toEqual(treeOf(ends.root("v")));
    expect(ends.relay.bytes.down).toBeLessThan(25_000_000);
    expect(litter(ends)).toEqual([]);
  }, 30_000);

  test("a connection that breaks, and another version there: never a mix of the two", async () => {
    await using ends = await pairWithLine();
    plant(ends.root("v"), { "a/only-first": "1", b: "1", large: Buffer.alloc(20_000_000, "1") });
    plant(ends.root("w"), { b: "22", large: Buffer.alloc(20_000_000, "2") });
    plant(ends.here("www"), { b: "old" });
    const old = treeOf(ends.here("www"));
    const child = await halfWay(ends, "--retry", "20s");
    const { up, down } = ends.relay.faults;
    for (const faults of [up, down]) faults.stalled = true;
    ends.relay.cutAll();
    renameSync(ends.root("v"), ends.root("first"));
    renameSync(ends.root("w"), ends.root("v"));
    for (const faults of [up, down]) Object.assign(faults, { stalled: false, rate: Infinity });
    expect([await child.ended(), child.stderr()]).toEqual([1, expect.stringContaining("changed while")]);
    expect(treeOf(ends.here("www"))).toEqual(old);
    expect(await ends.run(...GET)).toMatchObject({ status: 0 });
    expect(treeOf(ends.here("www"))).toEqual(treeOf(ends.root("v")));
    expect(litter(ends)).toEqual([]);
  }, 30_000);

  test("where one thing fails nothing changes, and nothing is left", async () => {
    await using ends = await pair();
    plant(ends.root("v"), { a: "new", x: "a file" });
    plant(ends.here("www"), { a: "old", "x/y": "in a folder" });
    const old = treeOf(ends.here("www"));
    // a file where a folder is here
    const clash = await ends.run(...GET);
    expect(clash).toMatchObject({ status: 1, stderr: expect.not.stringContaining("verified") });
    expect(treeOf(ends.here())).toEqual({ www: "folder", ...under("www", old) });
    expect(await ends.run(...GET, "--exclude", "x")).toMatchObject({ status: 0 });
    expect(readFileSync(ends.here("www", "a"), "utf8")).toBe("new");
    // one that can't be read there
    plant(ends.root("v"), { a: "newer", "bad@": "/outside" });
    const refused = await ends.run(...GET, "--exclude", "x", "--links", "follow");
    expect([refused.status, refused.stderr]).toEqual([
      expect.not.stringMatching("^0$"),
      expect.stringContaining("so nothing was changed"),
    ]);
    expect(readFileSync(ends.here("www", "a"), "utf8")).toBe("new");
    expect(litter(ends)).toEqual([]);
  });
});

describe("where to", () => {
  test("a new name, into a folder, contents, through a link: as without it", async () => {
    await using ends = await pair();
    plantVersion(ends.root, 1);
    const there = treeOf(ends.root("v"));
    mkdirSync(ends.here("into"));
    mkdirSync(ends.base("releases/1"), { recursive: true });
    symlinkSync(ends.base("releases/1"), ends.here("current"));
    for (const [words, at] of [
      [[":v", "new/name"], "new/name"],
      [[":v", "into/"], "into/v"],
      [[":v/", "into/contents/"], "into/contents"],
      [[":v"], "v"],
      [[":v", "current"], "current/."],
      [[":v*", "matched"], "matched/v"],
    ] as const) {
      for (const run of ["new", "again"]) {
        const ran = await ends.run("get", "--atomic", ...words);
        expect([run, words, ran.status, ran.stderr]).toEqual([run, words, 0, expect.any(String)]);
        expect([words, treeOf(ends.here(at))]).toEqual([words, there]);
      }
    }
    expect(lstatSync(ends.here("current")).isSymbolicLink()).toBe(true);
    expect(readdirSync(ends.base("releases"))).toEqual(["1"]);
    expect(litter(ends)).toEqual([]);
  });

  test("what can't change as one is refused, and nothing was made", async () => {
    await using ends = await pair();
    plantVersion(ends.root, 1);
    plant(ends.root("w"), { z: "z" });
    plant(ends.here(), { file: "a file" });
    const before = treeOf(ends.here());
    for (const [status, words] of [
      [2, [":v", ":w", "x"]],
      [2, [":[vw]", "x"]],
      [2, [":v/a", "-"]],
      [2, [":v", "x", "--on-exists", "skip"]],
      [2, [":v/", "."]],
      [2, [":v/", ".."]],
      [1, [":v/a", "x"]],
      [1, [":v", "file"]],
      [7, [":nothing", "x"]],
    ] as const) {
      const ran = await ends.run("get", "--atomic", ...words);
      expect([words, ran.status, ran.stderr]).toEqual([words, status, expect.stringContaining("sock: ")]);
      expect([words, treeOf(ends.here())]).toEqual([words, before]);
    }
  });

  test("--dry-run says what the run then does, and changes nothing", async () => {
    await using ends = await pair();
    plantVersion(ends.root, 1);
    const files = (text: string): unknown[] =>
      text
        .split("\n")
        .filter((line) => line.includes('"file"'))
        .map((line) => {
          const { path, action } = Object(JSON.parse(line));
          return [path, action];
        })
        .sort();
    for (const number of [1, 2, 2]) {
      plantVersion(ends.root, number);
      const before = treeOf(ends.here());
      const dry = await ends.run(...GET, "--dry-run", "--json");
      expect(treeOf(ends.here())).toEqual(before);
      const real = await ends.run(...GET, "--json");
      expect([dry.status, real.status]).toEqual([0, 0]);
      expect(files(dry.stdout)).toEqual(files(real.stdout));
    }
  });

  test("two at once: one is told that another changes the folder, or that it was replaced meanwhile", async () => {
    await using ends = await pairWithLine();
    plant(ends.root("v"), { a: "new", "m/large": Buffer.alloc(20_000_000, "n") });
    plant(ends.here("www"), { a: "old" });
    const first = await halfWay(ends);
    // past the line
    const second = await sock(GET, {
      cwd: ends.here(),
      home: ends.base("home"),
      env: { SOCK_JOIN: ends.server.join },
    });
    expect([second.status, second.stderr]).toEqual([6, expect.stringContaining("another transfer")]);
    ends.relay.faults.down.rate = Infinity;
    expect(await first.ended()).toBe(0);
    expect(treeOf(ends.here("www"))).toEqual(treeOf(ends.root("v")));
  }, 30_000);
});

function under(top: string, tree: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(tree).map(([path, what]) => [`${top}/${path}`, what]));
}
