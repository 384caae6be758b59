import { describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { RESUME_BYTES } from "../../src/protocol/constants.ts";
import { codeAt, start } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { childEnv, resultOf, SOCK, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

/** More than the sockets and the relay hold, bytes. */
const SIZE = 40_000_000;
const OLD = "the old file";

/** A server, a folder of a client, a slow line between them, and a file of 40 MB at both ends. */
async function slowLine() {
  const stack = new AsyncDisposableStack();
  const root = stack.use(await temporaryFolder());
  const here = stack.use(await temporaryFolder());
  const server = stack.use(await serve({ args: [root.path] }));
  const relay = stack.use(await Relay.start(server.port));
  await writeFile(root.join("x"), OLD);
  await writeFile(here.join("x"), OLD);
  await writeFile(root.join("big"), Buffer.alloc(SIZE, "there"));
  await writeFile(here.join("big"), Buffer.alloc(SIZE, "here"));
  // a code that outlives the server's process
  const code = (await sock(["invite", "--direct"], { home: server.home })).stdout;
  const env = { SOCK_JOIN: codeAt(code, relay.port) };
  /** Starts a transfer and waits until enough of it to be kept has passed; then it stands still. */
  const begin = async (...args: string[]) => {
    for (const faults of Object.values(relay.faults)) faults.rate = 8_000_000;
    const child = stack.use(
      await start([...args, "--json", "--compress", "never"], { env, home: here.path }),
    );
    await until(() => relay.bytes.up + relay.bytes.down > 2_500_000, "the transfer");
    for (const faults of Object.values(relay.faults)) faults.stalled = true;
    return child;
  };
  const goOn = (): void => {
    for (const faults of Object.values(relay.faults)) [faults.stalled, faults.rate] = [false, Infinity];
  };
  const run = (...args: string[]) => sock(args, { env, home: here.path });
  return { root, here, server, relay, begin, goOn, run, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function litter(folder: { join(...names: string[]): string }): Promise<string[]> {
  return readdir(folder.join(".sock-partial")).catch(() => []);
}

/** Bytes of the file that is on its way. */
async function written(folder: { join(...names: string[]): string }): Promise<number> {
  const [name] = await litter(folder);
  return name === undefined ? 0 : (await stat(folder.join(".sock-partial", name))).size;
}

describe("a source that changes while it is sent fails, and nothing is published", () => {
  const CHANGES: [string, (path: string) => Promise<void>][] = [
    ["shrinks", (path) => truncate(path, SIZE - 1)],
    ["is emptied", (path) => truncate(path, 0)],
    ["grows", (path) => truncate(path, SIZE + 1)],
    [
      "is written over",
      async (path) => {
        await using file = await open(path, "r+");
        await file.write("changed", SIZE - 10);
      },
    ],
  ];
  for (const [what, change] of CHANGES) {
    for (const verb of ["put", "get"]) {
      test(`${verb}: ${what}`, async () => {
        await using line = await slowLine();
        const [from, to] = verb === "put" ? [line.here, line.root] : [line.root, line.here];
        const child = await (verb === "put"
          ? line.begin("put", "big", ":x")
          : line.begin("get", ":big", "x"));
        await change(from.join("big"));
        line.goOn();
        const status = await child.ended();
        expect([status, resultOf(child.stdout())]).toMatchObject([1, { code: "changed", files: 0 }]);
        expect(await readFile(to.join("x"), "utf8")).toBe(OLD);
        await until(async () => (await litter(to)).length === 0, "no litter");
      });
    }
  }

  test("one that is removed was open: all of it arrives, or nothing", async () => {
    await using line = await slowLine();
    const child = await line.begin("put", "big", ":x");
    await rm(line.here.join("big"));
    line.goOn();
    const status = await child.ended();
    const there = await readFile(line.root.join("x"));
    expect([status, there.length]).toBeOneOf([
      [0, SIZE],
      [1, OLD.length],
    ]);
  });
});

describe("killed in the middle", () => {
  for (const verb of ["put", "get"]) {
    const begin = verb === "put" ? ["put", "big", ":x"] : ["get", ":big", "x"];

    test(`${verb}: the client, by kill -9; the same command again works`, async () => {
      await using line = await slowLine();
      const to = verb === "put" ? line.root : line.here;
      const child = await line.begin(...begin);
      child.process.kill("SIGKILL");
      await child.ended();
      line.relay.cutAll();
      line.goOn();
      expect(await readFile(to.join("x"), "utf8")).toBe(OLD);
      expect((await readdir(to.path)).toSorted()).toEqual(expect.arrayContaining(["big", "x"]));
      if (verb === "put")
        await until(async () => line.server.stdout().includes('"cut"'), "the server's word");
      expect(await line.run(...begin)).toMatchObject({ status: 0 });
      expect((await readFile(to.join("x"))).length).toBe(SIZE);
      await until(async () => (await litter(to)).length === 0, "no litter");
    });

    test(`${verb}: the server, by kill -9, and it comes back: the same command goes on`, async () => {
      await using line = await slowLine();
      const to = verb === "put" ? line.root : line.here;
      const child = await line.begin(...begin);
      await line.server.stop("SIGKILL");
      expect(await readFile(to.join("x"), "utf8")).toBe(OLD);
      const { home, port } = line.server;
      await using back = await serve({ args: [line.root.path], home, listen: [`127.0.0.1:${port}`] });
      line.goOn();
      expect([await child.ended(), resultOf(child.stdout())]).toMatchObject([0, { files: 1, bytes: SIZE }]);
      expect(back.process.exitCode).toBe(null);
      expect((await readFile(to.join("x"))).length).toBe(SIZE);
      await until(async () => (await litter(to)).length === 0, "no litter");
    });

    test(`${verb}: the server, by kill -9; status 6`, async () => {
      await using line = await slowLine();
      const to = verb === "put" ? line.root : line.here;
      const child = await line.begin(...begin, "--retry", "0s");
      await line.server.stop("SIGKILL");
      line.goOn();
      expect(await child.ended()).toBe(6);
      expect(resultOf(child.stdout())).toMatchObject({ code: "lost", files: 0 });
      expect(await readFile(to.join("x"), "utf8")).toBe(OLD);
      const names = (await readdir(to.path)).filter((name) => name !== ".sock-partial" && name !== "sock");
      expect(names.toSorted()).toEqual(["big", "x"]);
    });

    for (const [signal, status] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      test(`${verb}: the client, by ${signal}: ${status}; what came is kept for the next run and for nothing else`, async () => {
        await using line = await slowLine();
        const to = verb === "put" ? line.root : line.here;
        const child = await line.begin(...begin);
        await until(async () => (await written(to)) >= RESUME_BYTES, "enough to keep");
        child.process.kill(signal);
        expect(await child.ended()).toBe(status);
        expect(await readFile(to.join("x"), "utf8")).toBe(OLD);
        line.goOn();
        await until(() => line.relay.open === 0, "the end of the connection");
        expect((await litter(to)).length).toBe(1);
        expect((await stat(to.join(".sock-partial"))).mode & 0o777).toBe(0o700);
        expect(await line.run(...begin)).toMatchObject({ status: 0 });
        expect((await readFile(to.join("x"))).length).toBe(SIZE);
        await until(async () => (await litter(to)).length === 0, "no litter");
      });
    }
  }
});

async function mount(path: string, size: string): Promise<boolean> {
  return (
    (await Bun.spawn(["mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path], { stderr: "ignore" })
      .exited) === 0
  );
}
const canMount = await (async () => {
  await using folder = await temporaryFolder();
  return (await mount(folder.path, "64k")) && (await Bun.spawn(["umount", folder.path]).exited) === 0;
})().catch(() => false);

// without the right to mount there is no small disk
test.skipIf(!canMount)(
  "a full disk there is status 8: old file intact, no litter, server alive",
  async () => {
    await using base = await temporaryFolder();
    await mkdir(base.join("disk"));
    expect(await mount(base.join("disk"), "4m")).toBe(true);
    try {
      await writeFile(base.join("disk", "x"), OLD);
      await writeFile(base.join("big"), Buffer.alloc(SIZE, "here"));
      await using server = await serve({ args: [base.join("disk")] });
      const env = { SOCK_JOIN: server.join };
      const known = await sock(["put", base.join("big"), ":x", "--json"], { env });
      expect(resultOf(known.stdout)).toMatchObject({ status: 8, code: "no-space" });
      // a stream says no length: only the writing finds out
      const stream = await sock(["put", "-", ":x", "--json"], { env, stdin: Bun.file(base.join("big")) });
      expect(resultOf(stream.stdout)).toMatchObject({ status: 8, code: "no-space" });
      expect(await readFile(base.join("disk", "x"), "utf8")).toBe(OLD);
      expect(await litter({ join: (...names) => base.join("disk", ...names) })).toEqual([]);
      expect(await sock(["put", "-", ":y"], { env, stdin: "fits" })).toMatchObject({ status: 0 });
      // and the same here
      const got = await sock(["get", ":x", "/dev/full", "--json"], { env });
      expect(got.status).not.toBe(0);
    } finally {
      await Bun.spawn(["umount", "-l", base.join("disk")]).exited;
    }
  },
);

test("a reader of stdout that is slow to begin gets every byte as it is", async () => {
  await using line = await slowLine();
  const bytes = randomBytes(SIZE);
  await writeFile(line.root.join("noise"), bytes);
  const script = `"$@" | { sleep 0.3; sha256sum; }; exit "\${PIPESTATUS[0]}"`;
  const child = Bun.spawn(["bash", "-c", script, "bash", SOCK, "get", ":noise", "-"], {
    env: childEnv(line.here.path, { SOCK_JOIN: line.server.join }),
    stdout: "pipe",
    stderr: "inherit",
  });
  const sum = await child.stdout.text();
  expect(sum).toStartWith(createHash("sha256").update(bytes).digest("hex"));
  expect(await child.exited).toBe(0);
});

test("progress is shown on a terminal and nowhere else", async () => {
  await using line = await slowLine();
  const env = { SOCK_JOIN: codeAt(line.server.join, line.relay.port) };
  line.relay.faults.up.rate = 8_000_000;
  await using shown = await start(["put", "big", ":p", "--compress", "never"], {
    env,
    home: line.here.path,
    terminal: true,
  });
  await until(() => line.relay.bytes.up > 4_000_000, "half a second of it");
  line.goOn();
  expect(await shown.ended()).toBe(0);
  expect(shown.stdout()).toMatch(/\[#+\.+\] +\d+ %/);
  await using quiet = await start(["put", "big", ":p"], { env, home: line.here.path });
  expect(await quiet.ended()).toBe(0);
  expect(quiet.stdout()).toBe("");
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  expect(quiet.stderr()).not.toMatch(/[\r\x1b]| %/);
}, 30_000);
