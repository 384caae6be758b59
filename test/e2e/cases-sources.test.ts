/** "Files": a source that shrinks, grows, vanishes or turns unreadable, in a tree: it fails by name, the others go on. */
import { afterEach, describe, expect, test } from "bun:test";
import {
  appendFile,
  chmod,
  open as openFile,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Child, start } from "../helpers/child.ts";
import { NOBODY, type Pair, pairWithLine, plant, reachable } from "../helpers/pair.ts";
import type { Relay } from "../helpers/relay.ts";
import { events, resultOf } from "../helpers/run.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

/** More than the sockets and the relay hold, bytes. */
const SIZE = 30_000_000;
let open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.reverse()) await one[Symbol.asyncDispose]();
  open = [];
});

const failures = (stdout: string) =>
  events(stdout)
    .filter(({ action }) => action === "failed")
    .map(({ path, code }) => [String(path).split("/").at(-1), code]);

/** Begins to move a tree with a large file in the middle, and stands still in that file. */
async function halfway(verb: "put" | "get"): Promise<{
  line: Pair & { relay: Relay };
  child: Child;
  from: string;
  to: string;
  goOn: () => void;
}> {
  const line = await pairWithLine();
  open.push(line);
  const [from, to] = verb === "put" ? [line.here("t"), line.root("t")] : [line.root("t"), line.here("t")];
  plant(from, { "a/first": "first", "m/large": Buffer.alloc(SIZE, "large"), "z/last": "last" });
  for (const faults of Object.values(line.relay.faults)) faults.rate = 8_000_000;
  const child = await line.start(
    verb,
    ...(verb === "put" ? ["t", ":t"] : [":t", "t"]),
    "--json",
    "--compress",
    "never",
  );
  await until(() => line.relay.bytes.up + line.relay.bytes.down > 1_000_000, "the transfer");
  for (const faults of Object.values(line.relay.faults)) faults.stalled = true;
  const goOn = (): void => {
    for (const faults of Object.values(line.relay.faults)) [faults.stalled, faults.rate] = [false, Infinity];
  };
  return { line, child, from, to, goOn };
}

const CHANGES: Record<string, (path: string) => Promise<void>> = {
  shrinks: (path) => truncate(path, SIZE - 1),
  "is emptied": (path) => truncate(path, 0),
  grows: (path) => appendFile(path, "more"),
};
for (const verb of ["put", "get"] as const) {
  describe(`${verb} of a tree in which the large file is on its way`, () => {
    for (const [what, change] of Object.entries(CHANGES)) {
      test(`${what}: it fails by name, the others go on, status 10, nothing half is left`, async () => {
        const { child, from, to, goOn } = await halfway(verb);
        await change(join(from, "m", "large"));
        goOn();
        expect([await child.ended(), failures(child.stdout())]).toEqual([10, [["large", "changed"]]]);
        expect(resultOf(child.stdout())).toMatchObject({ code: "some-failed", files: 2, failed: 1 });
        expect(readdirSync(to, { recursive: true }).map(String).toSorted()).toEqual([
          "a",
          "a/first",
          "m",
          "z",
          "z/last",
        ]);
      });
    }

    test("what comes later vanishes, or its folder: what is named is what is missing, and no more", async () => {
      const { child, from, to, goOn } = await halfway(verb);
      await rm(join(from, "z", "last"));
      goOn();
      const status = await child.ended();
      const missing = failures(child.stdout()).map(([name]) => name);
      const there = existsSync(join(to, "z", "last"));
      // seen as gone before it was offered, or named; never silently half
      expect(there).toBe(false);
      expect([0, 10]).toContain(status ?? -1);
      if (status === 0) expect(missing).toEqual([]);
      expect((await readFile(join(to, "m", "large"))).length).toBe(SIZE);
    });

    test("the whole source is renamed away: what is open goes on, the end says what failed", async () => {
      const { child, from, to, goOn } = await halfway(verb);
      await rename(from, `${from}-away`);
      goOn();
      const status = await child.ended();
      if (status === 0) expect(readdirSync(to, { recursive: true }).length).toBe(6);
      else expect(failures(child.stdout()).length).toBeGreaterThan(0);
    });
  });
}

/** A client and a server that permissions bind, whoever runs the tests. */
async function bound(): Promise<{
  base: string;
  run: (...words: string[]) => Promise<{ status: number | null; stdout: string }>;
}> {
  const base = await temporaryFolder();
  open.push(base);
  const bin = await reachable(base.path);
  for (const name of ["root", "here", "home"]) mkdirSync(base.join(name));
  for (const name of [".", "root", "here", "home"]) chmodSync(base.join(name), 0o777);
  const before = process.getuid?.() === 0 ? NOBODY : [];
  const server = await start(["serve", base.join("root"), "--listen", "127.0.0.1:0", "--json"], {
    home: base.join("home"),
    bin,
    before,
  });
  open.push(server);
  const join_ = await until(() => /"join":"(\w+)"/.exec(server.stdout())?.[1], "the code");
  const run = async (...words: string[]) => {
    await using child = await start([...words, "--json"], {
      home: base.join("home"),
      cwd: base.join("here"),
      env: { SOCK_JOIN: join_ },
      bin,
      before,
    });
    const status = await child.ended();
    return { status, stdout: child.stdout() };
  };
  return { base: base.path, run };
}

describe("unreadable", () => {
  for (const verb of ["put", "get"] as const) {
    for (const again of [false, true]) {
      test(`${verb} of a batch of 1,000 with one unreadable, ${again ? "some of them there" : "none there"}: 999 published, 10, named`, async () => {
        const { base, run } = await bound();
        const [from, to] = verb === "put" ? ["here", "root"] : ["root", "here"];
        const tree = join(base, from, "t");
        plant(
          tree,
          Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`${n % 10}/f${n}`, `file ${n}`])),
        );
        await chmod(join(tree, "7", "f577"), 0);
        if (again) {
          plant(join(base, to, "t"), { "1/f1": "another" });
          if (process.getuid?.() === 0) Bun.spawnSync(["chown", "-R", "65534:65534", join(base, to, "t")]);
        }
        const ran = await run(verb, ...(verb === "put" ? ["t", ":t"] : [":t", "t"]));
        expect([ran.status, failures(ran.stdout)]).toEqual([10, [["f577", "permission"]]]);
        expect(resultOf(ran.stdout)).toMatchObject({ files: 999, failed: 1, code: "some-failed" });
        const there = readdirSync(join(base, to, "t"), { recursive: true });
        expect(there.length).toBe(999 + 10);
        // its twin: readable again, and only that one is sent
        await chmod(join(tree, "7", "f577"), 0o644);
        const second = await run(verb, ...(verb === "put" ? ["t", ":t"] : [":t", "t"]));
        expect(resultOf(second.stdout)).toMatchObject({ status: 0, files: 1, skipped: 999 });
      });
    }

    test(`${verb}: a folder that can't be listed, a large file that can't be read: named, the others go on`, async () => {
      const { base, run } = await bound();
      const [from, to] = verb === "put" ? ["here", "root"] : ["root", "here"];
      const tree = join(base, from, "t");
      plant(tree, { "closed/f": "f", large: Buffer.alloc(3_000_000), fine: "fine", "sub/also": "also" });
      await chmod(join(tree, "closed"), 0);
      await chmod(join(tree, "large"), 0);
      const ran = await run(verb, ...(verb === "put" ? ["t", ":t"] : [":t", "t"]));
      expect([ran.status, failures(ran.stdout).toSorted()]).toEqual([
        10,
        [
          ["closed", "permission"],
          ["large", "permission"],
        ],
      ]);
      expect(await readFile(join(base, to, "t", "sub", "also"), "utf8")).toBe("also");
      await chmod(join(tree, "closed"), 0o755);
    });

    test(`${verb}: directories 0555 and files 0444 with children, by their owner: as they are, changed ones too`, async () => {
      const { base, run } = await bound();
      const [from, to] = verb === "put" ? ["here", "root"] : ["root", "here"];
      const [tree, copy] = [join(base, from, "t"), join(base, to, "t")];
      plant(tree, { "d/e/f": "f", "d/g": "g", "d/large": Buffer.alloc(3_000_000) });
      for (const name of ["d/e/f", "d/g", "d/large"]) chmodSync(join(tree, name), 0o444);
      for (const name of ["d/e", "d"]) chmodSync(join(tree, name), 0o555);
      const words = [verb, ...(verb === "put" ? ["t", ":t"] : [":t", "t"])];
      expect(await run(...words)).toMatchObject({ status: 0 });
      for (const name of ["d/e/f", "d/g", "d/large", "d/e", "d"]) {
        expect([name, statSync(join(copy, name)).mode]).toEqual([name, statSync(join(tree, name)).mode]);
      }
      chmodSync(join(tree, "d", "e", "f"), 0o644);
      for (const name of ["d/e/f", "d/g"])
        await writeFile(join(tree, name), "changed", { flag: "r+" }).catch(() => undefined);
      chmodSync(join(tree, "d", "e"), 0o755);
      plant(tree, { "d/e/new": "new" });
      chmodSync(join(tree, "d", "e"), 0o555);
      const second = await run(...words);
      expect([second.status, failures(second.stdout)]).toEqual([0, []]);
      expect(await readFile(join(copy, "d", "e", "f"), "utf8")).toBe("changed");
      expect([
        statSync(join(copy, "d", "e")).mode & 0o777,
        readdirSync(join(copy, "d", "e")).toSorted(),
      ]).toEqual([0o555, ["f", "new"]]);
    });

    test(`${verb}: a destination folder that may not be written: named, the others go on; nothing else there`, async () => {
      const { base, run } = await bound();
      const [from, to] = verb === "put" ? ["here", "root"] : ["root", "here"];
      plant(join(base, from, "t"), { "locked/f": "f", fine: "fine" });
      plant(join(base, to, "t"), { "locked/": "" });
      chmodSync(join(base, to, "t"), 0o777);
      // of another user: only root can make that so
      await chmod(join(base, to, "t", "locked"), 0o555);
      const ran = await run(verb, ...(verb === "put" ? ["t", ":t"] : [":t", "t"]));
      if (process.getuid?.() === 0) {
        expect(ran.status).toBe(10);
        expect(failures(ran.stdout)).toContainEqual(["f", "permission"]);
        expect(readdirSync(join(base, to, "t", "locked"))).toEqual([]);
      } else expect(ran.status).toBe(0);
      expect(await readFile(join(base, to, "t", "fine"), "utf8")).toBe("fine");
    });
  }
});

test("a source that is written to all the time: given up by name, never half; at rest it goes", async () => {
  const line = await pairWithLine();
  open.push(line);
  plant(line.here("t"), { quiet: "quiet", busy: Buffer.alloc(60_000) });
  let going = true;
  // writeFile would write over what is there: half and half for a moment, whoever reads it
  const writer = (async () => {
    for (let n = 0; going; n++) {
      await using file = await openFile(line.here("t", "busy"), "w");
      await file.write(Buffer.alloc(60_000, String(n % 10)));
    }
  })();
  for (let n = 0; n < 5; n++) {
    const ran = await line.run("put", "t", `:t${n}`, "--json");
    expect([0, 10]).toContain(ran.status ?? -1);
    if (ran.status === 10) expect(failures(ran.stdout)).toEqual([["busy", "changed"]]);
    else {
      const bytes = await readFile(line.root(`t${n}`, "busy"));
      // cut and rewritten by one writer: a prefix of one letter, of whatever length it had
      expect(new Set(bytes).size).toBeLessThanOrEqual(1);
    }
  }
  going = false;
  await writer;
  expect(await line.run("put", "t", ":rest")).toMatchObject({ status: 0 });
});
