import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { SockError } from "../../src/errors.ts";
import { HAS_PROC } from "../../src/files/folder.ts";
import type { Name } from "../../src/files/names.ts";
import { Root } from "../../src/files/root.ts";
import { PARTIAL_FOLDER } from "../../src/protocol/constants.ts";
import { openDescriptors, outcome, Playground, put, VICTIM } from "./playground.ts";

const { mkdirSync, symlinkSync, writeFileSync } = fs;
const FORMS = HAS_PROC ? [false, true] : [true];
const NOT_ROOT = process.geteuid?.() !== 0;

function read(root: Root, ...segments: Name[]): string {
  const { fd } = root.openForRead(segments);
  try {
    return fs.readFileSync(fd, "utf8");
  } finally {
    fs.closeSync(fd);
  }
}

describe.each(FORMS)("a root (held by path: %p)", (portable) => {
  test("reads what is in it, also through itself being a link", async () => {
    using ground = new Playground();
    mkdirSync(ground.path("a/b"), { recursive: true });
    writeFileSync(ground.path("a/b/c"), "deep");
    writeFileSync(ground.path("..foo"), "dots");
    symlinkSync(ground.dir, join(ground.base, "alias"));
    for (const dir of [ground.dir, join(ground.base, "alias"), `${ground.dir}/`]) {
      using root = Root.open(dir, { name: "drop", writable: true, portable });
      expect(read(root, "a", "b", "c")).toBe("deep");
      expect(read(root, "..foo")).toBe("dots");
      expect(root.statEntry([]).kind).toBe("folder");
      expect(root.statEntry(["a"]).kind).toBe("folder");
      expect(root.statEntry(["a", "b", "c"])).toMatchObject({ kind: "file", bytes: 4 });
    }
  });

  test("has codes for what is not there or not a file", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    mkdirSync(ground.path("folder"));
    writeFileSync(ground.path("file"), "");
    expect(await outcome(() => root.openForRead(["none"]))).toBe("not-found");
    expect(await outcome(() => root.openForRead(["none", "x"]))).toBe("not-found");
    expect(await outcome(() => root.openForRead(["file", "x"]))).toBe("not-folder");
    expect(await outcome(() => root.openForRead(["folder"]))).toBe("is-folder");
    expect(await outcome(() => root.openForRead([]))).toBe("is-folder");
    expect(await outcome(() => root.openParent([], { create: true }))).toBe("is-folder");
    expect(await outcome(() => root.statEntry(["none"]))).toBe("not-found");
    expect(await outcome(() => root.openFolder(["file"], { create: true }))).toBe("not-folder");
    expect(await outcome(() => Root.open(ground.path("none"), { name: "", writable: true, portable }))).toBe(
      "not-found",
    );
    expect(await outcome(() => Root.open(ground.path("file"), { name: "", writable: true, portable }))).toBe(
      "not-folder",
    );
  });

  test("errors name the path as people know it, once", () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    for (const action of [() => root.openForRead(["a", "b"]), () => root.statEntry(["a", "b"])]) {
      expect(action).toThrow(/^drop\/a\/b: (?!.*drop)/);
    }
  });

  test("follows links that stay inside", () => {
    using ground = new Playground();
    mkdirSync(ground.path("a/b"), { recursive: true });
    writeFileSync(ground.path("a/b/c"), "deep");
    symlinkSync("a/b", ground.path("relative"));
    symlinkSync("../b/./c", ground.path("a/b/up"));
    symlinkSync("relative/../b/c", ground.path("through"));
    symlinkSync("a//b/", ground.path("slashes"));
    symlinkSync(join(ground.dir, "a"), ground.path("absolute"));
    symlinkSync("..", ground.path("a/root"));
    const root = ground.root({ portable });
    for (const path of [
      ["relative", "c"],
      ["a", "b", "up"],
      ["through"],
      ["slashes", "c"],
      ["absolute", "b", "c"],
      ["a", "root", "a", "root", "relative", "up"],
    ]) {
      expect(read(root, ...path)).toBe("deep");
    }
    expect(root.statEntry(["relative"]).kind).toBe("folder");
    expect(root.statEntry(["relative"], { follow: false }).kind).toBe("link");
    expect(root.statEntry(["a", "root"])).toEqual(root.statEntry([]));
  });

  test("refuses links that lead out, with the last name or on the way", async () => {
    using ground = new Playground();
    mkdirSync(ground.path("a"));
    symlinkSync(ground.victim, ground.path("file"));
    symlinkSync(ground.outside, ground.path("folder"));
    symlinkSync("../outside", ground.path("up"));
    symlinkSync("../../outside/victim", ground.path("a/up"));
    symlinkSync("a/../../outside", ground.path("winding"));
    symlinkSync("folder/victim", ground.path("indirect"));
    symlinkSync("..", ground.path("parent"));
    symlinkSync(`${ground.dir}/../outside`, ground.path("dressed"));
    symlinkSync(`${ground.dir}-outside`, ground.path("prefix"));
    symlinkSync("/proc/self/root", ground.path("magic"));
    mkdirSync(`${ground.dir}-outside`);
    const root = ground.root({ portable });
    for (const path of [
      ["file"],
      ["folder", "victim"],
      ["up", "victim"],
      ["a", "up"],
      ["winding", "victim"],
      ["indirect"],
      ["parent", "outside", "victim"],
      ["dressed", "victim"],
      ["prefix", "x"],
      ["magic", "etc"],
    ]) {
      expect(await outcome(() => root.openForRead(path))).toBe("outside");
      expect(await outcome(() => root.statEntry(path))).toBe("outside");
      // a link that is the last name is replaced itself
      const isLast = path.length === 1 || path[0] === "a";
      expect(await outcome(() => put(root, path, "x"))).toBe(isLast ? "ok" : "outside");
    }
    expect(ground.outsiders()).toEqual({ victim: VICTIM });
    expect(fs.readdirSync(`${ground.dir}-outside`)).toEqual([]);
  });

  test("ends in loops of links", async () => {
    using ground = new Playground();
    symlinkSync("b", ground.path("a"));
    symlinkSync("a", ground.path("b"));
    symlinkSync("self/x", ground.path("self"));
    for (let n = 0; n < 60; n++) symlinkSync(`l${n + 1}`, ground.path(`l${n}`));
    writeFileSync(ground.path("l60"), "end");
    const root = ground.root({ portable });
    expect(await outcome(() => root.openForRead(["a"]))).toBe("outside");
    expect(await outcome(() => root.openForRead(["self", "y"]))).toBe("outside");
    expect(await outcome(() => root.openForRead(["l0"]))).toBe("outside");
    expect(read(root, "l20")).toBe("end");
  });

  test("costs no more than a bound, whatever the links are", async () => {
    using ground = new Playground();
    mkdirSync(ground.path("d"));
    const winding = "d/../".repeat(700);
    for (let n = 0; n < 39; n++) symlinkSync(`${winding}w${n + 1}`, ground.path(`w${n}`));
    writeFileSync(ground.path("w39"), "end");
    const root = ground.root({ portable });
    const started = performance.now();
    expect(await outcome(() => root.openForRead(["w0"]))).toBe("outside");
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  test("refuses FIFOs, sockets and devices at once", async () => {
    using ground = new Playground();
    Bun.spawnSync(["mkfifo", ground.path("fifo")]);
    const listener = Bun.listen({ unix: ground.path("socket"), socket: { data() {} } });
    symlinkSync("fifo", ground.path("link"));
    const names = ["fifo", "socket", "link"];
    if (!NOT_ROOT) {
      Bun.spawnSync(["mknod", ground.path("null"), "c", "1", "3"]);
      if (fs.existsSync(ground.path("null"))) names.push("null");
    }
    const root = ground.root({ portable });
    try {
      for (const name of names) expect(await outcome(() => root.openForRead([name]))).toBe("not-file");
      for (const name of names.filter((name) => name !== "link")) {
        expect(await outcome(() => put(root, [name], "x"))).toBe("not-file");
      }
      expect(fs.statSync(ground.path("fifo")).isFIFO()).toBe(true);
    } finally {
      listener.stop(true);
    }
  });

  test("makes folders only where asked, and only if it may be written", async () => {
    using ground = new Playground();
    const root = ground.root({ portable });
    const readOnly = ground.root({ portable, writable: false });
    expect(await outcome(() => readOnly.openParent(["x", "y"], { create: true }))).toBe("read-only");
    expect(await outcome(() => root.openParent(["x", "y"], { create: false }))).toBe("not-found");
    expect(fs.existsSync(ground.path("x"))).toBe(false);
    root.withParent(["x", "y", "z"], { create: true }, (folder, name) =>
      fs.writeFileSync(folder.path(name), "made"),
    );
    expect(fs.readFileSync(ground.path("x/y/z"), "utf8")).toBe("made");
    expect(fs.statSync(ground.path("x/y")).mode & 0o777).toBe(0o777 & ~process.umask());
  });

  test("a key's scope is its root, for links too", async () => {
    using ground = new Playground();
    mkdirSync(ground.path("a/in"), { recursive: true });
    mkdirSync(ground.path("b"));
    writeFileSync(ground.path("a/mine"), "mine");
    writeFileSync(ground.path("b/other"), "other");
    symlinkSync("../b", ground.path("a/x"));
    symlinkSync(ground.path("b"), ground.path("a/y"));
    symlinkSync(ground.path("a/in"), ground.path("a/z"));
    const root = ground.root({ portable, scope: "a/" });
    expect(read(root, "mine")).toBe("mine");
    expect(root.statEntry(["z"]).kind).toBe("folder");
    for (const link of ["x", "y"]) {
      expect(await outcome(() => root.openForRead([link, "other"]))).toBe("outside");
      expect(await outcome(() => put(root, [link, "new"], "x"))).toBe("outside");
    }
    expect(fs.readdirSync(ground.path("b"))).toEqual(["other"]);
    expect(await outcome(() => ground.root({ portable, scope: "../outside" }))).toBe("outside");
    expect(await outcome(() => ground.root({ portable, scope: "none", writable: false }))).toBe("not-found");
    expect(ground.root({ portable, scope: "made/here" }).statEntry([]).kind).toBe("folder");
  });

  test("the forbidden folder is out of reach by every way", async () => {
    using ground = new Playground();
    mkdirSync(ground.path("home/state/keys"), { recursive: true });
    writeFileSync(ground.path("home/state/keys/secret"), "secret");
    symlinkSync("home/state", ground.path("link"));
    symlinkSync("home/state/keys/secret", ground.path("direct"));
    const { dev, ino } = fs.statSync(ground.path("home/state"), { bigint: true });
    const root = ground.root({ portable, forbidden: [{ dev, ino }] });
    for (const path of [
      ["home", "state", "keys", "secret"],
      ["link", "keys", "secret"],
      ["direct"],
      ["link", "new"],
    ]) {
      expect(await outcome(() => root.openForRead(path))).toBe("outside");
      expect(await outcome(() => root.openFolder(path.slice(0, -1), { create: true }))).toBe(
        path.length === 1 ? "ok" : "outside",
      );
      if (path.length > 1) expect(await outcome(() => put(root, path, "x"))).toBe("outside");
    }
    expect(await outcome(() => put(root, ["home", "state"], "x"))).toBe("is-folder");
    for (const dir of ["home/state", "home/state/keys", "link"]) {
      const options = { name: "x", writable: true, portable, forbidden: [{ dev, ino }] };
      expect(await outcome(() => Root.open(ground.path(dir), options))).toBe("outside");
    }
    expect(fs.readFileSync(ground.path("home/state/keys/secret"), "utf8")).toBe("secret");
    writeFileSync(ground.path("home/note"), "note");
    expect(read(root, "home", "note")).toBe("note");
  });

  test("the folder of partial files is out of reach, also through a link", async () => {
    using ground = new Playground();
    mkdirSync(ground.path(PARTIAL_FOLDER));
    writeFileSync(ground.path(PARTIAL_FOLDER, "x"), "partial");
    symlinkSync(PARTIAL_FOLDER, ground.path("link"));
    const root = ground.root({ portable });
    expect(await outcome(() => root.openForRead([PARTIAL_FOLDER, "x"]))).toBe("bad-name");
    expect(await outcome(() => root.openForRead(["link", "x"]))).toBe("bad-name");
  });

  test("any list of names leads below the root, or is refused", async () => {
    using ground = new Playground();
    mkdirSync(ground.path("a/b"), { recursive: true });
    symlinkSync("../..", ground.path("a/out"));
    symlinkSync("/", ground.path("slash"));
    symlinkSync("b/..", ground.path("a/in"));
    const root = ground.root({ portable });
    const name = fc.oneof(
      fc.constantFrom("..", ".", "", "/", "a", "b", "out", "in", "slash", "a/b", "../..", "/etc", "\0"),
      fc.string({ unit: "binary", maxLength: 5 }),
      fc.uint8Array({ maxLength: 5 }),
      fc.constantFrom(...["..", ".", "out", "slash"].map((text) => Buffer.from(text))),
    );
    let reached = 0;
    fc.assert(
      fc.property(fc.array(name, { maxLength: 5 }), (names) => {
        try {
          const folder = root.openFolder(names, { create: false });
          const real = folder.realPath();
          folder.close();
          reached += 1;
          expect(`${real}/`).toStartWith(`${ground.dir}/`);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(SockError);
          expect((thrown as SockError).code).not.toBe("io");
        }
      }),
      { numRuns: portable ? 10_000 : 100_000 },
    );
    expect(reached).toBeGreaterThan(100);
    expect(ground.outsiders()).toEqual({ victim: VICTIM });
  }, 60_000);

  test.skipIf(process.platform !== "linux")("leaks no descriptor", async () => {
    using ground = new Playground();
    mkdirSync(ground.path("a/b"), { recursive: true });
    writeFileSync(ground.path("a/b/c"), "deep");
    symlinkSync("../..", ground.path("a/out"));
    symlinkSync("b", ground.path("a/in"));
    const root = ground.root({ portable });
    const every = async (): Promise<void> => {
      const ways = [
        ["a", "b", "c"],
        ["a", "in", "c"],
        ["a", "out", "x"],
        ["none", "x"],
        ["a", "b", "c", "d"],
        ["a"],
        [],
      ];
      for (const path of ways) {
        read(root, "a", "b", "c");
        await outcome(() => fs.closeSync(root.openForRead(path).fd));
        await outcome(() => root.statEntry(path));
        await outcome(() => root.withParent(path, { create: false }, () => undefined));
        await outcome(() =>
          Root.open(ground.dir, { name: "", writable: true, portable, scope: path.join("/") }).close(),
        );
        await outcome(() =>
          root.withParent(["a", "new"], { create: true }, () => {
            throw new SockError("failed", "on purpose");
          }),
        );
      }
    };
    await every();
    const before = openDescriptors();
    for (let n = 0; n < 20; n++) await every();
    expect(openDescriptors()).toBe(before);
  });
});

test.skipIf(process.platform !== "linux")("a name that is no UTF-8 is read by its bytes", () => {
  using ground = new Playground();
  const gbk = Buffer.from([0xc4, 0xe3]);
  fs.writeFileSync(Buffer.concat([Buffer.from(`${ground.dir}/`), gbk]), "ni");
  fs.symlinkSync(gbk, ground.path("link"));
  const root = ground.root();
  expect(read(root, gbk)).toBe("ni");
  expect(read(root, "link")).toBe("ni");
});
