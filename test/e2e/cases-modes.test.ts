/** "Files" and "Codec": modes, times, empty things, and what stands where something goes; trees, put and get. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Pair, pairWithLine, plant } from "../helpers/pair.ts";
import type { Relay } from "../helpers/relay.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { type Peer, scriptedClient } from "../helpers/scripted.ts";
import { treeOf } from "../helpers/tree.ts";

let line: Pair & { relay: Relay };
beforeAll(async () => {
  line = await pairWithLine();
});
afterAll(() => line[Symbol.asyncDispose]());

const mode = (...path: string[]): number => lstatSync(join(...path)).mode & 0o7777;
const move = (verb: "put" | "get", what: string, to: string, ...flags: string[]) =>
  verb === "put"
    ? line.run("put", what, `:${to}`, "--json", ...flags)
    : line.run("get", `:${what}`, to, "--json", ...flags);
const actions = (stdout: string) =>
  Object.fromEntries(
    events(stdout).flatMap(({ type, path, action }) =>
      type === "file" ? [[String(path).split("/").at(-1), action]] : [],
    ),
  );

for (const verb of ["put", "get"] as const) {
  const [from, to] =
    verb === "put"
      ? [(...n: string[]) => line.here(...n), (...n: string[]) => line.root(...n)]
      : [(...n: string[]) => line.root(...n), (...n: string[]) => line.here(...n)];

  describe(`${verb} of a tree`, () => {
    test("modes 0000, 0444, 0200, 0755, directories 0555 and 0700 with children: as they are, and twice", async () => {
      const modes = { none: 0, read: 0o444, write: 0o200, run: 0o755, large: 0o400 };
      for (const name of Object.keys(modes))
        plant(from("modes"), { [`closed/${name}`]: name === "large" ? Buffer.alloc(2_000_000) : name });
      plant(from("modes"), { "closed/deep/f": "f", "own/f": "f" });
      for (const [name, bits] of Object.entries(modes)) chmodSync(from("modes", "closed", name), bits);
      for (const [name, bits] of [
        ["closed/deep", 0o555],
        ["closed", 0o555],
        ["own", 0o700],
      ] as const)
        chmodSync(from("modes", name), bits);
      const first = await move(verb, "modes", "modes2");
      expect(first.status).toBe(0);
      for (const name of [
        "closed",
        "closed/deep",
        "own",
        ...Object.keys(modes).map((file) => `closed/${file}`),
      ]) {
        expect([name, mode(to("modes2"), name)]).toEqual([name, mode(from("modes"), name)]);
        expect([name, statSync(to("modes2", name)).mtimeMs]).toEqual([
          name,
          expect.closeTo(statSync(from("modes", name)).mtimeMs, 0),
        ]);
      }
      expect(resultOf((await move(verb, "modes", "modes2")).stdout)).toMatchObject({ status: 0, files: 0 });
      // and one that changed in the folder that is closed
      writeFileSync(from("modes", "closed", "run"), "run again");
      expect(await move(verb, "modes", "modes2")).toMatchObject({ status: 0 });
      expect(readFileSync(to("modes2", "closed", "run"), "utf8")).toBe("run again");
      expect(mode(to("modes2"), "closed")).toBe(0o555);
    });

    test("setuid, setgid and sticky of both the source and the old file are gone, of folders too", async () => {
      plant(from("suid"), { "d/new": "new", "d/old": "changed", "d/same": "same" });
      plant(to("suid2"), { "d/old": "old", "d/same": "same" });
      for (const path of [from("suid", "d", "new"), to("suid2", "d", "old"), to("suid2", "d", "same")])
        chmodSync(path, 0o6755);
      chmodSync(from("suid", "d"), 0o3777);
      utimesSync(from("suid", "d", "same"), 1_600_000_000, 1_600_000_000);
      utimesSync(to("suid2", "d", "same"), 1_600_000_000, 1_600_000_000);
      chmodSync(from("suid", "d", "same"), 0o755);
      expect(await move(verb, "suid", "suid2")).toMatchObject({ status: 0 });
      expect(["new", "old", "same"].map((name) => mode(to("suid2", "d", name)))).toEqual([
        0o755, 0o644, 0o755,
      ]);
      expect(mode(to("suid2"), "d")).toBe(0o777 & ~process.umask());
    });

    test("only a mode changed, of a small and a large file: repaired without sending the data", async () => {
      plant(from("repair"), {
        small: Buffer.alloc(60_000, "s"),
        "d/large": Buffer.alloc(9_000_000, "l"),
        other: "o",
      });
      expect(await move(verb, "repair", "repair2")).toMatchObject({ status: 0 });
      const before = [treeOf(to("repair2")), statSync(to("repair2", "d", "large")).ino];
      chmodSync(from("repair", "small"), 0o600);
      chmodSync(from("repair", "d", "large"), 0o755);
      const bytes = line.relay.bytes.up + line.relay.bytes.down;
      const ran = await move(verb, "repair", "repair2");
      expect(actions(ran.stdout)).toMatchObject({ small: "repaired", large: "repaired", other: "same" });
      expect(line.relay.bytes.up + line.relay.bytes.down - bytes).toBeLessThan(30_000);
      expect([mode(to("repair2"), "small"), mode(to("repair2"), "d/large")]).toEqual([0o600, 0o755]);
      expect([treeOf(to("repair2")), statSync(to("repair2", "d", "large")).ino]).toEqual(before);
      // its twin: other bytes of the same size and time are found with --checksum, and sent
      const { atime, mtime } = statSync(from("repair", "small"));
      writeFileSync(from("repair", "small"), Buffer.alloc(60_000, "S"));
      utimesSync(from("repair", "small"), atime, mtime);
      const checked = await move(verb, "repair", "repair2", "--checksum");
      expect(actions(checked.stdout)).toMatchObject({ small: "replaced", large: "same" });
      expect(treeOf(to("repair2"))).toEqual(treeOf(from("repair")));
    });

    test("hard links to old files keep the old bytes and mode; a running binary is replaced", async () => {
      const program = readFileSync("/bin/sleep");
      plant(from("hard"), { f: "newer", "bin/prog": "next version", large: Buffer.alloc(2_000_000, "n") });
      plant(to("hard2"), { f: "old", "bin/prog": program, large: "old" });
      chmodSync(to("hard2", "bin", "prog"), 0o755);
      for (const name of ["f", "large"]) linkSync(to("hard2", name), to(`kept-${name}`));
      const child = Bun.spawn([to("hard2", "bin", "prog"), "30"]);
      expect(await move(verb, "hard", "hard2")).toMatchObject({ status: 0 });
      expect(child.exitCode).toBe(null);
      child.kill();
      await child.exited;
      for (const name of ["f", "large"]) expect(readFileSync(to(`kept-${name}`), "utf8")).toBe("old");
      expect(treeOf(to("hard2"))).toEqual(treeOf(from("hard")));
    });

    test("an empty directory, a file of size 0, an empty tree: work", async () => {
      plant(from("empty"), { "none/": "", "some/none/": "", zero: "" });
      plant(from("nothing"), { "/": "" });
      expect(resultOf((await move(verb, "empty", "empty2")).stdout)).toMatchObject({
        status: 0,
        files: 1,
        bytes: 0,
      });
      expect(treeOf(to("empty2"))).toEqual({
        none: "folder",
        some: "folder",
        "some/none": "folder",
        zero: expect.any(String),
      });
      expect(resultOf((await move(verb, "nothing", "nothing2")).stdout)).toMatchObject({
        status: 0,
        files: 0,
        failed: 0,
      });
      expect([existsSync(to("nothing2")), readdirSync(to("nothing2"))]).toEqual([true, []]);
      expect(resultOf((await move(verb, "empty/zero", "zero")).stdout)).toMatchObject({
        status: 0,
        files: 1,
      });
      expect(statSync(to("zero")).size).toBe(0);
    });

    test("mtime -1, 1901, 2106: kept or clamped, and the second run has nothing to do", async () => {
      const times = { before: -1, early: -2_000_000_000, late: 4_294_967_296, now: 1_700_000_000.123 };
      for (const [name, seconds] of Object.entries(times)) {
        plant(from("times"), { [name]: name });
        utimesSync(from("times", name), new Date(seconds * 1000), new Date(seconds * 1000));
      }
      expect(await move(verb, "times", "times2")).toMatchObject({ status: 0 });
      for (const name of Object.keys(times)) {
        const [wanted, got] = [statSync(from("times", name)).mtimeMs, statSync(to("times2", name)).mtimeMs];
        expect([name, got]).toEqual([name, expect.closeTo(wanted, 0)]);
      }
      expect(resultOf((await move(verb, "times", "times2")).stdout)).toMatchObject({ files: 0, skipped: 4 });
    });

    test("contents into a folder that is there: it keeps its own mode; one that is made gets the source's", async () => {
      plant(from("pour"), { f: "f" });
      plant(to(), { "there/own": "own" });
      chmodSync(from("pour"), 0o750);
      chmodSync(to("there"), 0o711);
      if (verb === "get") {
        expect(await move(verb, "pour/", "there/")).toMatchObject({ status: 0 });
        expect([mode(to("there")), readdirSync(to("there")).toSorted()]).toEqual([0o711, ["f", "own"]]);
      }
      expect(await move(verb, "pour/", "made/")).toMatchObject({ status: 0 });
      expect([mode(to("made")), readdirSync(to("made"))]).toEqual([0o750, ["f"]]);
    });

    test("--on-exists refuse: what is there stays and is named, 10; what is not there comes", async () => {
      plant(from("clobber"), { a: "new", b: "new", large: Buffer.alloc(2_000_000, "n") });
      plant(to("clobber2"), { a: "old", large: "old" });
      const ran = await move(verb, "clobber", "clobber2", "--on-exists", "refuse");
      expect([ran.status, resultOf(ran.stdout)]).toMatchObject([10, { files: 1, failed: 2 }]);
      const codes = events(ran.stdout)
        .filter(({ action }) => action === "failed")
        .map(({ code }) => code);
      expect(codes).toEqual(["exists", "exists"]);
      expect(["a", "b", "large"].map((name) => readFileSync(to("clobber2", name), "utf8"))).toEqual([
        "old",
        "new",
        "old",
      ]);
    });
  });
}

/** Past our own encoder, which would refuse it. */
function raw({ channel }: Peer, header: object): void {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  channel.connection.write(Buffer.concat([length, text]));
}

test("mtime 1e18 and beyond on the wire: refused or clamped, never a crash; the twin of today is kept", async () => {
  const file = { type: "entry", kind: "file", mode: null, length: 0, size: 0 } as const;
  const digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  for (const [mtime, taken] of [
    [-1, true],
    [2 ** 53 - 1, true],
    [-(2 ** 53 - 1), true],
    [1e18, false],
    [2 ** 53, false],
    [0.5, false],
    ["0", false],
    [1_700_000_000_000_000, true],
  ] as const) {
    using client = await scriptedClient(line.server.join);
    client.send({ type: "put", to: "wire/", digest: "sha256", on_exists: "replace" });
    raw(client, { ...file, entry: 0, path: "f", mtime, digest });
    raw(client, { type: "entry", entry: 1, kind: "folder", path: "d", mtime, mode: null });
    raw(client, { type: "finish" });
    const last = (await client.until("result", "error")).at(-1);
    expect([mtime, last]).toMatchObject([
      mtime,
      taken ? { type: "result", failed: 0 } : { type: "error", code: "protocol" },
    ]);
  }
  expect(statSync(line.root("wire", "f")).mtimeMs).toBe(1_700_000_000_000);
});

test('size -1, 1.5, "10", 2^53 of an entry: refused, nothing is made', async () => {
  for (const length of [-1, 1.5, "10", 2 ** 53, true, {}]) {
    for (const offer of [{}, { offer: true }]) {
      using client = await scriptedClient(line.server.join);
      client.send({ type: "put", to: "sizes/", digest: "sha256", on_exists: "replace" });
      raw(client, {
        type: "entry",
        entry: 0,
        kind: "file",
        path: "f",
        mtime: null,
        mode: null,
        length,
        ...offer,
      });
      expect((await client.until()).at(-1)).toMatchObject({ type: "error", code: "protocol" });
    }
  }
  expect(existsSync(line.root("sizes"))).toBe(false);
});

test("an empty batch: a put that sends nothing, and one of nothing but what is not there", async () => {
  using client = await scriptedClient(line.server.join);
  client.send({ type: "put", to: "batch/", digest: "sha256", on_exists: "replace" });
  client.send({ type: "finish" });
  expect((await client.until("result")).at(-1)).toMatchObject({ files: 0, failed: 0, skipped: 0 });
  client.send({ type: "get", paths: [], digest: "sha256", links: "keep", compress: "never", fresh: true });
  expect((await client.until("result", "error")).at(-1)?.["type"]).toBeOneOf(["result", "error"]);
  expect((await line.run("put", "no-1", "no-2", ":batch")).status).toBe(7);
  expect(existsSync(line.root("batch"))).toBe(false);
});

test("no-clobber with the file created in between: refused, the other one stays", async () => {
  for (const size of [1000, 3_000_000]) {
    plant(line.here(), { [`between-${size}`]: Buffer.alloc(size, "m") });
    const names = Array.from({ length: 6 }, (_, n) => n);
    const puts = await Promise.all(
      names.map(() => line.run("put", `between-${size}`, `:one-${size}`, "--on-exists", "refuse")),
    );
    expect(puts.map(({ status }) => status).toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual([
      0, 12, 12, 12, 12, 12,
    ]);
  }
  // by hand, between the offer and the bytes
  using client = await scriptedClient(line.server.join);
  const bytes = Buffer.from("late");
  client.send({ type: "put", to: "race/", digest: "xxh3-64k", on_exists: "refuse" });
  client.send({
    type: "entry",
    entry: 0,
    kind: "file",
    path: "f",
    mtime: null,
    mode: null,
    length: 4,
    offer: true,
  });
  expect((await client.until("want", "stop")).at(-1)).toMatchObject({ type: "want" });
  plant(line.root("race"), { f: "theirs" });
  client.send({ type: "entry", entry: 0, kind: "file", path: "f", mtime: null, mode: null, length: 4 });
  client.send({ type: "data", entry: 0 }, bytes);
  client.send({ type: "end", entry: 0, bytes: 4, digest: "0".repeat(16) });
  expect((await client.until("stop", "done")).at(-1)).toMatchObject({ type: "stop", code: "exists" });
  expect(readFileSync(line.root("race", "f"), "utf8")).toBe("theirs");
});

test("ls shows modes, times and sizes as they are, of an empty folder and of what can't be entered too", async () => {
  plant(line.root("shown"), { "empty/": "", zero: "", m444: "1234" });
  chmodSync(line.root("shown", "m444"), 0o444);
  utimesSync(line.root("shown", "zero"), new Date(-1000), new Date(-1000));
  const ran = await line.run("ls", ":shown", "--json");
  expect(ran.status).toBe(0);
  const items = Object.fromEntries(
    events(ran.stdout).map((event) => [String(event["path"]).split("/").at(-1), event]),
  );
  expect(items).toMatchObject({ m444: { size: 4 }, zero: { size: 0 }, empty: { kind: "folder" } });
  expect((await sock(["ls", ":shown/empty"], { env: line.env })).stdout).toBe("");
});
