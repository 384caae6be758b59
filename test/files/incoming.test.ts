import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { Incoming } from "../../src/files/incoming.ts";
import { HAS_PROC } from "../../src/files/folder.ts";
import { claimInto } from "../../src/files/publish.ts";
import { DATA_BYTES, PARTIAL_FOLDER } from "../../src/protocol/constants.ts";
import { until } from "../helpers/until.ts";
import { openDescriptors, outcome, PLAIN, Playground, put, VICTIM } from "./playground.ts";

const FORMS = HAS_PROC ? [false, true] : [true];
const IS_ROOT = process.geteuid?.() === 0;
const ON_LINUX = process.platform === "linux";
const UMASK = process.umask();

const text = (path: string): string => fs.readFileSync(path, "utf8");
const mode = (path: string): number => fs.statSync(path).mode & 0o7777;
const sha256 = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

describe.each(FORMS)("a file on its way in (root held by path: %p)", (portable) => {
  test("appears whole, with its parents, and leaves nothing else", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    expect(await put(root, ["a", "b", "c"], "new")).toEqual({ action: "new", path: ["a", "b", "c"] });
    expect(await put(root, ["a", "b", "c"], "other")).toEqual({ action: "replaced", path: ["a", "b", "c"] });
    expect(await put(root, ["top"], "")).toEqual({ action: "new", path: ["top"] });
    expect(text(ground.path("a/b/c"))).toBe("other");
    expect(text(ground.path("top"))).toBe("");
    expect(mode(ground.path("a"))).toBe(0o777 & ~UMASK);
    expect(ground.litter()).toEqual([]);
    root.close();
    expect(fs.readdirSync(ground.dir).sort()).toEqual(["a", "top"]);
  });

  test("keeps the old file until the end, and when it is given up", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    fs.writeFileSync(ground.path("x"), "old");
    const incoming = Incoming.create(root, ["x"], PLAIN);
    await incoming.write(Buffer.from("half"), 0);
    expect(text(ground.path("x"))).toBe("old");
    const [partial] = fs.readdirSync(ground.path(PARTIAL_FOLDER));
    expect(mode(ground.path(PARTIAL_FOLDER))).toBe(0o700);
    expect(mode(ground.path(PARTIAL_FOLDER, partial ?? ""))).toBe(0o600);
    incoming.discard();
    incoming.discard();
    expect(await outcome(() => incoming.publish({ bytes: 4 }))).toBe("cut");
    expect(await outcome(() => incoming.write(Buffer.from("x"), 4))).toBe("cut");
    expect(text(ground.path("x"))).toBe("old");
    expect(ground.litter()).toEqual([]);
  });

  test("is not published with a byte more or less", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    fs.writeFileSync(ground.path("x"), "old");
    for (const bytes of [0, 3, 5]) {
      const incoming = Incoming.create(root, ["x"], PLAIN);
      await incoming.write(Buffer.from("four"), 0);
      expect(await outcome(() => incoming.publish({ bytes }))).toBe("cut");
    }
    // a hole before it; the same place twice
    for (const [position, bytes] of [
      [4, 8],
      [4, 4],
      [0, 8],
    ] as const) {
      const odd = Incoming.create(root, ["x"], PLAIN);
      await odd.write(Buffer.from("four"), position);
      if (position === 0) await odd.write(Buffer.from("four"), position);
      expect(await outcome(() => odd.publish({ bytes }))).toBe("cut");
    }
    expect(text(ground.path("x"))).toBe("old");
    expect(ground.litter()).toEqual([]);
  });

  test("is written at any position, several blocks at once", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    const blocks = [0, 1, 2, 3].map((n) => new Uint8Array(new SharedArrayBuffer(DATA_BYTES)).fill(n));
    const incoming = Incoming.create(root, ["x"], { ...PLAIN, length: 4 * DATA_BYTES });
    await Promise.all(
      blocks.toReversed().map((block) => incoming.write(block, (block[0] ?? 0) * DATA_BYTES)),
    );
    await incoming.publish({ bytes: 4 * DATA_BYTES });
    expect(fs.readFileSync(ground.path("x")).equals(Buffer.concat(blocks))).toBe(true);
  });

  test("obeys what is said about existing files", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    expect((await put(root, ["x"], "1", { onExists: "refuse" })).action).toBe("new");
    expect(await outcome(() => put(root, ["x"], "2", { onExists: "refuse" }))).toBe("exists");
    expect(await put(root, ["x"], "2", { onExists: "skip" })).toEqual({ action: "skipped", path: ["x"] });
    expect(text(ground.path("x"))).toBe("1");
    expect(await put(root, ["x"], "2", { onExists: "rename" })).toEqual({
      action: "renamed",
      path: ["x.new"],
    });
    expect(await put(root, ["x"], "3", { onExists: "rename" })).toEqual({
      action: "renamed",
      path: ["x.new2"],
    });
    expect(await put(root, ["y"], "4", { onExists: "rename" })).toEqual({ action: "new", path: ["y"] });
    expect(["x", "x.new", "x.new2", "y"].map((name) => text(ground.path(name)))).toEqual([
      "1",
      "2",
      "3",
      "4",
    ]);
    expect(ground.litter()).toEqual([]);
  });

  test("never overwrites a file that came in between", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    for (const onExists of ["refuse", "skip", "rename"] as const) {
      const incoming = Incoming.create(root, [onExists], { ...PLAIN, onExists });
      expect(incoming.skipped).toBe(false);
      await incoming.write(Buffer.from("mine"), 0);
      fs.writeFileSync(ground.path(onExists), "theirs");
      if (onExists === "refuse") expect(await outcome(() => incoming.publish({ bytes: 4 }))).toBe("exists");
      else
        expect((await incoming.publish({ bytes: 4 })).action).toBe(
          onExists === "skip" ? "skipped" : "renamed",
        );
      expect(text(ground.path(onExists))).toBe("theirs");
    }
    expect(ground.litter()).toEqual([]);
  });

  test("of many that may not overwrite exactly one wins", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => outcome(() => put(root, ["x"], `${n}`, { onExists: "refuse" }))),
    );
    expect(results.filter((code) => code === "ok").length).toBe(1);
    expect(new Set(results)).toEqual(new Set(["ok", "exists"]));
    expect(text(ground.path("x"))).toBe(`${results.indexOf("ok")}`);
    expect(ground.litter()).toEqual([]);
  });

  test("never takes a folder's place, and never goes below a file", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    fs.mkdirSync(ground.path("folder"));
    expect(await outcome(() => put(root, ["folder"], "x"))).toBe("is-folder");
    await put(root, ["a"], "x");
    expect(await outcome(() => put(root, ["a", "b"], "x"))).toBe("not-folder");
    const incoming = Incoming.create(root, ["late"], PLAIN);
    fs.mkdirSync(ground.path("late"));
    expect(await outcome(() => incoming.publish({ bytes: 0 }))).toBe("is-folder");
    expect(await outcome(() => put(root, [], "x"))).toBe("is-folder");
    expect(await outcome(() => put(ground.root({ portable, writable: false }), ["x"], "x"))).toBe(
      "read-only",
    );
    expect(ground.litter()).toEqual([]);
  });

  test("replaces a link, never what it points to", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    fs.writeFileSync(ground.path("target"), "target");
    for (const [name, target] of [
      ["out", ground.victim],
      ["in", "target"],
      ["dangling", join(ground.outside, "new")],
    ] as const) {
      fs.symlinkSync(target, ground.path(name));
      await put(root, [name], "mine");
      expect(fs.lstatSync(ground.path(name)).isFile()).toBe(true);
      expect(text(ground.path(name))).toBe("mine");
    }
    expect(text(ground.path("target"))).toBe("target");
    expect(ground.outsiders()).toEqual({ victim: VICTIM });
  });

  test("does not go through a planted folder of partial files", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    fs.symlinkSync(ground.outside, ground.path(PARTIAL_FOLDER));
    expect(await outcome(() => put(root, ["x"], "mine"))).toBe("outside");
    fs.unlinkSync(ground.path(PARTIAL_FOLDER));
    fs.writeFileSync(ground.path(PARTIAL_FOLDER), "");
    expect(await outcome(() => put(root, ["x"], "mine"))).toBe("outside");
    fs.unlinkSync(ground.path(PARTIAL_FOLDER));
    fs.mkdirSync(ground.path(PARTIAL_FOLDER), { mode: 0o755 });
    const incoming = Incoming.create(root, ["x"], PLAIN);
    expect(mode(ground.path(PARTIAL_FOLDER))).toBe(0o700);
    incoming.discard();
    expect(ground.outsiders()).toEqual({ victim: VICTIM });
  });

  test("gets the source's mode, under the umask, without setuid, setgid and sticky", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    fs.writeFileSync(ground.path("x"), "old");
    fs.chmodSync(ground.path("x"), 0o4755);
    await put(root, ["x"], "new", { mode: 0o755 });
    expect(mode(ground.path("x"))).toBe(0o755 & ~UMASK);
    for (const wanted of [0o0, 0o444, 0o600, 0o777, 0o4777, 0o2711, 0o1666, 0o7777]) {
      await put(root, ["x"], "new", { mode: wanted });
      expect(mode(ground.path("x"))).toBe(wanted & 0o777 & ~UMASK);
    }
    await put(root, ["x"], "new", { mode: null });
    expect(mode(ground.path("x"))).toBe(0o666 & ~UMASK);
  });

  test("gets the source's time, to the microsecond", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    const stamp = async (mtimeUs: number): Promise<bigint> => {
      await put(root, ["x"], "new", { mtimeUs });
      return fs.statSync(ground.path("x"), { bigint: true }).mtimeNs;
    };
    for (let n = 0; n < 200; n++) {
      const us = 1_500_000_000_000_000 + Math.floor(n * 1_234_567_891_234.567);
      expect((await stamp(us)) / 1000n).toBe(BigInt(us));
    }
    expect(await stamp(0)).toBe(0n);
    expect(await stamp(1_700_000_000_000_000)).toBe(1_700_000_000_000_000_000n);
    expect((await stamp(4_294_967_296_123_456)) / 1000n).toBe(4_294_967_296_123_456n);
    expect(await stamp(-1)).toBe(-1_000_000n);
    expect(await stamp(-1_000_001)).toBe(-1_001_000_000n);
    for (const us of [1e18, -1e18, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      expect((await stamp(us)) < 0n).toBe(us < 0);
    }
    const before = Date.now() - 1_000;
    await put(root, ["x"], "new", { mtimeUs: null });
    expect(fs.statSync(ground.path("x")).mtimeMs).toBeGreaterThan(before);
  });

  test("hard links to the old file keep the old bytes", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    fs.writeFileSync(ground.path("x"), "old");
    fs.linkSync(ground.path("x"), ground.path("kept"));
    await put(root, ["x"], "new");
    expect([text(ground.path("x")), text(ground.path("kept"))]).toEqual(["new", "old"]);
    expect(fs.statSync(ground.path("x")).nlink).toBe(1);
    await put(root, ["y"], "new", { onExists: "refuse" });
    expect(fs.statSync(ground.path("y")).nlink).toBe(1);
  });

  test("verified and synced, it is the same file", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    for (const size of [0, 1, 4096, DATA_BYTES - 1, DATA_BYTES, 2 * DATA_BYTES + 500]) {
      const bytes = crypto.getRandomValues(new Uint8Array(Math.min(size, 65_536)));
      const content = new Uint8Array(size);
      for (let at = 0; at < size; at += bytes.length) content.set(bytes.subarray(0, size - at), at);
      await put(root, ["a", "x"], content, { verify: true, sync: true, mode: 0 }, sha256(content));
      if (IS_ROOT) expect(fs.readFileSync(ground.path("a/x")).equals(content)).toBe(true);
      expect(
        await outcome(() => put(root, ["a", "y"], content, { verify: true }, sha256(Buffer.from("?")))),
      ).toBe("differs");
    }
    expect(fs.existsSync(ground.path("a/y"))).toBe(false);
    expect(ground.litter()).toEqual([]);
  });

  test("a folder that is moved away or replaced gets nothing", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    fs.mkdirSync(ground.path("a"));
    const start = async (): Promise<Incoming> => {
      const incoming = Incoming.create(root, ["a", "x"], PLAIN);
      await incoming.write(Buffer.from("mine"), 0);
      return incoming;
    };
    let incoming = await start();
    fs.renameSync(ground.path("a"), ground.path("b"));
    fs.symlinkSync(ground.outside, ground.path("a"));
    expect(await outcome(() => incoming.publish({ bytes: 4 }))).toBe("outside");
    fs.unlinkSync(ground.path("a"));
    fs.mkdirSync(ground.path("a"));
    incoming = await start();
    fs.renameSync(ground.path("a"), ground.path("c"));
    fs.mkdirSync(ground.path("a"));
    expect(await outcome(() => incoming.publish({ bytes: 4 }))).toBe("changed");
    incoming = await start();
    fs.rmSync(ground.path("a"), { recursive: true });
    expect(await outcome(() => incoming.publish({ bytes: 4 }))).toBe("not-found");
    root.close();
    expect(fs.readdirSync(ground.dir, { recursive: true }).map(String).sort()).toEqual(["b", "c"]);
    expect(ground.outsiders()).toEqual({ victim: VICTIM });
  });

  test.skipIf(!ON_LINUX)("leaks no descriptor, however it ends", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    fs.mkdirSync(ground.path("folder"));
    const every = async (): Promise<void> => {
      await put(root, ["a", "x"], "1");
      await put(root, ["a", "x"], "1", { onExists: "skip" });
      await outcome(() => put(root, ["a", "x"], "1", { onExists: "refuse" }));
      await outcome(() => put(root, ["folder"], "1"));
      await outcome(() => put(root, ["a", "x"], "1", { length: 2 ** 50 }));
      await outcome(() => put(root, ["a", "x"], "1", { verify: true, sync: true }, sha256(Buffer.from("2"))));
      const busy = Incoming.create(root, ["a", "y"], PLAIN);
      const write = busy.write(new Uint8Array(DATA_BYTES), 0);
      busy.discard();
      expect(await outcome(() => write)).toBe("cut");
    };
    await every();
    await until(() => ground.litter().length === 0, "an empty folder");
    const before = openDescriptors();
    for (let n = 0; n < 20; n++) await every();
    await until(() => openDescriptors() <= before, "closed descriptors");
    expect(ground.litter()).toEqual([]);
  });

  test("a declared petabyte is refused before anything is made", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    expect(await outcome(() => put(root, ["x"], "1", { length: 2 ** 50 }))).toBe("no-space");
    expect(await outcome(() => put(root, ["x"], "1", { minFree: 2 ** 50 }))).toBe("no-space");
    expect(ground.litter()).toEqual([]);
    expect((await put(root, ["x"], "1", { length: 1, minFree: 1 })).action).toBe("new");
  });
});

test("names of 255 bytes are put, replaced, and saved beside", async () => {
  using ground = new Playground();
  const root = ground.root();
  for (const name of ["x".repeat(255), `${"é".repeat(127)}x`]) {
    await put(root, [name], "1");
    await put(root, [name], "2");
    const { path } = await put(root, [name], "3", { onExists: "rename" });
    const beside = String(path[0]);
    expect(beside).toEndWith(".new");
    expect(Buffer.byteLength(beside)).toBeLessThanOrEqual(255);
    expect(beside).not.toContain("\ufffd");
    expect([text(ground.path(name)), text(ground.path(beside))]).toEqual(["2", "3"]);
  }
});

test("odd but good names are put byte for byte", async () => {
  using ground = new Playground();
  const root = ground.root();
  const names = [
    "..foo",
    "foo..bar",
    "...",
    "-rf",
    "a b",
    "aux.c",
    "10:30.log",
    "quo\"te's",
    "😀",
    "e\u0301",
  ];
  for (const name of names) {
    await put(root, ["in", name], name);
    expect(text(ground.path("in", name))).toBe(name);
  }
  expect(fs.readdirSync(ground.path("in")).sort()).toEqual(names.sort());
});

test.skipIf(!ON_LINUX)("names that are no UTF-8 are put byte for byte, as file and folder", async () => {
  using ground = new Playground();
  const root = ground.root();
  const gbk = Buffer.from([0xc4, 0xe3]);
  const published = await put(root, [gbk, gbk], "ni");
  expect(published.path).toEqual([gbk, gbk]);
  const path = Buffer.concat([Buffer.from(`${ground.dir}/`), gbk, Buffer.from("/"), gbk]);
  expect(fs.readFileSync(path, "utf8")).toBe("ni");
  const beside = await put(root, [gbk, gbk], "hao", { onExists: "rename" });
  expect(beside.path[1]).toEqual(new Uint8Array(Buffer.concat([gbk, Buffer.from(".new")])));
});

test.skipIf(!ON_LINUX)("a running program can be replaced", async () => {
  using ground = new Playground();
  const root = ground.root();
  fs.copyFileSync("/bin/sleep", ground.path("program"));
  fs.chmodSync(ground.path("program"), 0o755);
  const child = Bun.spawn([ground.path("program"), "60"]);
  try {
    expect((await put(root, ["program"], "#!/bin/sh\n", { mode: 0o755 })).action).toBe("replaced");
    expect(child.exitCode).toBeNull();
  } finally {
    child.kill();
    await child.exited;
  }
});

test("without hard links a name is claimed first, and given back on failure", () => {
  using ground = new Playground();
  fs.writeFileSync(ground.path("partial"), "mine");
  fs.writeFileSync(ground.path("taken"), "theirs");
  expect(claimInto(ground.path("partial"), ground.path("taken"))).toBe(false);
  expect(text(ground.path("taken"))).toBe("theirs");
  expect(claimInto(ground.path("partial"), ground.path("free"))).toBe(true);
  expect(text(ground.path("free"))).toBe("mine");
  expect(fs.existsSync(ground.path("partial"))).toBe(false);
  expect(() => claimInto(ground.path("partial"), ground.path("other"))).toThrow("ENOENT");
  expect(fs.existsSync(ground.path("other"))).toBe(false);
});
