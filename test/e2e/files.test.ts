import { beforeAll, afterAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { chmod, link, mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { childEnv, events, resultOf, SOCK, sock } from "../helpers/run.ts";
import { start } from "../helpers/child.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

let root: TemporaryFolder;
let here: TemporaryFolder;
let server: Serving;
let run: (...args: string[]) => ReturnType<typeof sock>;

beforeAll(async () => {
  root = await temporaryFolder();
  here = await temporaryFolder();
  server = await serve({ args: [root.path] });
  run = (...args) => sock(args, { home: here.path, env: { SOCK_JOIN: server.join } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await root[Symbol.asyncDispose]();
  await here[Symbol.asyncDispose]();
});

describe("bytes there and back", () => {
  const SIZES = [0, 1, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, MiB - 1, MiB, MiB + 1, 3 * MiB, 100 * MiB];
  for (const size of SIZES) {
    for (const digest of ["sha256", "xxh3"]) {
      test(`${size} bytes, ${digest}`, async () => {
        const bytes = randomBytes(size);
        await writeFile(here.join("sent"), bytes);
        const put = await run("put", "sent", ":there", "--digest", digest, "--json");
        expect(put.status).toBe(0);
        const said = events(put.stdout)[0];
        expect(said).toMatchObject({ type: "file", size });
        if (digest === "sha256") expect(said?.["digest"]).toBe(sha256(bytes));
        else expect(said?.["digest"]).toMatch(/^[0-9a-f]{16}$/);
        expect(sha256(await readFile(root.join("there")))).toBe(sha256(bytes));
        const get = await run("get", ":there", "back", "--digest", digest, "--json");
        expect(get.status).toBe(0);
        expect(events(get.stdout)[0]).toMatchObject({ size, digest: said?.["digest"] });
        expect(sha256(await readFile(here.join("back")))).toBe(sha256(bytes));
      });
    }
  }

  test("--verify and --sync", async () => {
    const bytes = randomBytes(2 * MiB + 7);
    await writeFile(here.join("v"), bytes);
    expect(await run("put", "v", ":v", "--verify", "--sync")).toMatchObject({ status: 0 });
    expect(await run("get", ":v", "v2", "--verify", "--sync")).toMatchObject({ status: 0 });
    expect(sha256(await readFile(here.join("v2")))).toBe(sha256(bytes));
    expect(await run("put", "v", ":v", "--verify", "--digest", "xxh3")).toMatchObject({ status: 0 });
  });

  test("nothing else is left on either side", async () => {
    for (const folder of [root, here]) {
      const partials = await readdir(folder.join(".sock-partial")).catch(() => []);
      expect(partials).toEqual([]);
    }
  });
});

describe("streams", () => {
  const SIZES = [0, 1, 64 * KiB + 1, 5 * MiB];
  for (const size of SIZES) {
    test(`stdin of ${size} bytes and back to stdout`, async () => {
      const bytes = Uint8Array.from(randomBytes(size));
      const options = { home: here.path, env: { SOCK_JOIN: server.join } };
      const put = await sock(["put", "-", ":stream"], { ...options, stdin: bytes });
      expect(put).toMatchObject({ status: 0, stdout: "" });
      await using get = await start(["get", ":stream", "-"], options);
      expect(await get.ended()).toBe(0);
      expect(sha256(get.bytes())).toBe(sha256(bytes));
    });
  }

  test("stdout with --json is status 2, and so is stdin without a name", async () => {
    expect(resultOf((await run("get", ":stream", "-", "--json")).stdout)).toMatchObject({ status: 2 });
    expect(await run("put", "-", ":")).toMatchObject({ status: 2 });
    expect(await run("put", "-", ":d/")).toMatchObject({ status: 2 });
  });

  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    test(`what ${signal} cuts is never published, and the old file stays`, async () => {
      await writeFile(root.join("log"), "old");
      const env = { SOCK_JOIN: server.join };
      await using put = await start(["put", "-", ":log", "--json"], { pipe: true, env });
      const { stdin } = put.process;
      if (typeof stdin !== "object") throw new Error("no stdin");
      void stdin.write(randomBytes(2 * MiB));
      await stdin.flush();
      await until(async () => (await readdir(root.join(".sock-partial"))).length > 0, "the partial file");
      put.process.kill(signal);
      expect(await put.ended()).toBe(status);
      expect(resultOf(put.stdout())).toMatchObject({ status, files: 0 });
      await until(async () => (await readdir(root.join(".sock-partial"))).length === 0, "no litter");
      expect(await readFile(root.join("log"), "utf8")).toBe("old");
    });
  }

  test("a reader that goes away ends a get, and not with 0", async () => {
    await writeFile(root.join("big"), randomBytes(20 * MiB));
    const script = `"$@" | head -c 10 >/dev/null; exit "\${PIPESTATUS[0]}"`;
    const child = Bun.spawn(["bash", "-c", script, "bash", SOCK, "get", ":big", "-"], {
      env: childEnv(here.path, { SOCK_JOIN: server.join }),
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await child.exited).toBe(1);
  });
});

describe("the old file", () => {
  test("a hard link to it keeps the old bytes; setuid is gone", async () => {
    await writeFile(root.join("tool"), "old");
    await link(root.join("tool"), root.join("kept"));
    await chmod(root.join("tool"), 0o4755);
    await writeFile(here.join("tool"), "newer");
    await chmod(here.join("tool"), 0o6755);
    expect(await run("put", "tool", ":tool")).toMatchObject({ status: 0 });
    expect(await readFile(root.join("kept"), "utf8")).toBe("old");
    expect(await readFile(root.join("tool"), "utf8")).toBe("newer");
    expect((await stat(root.join("tool"))).mode & 0o7777).toBe(0o755);
    await chmod(root.join("tool"), 0o6711);
    expect(await run("get", ":tool", "tool")).toMatchObject({ status: 0 });
    expect((await stat(here.join("tool"))).mode & 0o7777).toBe(0o711);
  });

  test("may be a binary that runs", async () => {
    const binary = await readFile("/bin/sleep");
    await writeFile(root.join("prog"), binary, { mode: 0o755 });
    const child = Bun.spawn([root.join("prog"), "30"]);
    await writeFile(here.join("prog"), "next version");
    expect(await run("put", "prog", ":prog")).toMatchObject({ status: 0 });
    expect(child.exitCode).toBe(null);
    child.kill();
    await child.exited;
    expect(await readFile(root.join("prog"), "utf8")).toBe("next version");
  });

  test("two puts to one path: every reader sees one whole version", async () => {
    const versions = ["a", "b"].map((letter) => Buffer.alloc(8 * MiB, letter));
    for (const [index, bytes] of versions.entries()) await writeFile(here.join(`v${index}`), bytes);
    await run("put", "v0", ":shared");
    const seen = new Set<string>();
    let going = true;
    const reader = (async () => {
      while (going) {
        const bytes = await readFile(root.join("shared"));
        seen.add(`${bytes.length} ${sha256(bytes)}`);
      }
    })();
    const puts = [0, 1, 0, 1, 0, 1].map((which) => run("put", `v${which}`, ":shared", "-q"));
    const ended = await Promise.all(puts);
    going = false;
    await reader;
    expect(ended.map(({ status }) => status)).toEqual([0, 0, 0, 0, 0, 0]);
    const whole = versions.map((bytes) => `${bytes.length} ${sha256(bytes)}`);
    expect([...seen].filter((version) => !whole.includes(version))).toEqual([]);
    expect(seen.size).toBeGreaterThan(0);
  });
});

describe("mode and time", () => {
  test("are the source's, both ways, and --chmod goes first", async () => {
    await writeFile(here.join("m"), "m");
    for (const mode of [0o640, 0o444, 0o600, 0o755]) {
      await chmod(here.join("m"), mode);
      await utimes(here.join("m"), 1_600_000_000.5, 1_600_000_000.5);
      expect(await run("put", "m", ":m")).toMatchObject({ status: 0 });
      const there = await stat(root.join("m"));
      expect([there.mode & 0o7777, Math.round(there.mtimeMs)]).toEqual([mode, 1_600_000_000_500]);
      expect(await run("get", ":m", "m-back")).toMatchObject({ status: 0 });
      const back = await stat(here.join("m-back"));
      expect([back.mode & 0o7777, Math.round(back.mtimeMs)]).toEqual([mode, 1_600_000_000_500]);
    }
    expect(await run("put", "m", ":m", "--chmod", "711")).toMatchObject({ status: 0 });
    expect((await stat(root.join("m"))).mode & 0o7777).toBe(0o711);
    expect(await run("put", "m", ":m", "--chmod", "4755")).toMatchObject({ status: 2 });
  });

  test("stand under the receiver's umask", async () => {
    await mkdir(here.join("umask"), { recursive: true });
    await writeFile(root.join("open"), "x");
    await chmod(root.join("open"), 0o666);
    await using get = await start(["get", ":open", "closed"], {
      home: here.path,
      env: { SOCK_JOIN: server.join },
      before: ["bash", "-c", `umask 077; exec "$@"`, "bash"],
    });
    expect(await get.ended()).toBe(0);
    expect((await stat(here.join("closed"))).mode & 0o777).toBe(0o600);
  });
});
