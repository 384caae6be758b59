import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, stat, utimes, writeFile } from "node:fs/promises";
import { events, resultOf, sock } from "../helpers/run.ts";
import { scriptedClient } from "../helpers/scripted.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { treeOf } from "../helpers/tree.ts";

const MB = 1_000_000;
const OLD = "was there before";

let base: TemporaryFolder;
const here = (...names: string[]) => base.join("here", ...names);
beforeAll(async () => {
  base = await temporaryFolder();
  await mkdir(here("tree", "sub"), { recursive: true });
  await writeFile(here("tree", "a"), "aaa");
  await writeFile(here("tree", "sub", "b"), "bbb");
  await writeFile(here("small"), "small");
  await writeFile(here("big"), Buffer.alloc(3 * MB, "big"));
});
afterAll(() => base[Symbol.asyncDispose]());

interface Ground extends AsyncDisposable {
  readonly server: Serving;
  readonly root: string;
  run(...args: string[]): ReturnType<typeof sock>;
  pipe(stdin: string | Buffer<ArrayBuffer>, ...args: string[]): ReturnType<typeof sock>;
}

/** A server with these flags on a folder that holds `old`. */
async function ground(...flags: string[]): Promise<Ground> {
  const own = await temporaryFolder();
  const root = own.join("root");
  await mkdir(root);
  await writeFile(own.join("root", "old"), OLD);
  const server = await serve({ args: [root, ...flags] });
  const env = { SOCK_JOIN: server.join };
  return {
    server,
    root,
    run: (...args) => sock(args, { env, cwd: here() }),
    pipe: (stdin, ...args) => sock(args, { env, cwd: here(), stdin: Buffer.from(stdin) }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await own[Symbol.asyncDispose]();
    },
  };
}

describe("each limit refuses with its own code and a hint, changes nothing, and lets the next one in", () => {
  const put = ["put", "small", ":old"];
  const REFUSED: [flags: string[], refused: string[], status: number, code: string, twin: string[]][] = [
    [["--read-only"], put, 4, "read-only", ["get", ":old", "copy"]],
    [["--read-only"], ["put", "tree", ":"], 4, "read-only", ["ls", ":"]],
    [["--write-only"], ["get", ":old", "never"], 4, "policy", put],
    [["--write-only"], ["get", ":old", "-"], 4, "policy", put],
    [["--write-only"], ["get", ":o*", "never"], 4, "policy", put],
    [["--write-only"], ["ls", ":"], 4, "policy", put],
    [["--no-replace"], put, 12, "exists", ["put", "small", ":new"]],
    [["--no-replace"], ["put", "big", ":old"], 12, "exists", ["put", "big", ":new"]],
    [["--no-replace"], ["put", "--atomic", "tree/", ":sub"], 4, "policy", ["put", "tree/", ":sub"]],
    [["--max-file", "2M"], ["put", "big", ":old"], 8, "too-large", put],
    [["--max-file", "4"], put, 8, "too-large", ["put", "tree/a", ":old"]],
    [["--min-free", "8000T"], put, 8, "no-space", ["get", ":old", "copy2"]],
    [["--min-free", "8000T"], ["put", "big", ":old"], 8, "no-space", ["ls", ":"]],
    [["--max-entries", "0"], put, 8, "quota", ["get", ":old", "copy3"]],
    [["--max-entries", "1"], ["put", "--atomic", "tree", ":sub"], 8, "quota", put],
  ];
  for (const [flags, refused, status, code, twin] of REFUSED) {
    test(`${flags.join(" ")}: ${refused.join(" ")}`, async () => {
      await using there = await ground(...flags);
      const before = treeOf(there.root);
      const ran = await there.run(...refused, ...(refused.includes("-") ? [] : ["--json"]));
      expect({ ...ran, code }).toMatchObject({ status });
      if (!refused.includes("-")) {
        const result = resultOf(ran.stdout);
        expect(result).toMatchObject({ status, message: expect.not.stringContaining("sock clients") });
        const told = events(ran.stdout).flatMap((event) =>
          event["code"] === undefined ? [] : [event["code"]],
        );
        expect(told).toContain(code);
      } else expect(ran.stdout).toBe("");
      expect(ran.stdout + ran.stderr).toMatch(/"hint":|sock: hint: /);
      expect(ran.stderr).not.toContain("verified");
      const after = Object.entries(treeOf(there.root));
      // a folder that was to change as one is gone on with later
      const kept = refused.includes("--atomic") ? ".sock-partial/" : "nothing";
      expect(Object.fromEntries(after.filter(([path]) => !path.startsWith(kept)))).toEqual(before);
      expect(await readdir(here())).not.toContain("never");
      expect(await there.run(...twin)).toMatchObject({ status: 0 });
    });
  }

  test("--read-only and --write-only together, and limits that are none, are usage errors", async () => {
    for (const flags of [
      ["--read-only", "--write-only"],
      ["--max-file", "many"],
      ["--max-entries", "-1"],
    ]) {
      expect({ flags, ...(await sock(["serve", ...flags])) }).toMatchObject({ status: 2, stdout: "" });
    }
  });
});

describe("--no-replace", () => {
  test("what is there the same is no failure, so that the same command goes on after a cut", async () => {
    await using there = await ground("--no-replace");
    expect(await there.run("put", "tree/a", ":tree/a")).toMatchObject({ status: 0 });
    const second = await there.run("put", "tree", "small", ":", "--json");
    expect(resultOf(second.stdout)).toMatchObject({ status: 0, files: 2, skipped: 1, failed: 0 });
    expect(await there.run("put", "tree", "small", ":")).toMatchObject({ status: 0 });
  });

  test("neither mode nor time of a file or folder that is there change, by any flag", async () => {
    await using there = await ground("--no-replace");
    expect(await there.run("put", "tree", ":")).toMatchObject({ status: 0 });
    await chmod(`${there.root}/tree`, 0o750);
    await chmod(`${there.root}/tree/a`, 0o640);
    await utimes(`${there.root}/old`, 1, 1);
    const modes = async () => {
      const stats = await Promise.all(["tree", "tree/a", "old"].map((path) => stat(`${there.root}/${path}`)));
      return stats.map(({ mode, mtimeMs }) => [mode & 0o777, mtimeMs]);
    };
    const before = [await modes(), treeOf(there.root)];
    for (const flags of [[], ["--checksum"], ["--chmod", "600"], ["--on-exists", "replace", "--verify"]]) {
      const ran = await there.run("put", "tree", ":", ...flags);
      expect({ flags, ...ran }).toMatchObject({ status: flags[0] === "--checksum" ? 12 : expect.anything() });
      await there.pipe("other", "put", "-", ":old", ...flags);
      expect([await modes(), treeOf(there.root)]).toEqual(before);
    }
  });

  test("skip and rename are the client's way round, and --dry-run foresees all of it", async () => {
    await using there = await ground("--no-replace");
    expect(resultOf((await there.run("put", "small", ":old", "--dry-run", "--json")).stdout)).toMatchObject({
      status: 12,
      code: "exists",
    });
    expect(await there.run("put", "small", ":old", "--on-exists", "skip")).toMatchObject({ status: 0 });
    expect(await there.run("put", "small", ":old", "--on-exists", "rename")).toMatchObject({ status: 0 });
    expect(Object.keys(treeOf(there.root)).toSorted()).toEqual(["old", "old.new"]);
  });

  test("a client that asks for replacing on the wire is refused all the same", async () => {
    await using there = await ground("--no-replace");
    using peer = await scriptedClient(there.server.join);
    peer.send({ type: "put", to: "old", digest: "sha256", on_exists: "replace" });
    await peer.until("ready");
    const bytes = Buffer.from("evil");
    const digest = createHash("sha256").update(bytes).digest("hex");
    const entry = { type: "entry", entry: 0, path: "x", kind: "file", mtime: 1, mode: 0o600 };
    peer.send({ ...entry, length: bytes.length, digest, size: bytes.length }, bytes);
    expect((await peer.until("stop", "done")).at(-1)).toMatchObject({ type: "stop", code: "exists" });
    expect(treeOf(there.root)["old"]).toBe(createHash("sha256").update(OLD).digest("hex"));
  });
});

describe("--max-file, --max-entries, --min-free", () => {
  test("of many, the rest arrives, and the last line says what did not", async () => {
    await using there = await ground("--max-file", "2M");
    const ran = await there.run("put", "tree", "big", "small", ":in");
    expect(ran).toMatchObject({ status: 8 });
    expect(ran.stderr).toContain("in/big");
    expect(ran.stderr).toMatch(/3 files, 11 B .* 1 failed\n/);
    expect(ran.stderr).not.toContain("verified");
    expect(Object.keys(treeOf(there.root))).toEqual(expect.arrayContaining(["in/small", "in/tree/sub/b"]));
    expect(treeOf(there.root)).not.toHaveProperty("in/big");
  });

  test("a stream is cut at the limit, and a file may not be longer than it said", async () => {
    await using there = await ground("--max-file", "1M");
    const before = treeOf(there.root);
    const ran = await there.pipe(Buffer.alloc(2 * MB), "put", "-", ":old", "--json");
    expect(resultOf(ran.stdout)).toMatchObject({ status: 8, code: "too-large" });
    using peer = await scriptedClient(there.server.join);
    peer.send({ type: "put", to: "old", digest: "sha256", on_exists: "replace" });
    peer.send({ type: "entry", entry: 0, path: "x", kind: "file", length: 10, mtime: null, mode: null });
    const block = new Uint8Array(1024 * 1024);
    for (let n = 0; n < 4; n++) peer.send({ type: "data", entry: 0, size: block.length }, block);
    expect((await peer.until("stop", "done")).at(-1)).toMatchObject({ type: "stop", entry: 0 });
    expect(treeOf(there.root)).toEqual(before);
    expect(await there.pipe(Buffer.alloc(MB), "put", "-", ":old")).toMatchObject({ status: 0 });
  });

  test("what helps is said once, however many files are refused", async () => {
    for (const [flags, hint] of [
      [["--max-entries", "1"], "--max-entries"],
      [["--min-free", "8000T"], "--min-free"],
      [["--max-file", "2"], "--max-file"],
    ] as const) {
      await using there = await ground(...flags);
      const ran = await there.run("put", "tree", "small", ":all/");
      expect(ran.status).toBe(8);
      expect(ran.stderr.match(/^sock: all\/.*|^sock: (?:tree|small).*/gm)?.length).toBeGreaterThan(1);
      expect([hint, ran.stderr.match(/^sock: hint: .*/gm)]).toEqual([hint, [expect.stringContaining(hint)]]);
    }
  });

  test("--max-entries counts what is put, once each, however it is sent", async () => {
    await using there = await ground("--max-entries", "4");
    for (const where of [":in", ":in", ":fresh/", ":in2"]) {
      expect({ where, ...(await there.run("put", "tree", where)) }).toMatchObject({ status: 0 });
    }
    const ran = await there.run("put", "tree", "small", ":more/", "--json");
    expect(resultOf(ran.stdout)).toMatchObject({ status: 8, files: expect.any(Number) });
    const dry = await there.run("put", "tree", "small", ":dry/", "--dry-run", "--json");
    expect(resultOf(dry.stdout)).toMatchObject({ status: 8 });
    // one number for all of them is no way round
    using peer = await scriptedClient(there.server.join);
    peer.send({ type: "put", to: "evil/", digest: "sha256", on_exists: "replace" });
    await peer.until("ready");
    const digest = createHash("sha256").update("").digest("hex");
    for (let n = 0; n < 8; n++) {
      const entry = { type: "entry", entry: 0, path: `x${n}`, kind: "file", mtime: 1, mode: null };
      peer.send({ ...entry, length: 0, digest, size: 0 }, new Uint8Array(0));
    }
    peer.send({ type: "finish" });
    expect((await peer.until("result", "error")).at(-1)).toMatchObject({ files: 4, failed: 4 });
    expect(await readdir(`${there.root}/evil`)).toHaveLength(4);
  });

  test("--min-free is looked at before a byte of the file is sent", async () => {
    await using there = await ground("--min-free", "8000T");
    const before = treeOf(there.root);
    using peer = await scriptedClient(there.server.join);
    peer.send({ type: "put", to: "in/", digest: "sha256", on_exists: "replace" });
    await peer.until("ready");
    const entry = { type: "entry", kind: "file", mtime: 1, mode: null, offer: true };
    peer.send({ ...entry, entry: 0, path: "x", length: 100 });
    peer.send({ ...entry, entry: 1, path: "y", length: 10 * MB });
    const answers = [await peer.next(), await peer.next()];
    expect(answers).toMatchObject([
      { type: "stop", entry: 0, code: "no-space" },
      { type: "stop", entry: 1, code: "no-space" },
    ]);
    expect(resultOf((await there.run("put", "big", ":x", "--dry-run", "--json")).stdout)).toMatchObject({
      code: "no-space",
    });
    expect(treeOf(there.root)).toEqual(before);
  });
});

const canMount =
  process.platform === "linux" &&
  process.geteuid?.() === 0 &&
  Bun.spawnSync(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]).success;

test.skipIf(!canMount)("--min-free also stops a stream that nobody knows the length of", async () => {
  await using there = await ground();
  const disk = `${there.root}/disk`;
  await mkdir(disk);
  expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=40m", "none", disk]).success).toBe(true);
  try {
    await using server = await serve({ args: [disk, "--min-free", "10M"] });
    const run = (args: string[], stdin: number) =>
      sock(args, { env: { SOCK_JOIN: server.join }, stdin: Buffer.alloc(stdin), cwd: here() });
    const ran = await run(["put", "-", ":x", "--json"], 38 * MB);
    expect(resultOf(ran.stdout)).toMatchObject({ status: 8, code: "no-space" });
    expect(treeOf(disk)).toEqual({});
    expect(await run(["put", "-", ":x"], 20 * MB)).toMatchObject({ status: 0 });
    expect(await run(["put", "big", ":big"], 0)).toMatchObject({ status: 0 });
  } finally {
    Bun.spawnSync(["umount", "-l", disk]);
  }
});

describe("--rate", () => {
  test("holds a key to it both ways, with two connections too", async () => {
    await using there = await ground("--rate", "4M");
    const started = performance.now();
    const put = await Promise.all([there.run("put", "big", ":1"), there.run("put", "big", ":2")]);
    // 6 MB, of which the first blocks go at once
    const putMs = performance.now() - started;
    const got = await Promise.all([there.run("get", ":1", "got1"), there.run("get", ":2", "got2")]);
    expect([...put, ...got].map((ran) => ran.status)).toEqual([0, 0, 0, 0]);
    expect(putMs).toBeGreaterThan(900);
    expect(performance.now() - started - putMs).toBeGreaterThan(900);
    expect(treeOf(there.root)["1"]).toBe(treeOf(here())["got2"] ?? "");
  });
});

describe("a server that only takes", () => {
  test("does not say whether it holds the bytes of a digest", async () => {
    await using there = await ground("--write-only");
    await writeFile(`${there.root}/large`, Buffer.alloc(3 * MB, "x"));
    using peer = await scriptedClient(there.server.join);
    peer.send({ type: "put", to: "", digest: "sha256", on_exists: "replace" });
    await peer.until("ready");
    const digest = createHash("sha256").update(OLD).digest("hex");
    const entry = { type: "entry", kind: "file", mtime: 1, mode: null, offer: true };
    await writeFile(`${there.root}/second`, OLD);
    peer.send({ ...entry, entry: 0, path: "old", length: OLD.length });
    peer.send({ ...entry, entry: 1, path: "second", length: OLD.length, digest });
    peer.send({ ...entry, entry: 2, path: "large", length: 3 * MB });
    const answers = [await peer.next(), await peer.next(), await peer.next()];
    expect(answers).toMatchObject([0, 1, 2].map((id) => ({ type: "want", entry: id, have: 0 })));
  });

  test("and one that also gives does: a file that is there need not come again", async () => {
    await using there = await ground();
    using peer = await scriptedClient(there.server.join);
    peer.send({ type: "put", to: "", digest: "sha256", on_exists: "replace" });
    await peer.until("ready");
    const digest = createHash("sha256").update(OLD).digest("hex");
    const entry = { type: "entry", kind: "file", mtime: 1, mode: null, offer: true };
    peer.send({ ...entry, entry: 0, path: "old", length: OLD.length, digest });
    expect(await peer.next()).toMatchObject({ type: "done", entry: 0, action: "repaired", digest });
  });
});

test("the help has each limit as it is typed", async () => {
  const { stdout } = await sock(["serve", "--help"]);
  for (const flag of [
    "read-only",
    "write-only",
    "no-replace",
    "max-file",
    "min-free",
    "max-entries",
    "rate",
  ]) {
    expect(stdout).toMatch(new RegExp(`^ {2}--${flag}( [A-Z]+)? +[a-z]`, "m"));
  }
});
