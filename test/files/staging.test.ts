import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { Parents } from "../../src/files/parents.ts";
import { StagedTree } from "../../src/files/staging.ts";
import { outcome, Playground } from "./playground.ts";
import { until } from "../helpers/until.ts";

const OWNER = { key: "key", run: "run" };

/** A folder `www` with many files, so that it takes a while to take it over; the first name of it is `0/a`. */
function plantMany(ground: Playground): void {
  fs.mkdirSync(ground.path("www", "0"), { recursive: true });
  fs.mkdirSync(ground.path("www", "1"));
  fs.writeFileSync(ground.path("www", "0", "a"), "a");
  for (let n = 0; n < 2_000; n++) fs.writeFileSync(ground.path("www", "1", `${n}`), "");
}

describe("a folder that changes as one", () => {
  test("what is put into it while it changes is not lost: the change is refused", async () => {
    using ground = new Playground();
    plantMany(ground);
    const staged = await StagedTree.begin(ground.root(), ["www"], OWNER);
    fs.writeFileSync(staged.root.top.path("b"), "new");
    const publishing = outcome(() => staged.publish());
    await until(() => fs.existsSync(staged.root.top.path("1")), "the second folder");
    fs.writeFileSync(ground.path("www", "0", "c"), "of somebody else");
    expect(await publishing).toBe("changed");
    expect(fs.readFileSync(ground.path("www", "0", "c"), "utf8")).toBe("of somebody else");
    expect(fs.existsSync(ground.path("www", "b"))).toBe(false);
    await staged.remove();
    staged.close();
    expect(ground.litter()).toEqual([]);
  }, 20_000);

  test("a folder that was held open from before is not taken for the one in its place", async () => {
    using ground = new Playground();
    fs.mkdirSync(ground.path("www"));
    const root = ground.root();
    const parents = new Parents(root);
    const staged = await StagedTree.begin(root, ["www"], OWNER);
    for (;;) {
      // opened a moment ago
      const { ino } = parents.open(["www"], false);
      expect(ino).toBe(fs.statSync(ground.path("www"), { bigint: true }).ino);
      if (staged.root.top.ino === ino) break;
      expect(await staged.publish()).toBe("replaced");
    }
    parents.close();
    await staged.remove();
    staged.close();
  });
});

test.if(process.geteuid?.() === 0)(
  "folders stay whose they were, with setgid and sticky (needs root)",
  async () => {
    using ground = new Playground();
    fs.mkdirSync(ground.path("www", "uploads", "both"), { recursive: true });
    for (const path of ["www", "www/uploads", "www/uploads/both"])
      fs.chownSync(ground.path(path), 65534, 65534);
    fs.chmodSync(ground.path("www", "uploads"), 0o3770);
    const staged = await StagedTree.begin(ground.root(), ["www"], OWNER);
    fs.writeFileSync(staged.root.top.path("a"), "new");
    expect(await staged.publish()).toBe("replaced");
    for (const path of ["www", "www/uploads", "www/uploads/both"])
      expect([path, fs.statSync(ground.path(path)).uid]).toEqual([path, 65534]);
    expect(fs.statSync(ground.path("www", "uploads")).mode & 0o7777).toBe(0o3770);
    await staged.remove();
    staged.close();
  },
);

test.if(process.platform === "linux")("behind a link to a name that is no text nothing is made", async () => {
  using ground = new Playground();
  const real = Buffer.concat([Buffer.from(ground.path("www-")), Buffer.of(0xb0, 0xa1)]);
  fs.mkdirSync(real);
  fs.symlinkSync(real, ground.path("www"));
  expect(await outcome(() => StagedTree.begin(ground.root(), ["www"], OWNER))).toBe("bad-name");
  expect(fs.readdirSync(ground.dir).length).toBe(2);
});

test("a folder whose path is longer than one call takes is held, too", () => {
  using ground = new Playground();
  const root = ground.root();
  const segments = Array.from({ length: 16 }, () => "n".repeat(255));
  const parents = new Parents(root);
  parents.open(segments, true);
  const since = performance.now();
  while (performance.now() - since < 10);
  expect(parents.open(segments, true).entry("x")).toBeUndefined();
  parents.close();
});
