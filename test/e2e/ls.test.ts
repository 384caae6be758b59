import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, lutimes, mkdir, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { start } from "../helpers/child.ts";
import { events, resultOf, SOCK, sock } from "../helpers/run.ts";
import { scriptedClient } from "../helpers/scripted.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

let base: TemporaryFolder;
let server: Serving;
const TIME = 1_700_000_000;

beforeAll(async () => {
  base = await temporaryFolder();
  const at = (...names: string[]): string => base.join("root", ...names);
  await mkdir(at("sub", "deep"), { recursive: true });
  await mkdir(at("empty"));
  await mkdir(base.join("outside"));
  await writeFile(base.join("outside", "victim"), "precious");
  await writeFile(at("a.txt"), "12345");
  await writeFile(at("big.bin"), "");
  await truncate(at("big.bin"), 5_000_000_000);
  await writeFile(at("sub", "deep", "y"), "y");
  await writeFile(at("sub", "x"), "x");
  await symlink("a.txt", at("link"));
  await symlink("sub", at("to-sub"));
  await symlink("../outside", at("out"));
  await symlink("nowhere", at("dangling"));
  await symlink("loop", at("loop"));
  await mkdir(at(".sock-partial"));
  await writeFile(at(".sock-partial", "part"), "half");
  await chmod(at("a.txt"), 0o640);
  await utimes(at("a.txt"), TIME, TIME);
  await lutimes(at("link"), TIME, TIME);
  server = await serve({ args: [at()] });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await base[Symbol.asyncDispose]();
});

const run = (...args: string[]) => sock(["ls", ...args], { env: { SOCK_JOIN: server.join, TZ: "UTC" } });
const lines = async (...args: string[]): Promise<string[]> => {
  const ran = await run(...args);
  expect({ args, status: ran.status, stderr: ran.stderr }).toEqual({ args, status: 0, stderr: "" });
  return ran.stdout.split("\n").slice(0, -1);
};
const TOP = ["a.txt", "big.bin", "dangling", "empty/", "link", "loop", "out", "sub/", "to-sub"];

describe("what is there", () => {
  test("names, one a line, folders with a slash, sorted; nothing of sock's own", async () => {
    expect(await lines()).toEqual(TOP);
    expect(await lines(":")).toEqual(TOP);
    expect(await lines(":sub")).toEqual(["deep/", "x"]);
    expect(await lines(":sub/")).toEqual(["deep/", "x"]);
    expect(await lines(":empty")).toEqual([]);
    expect(await lines(":a.txt")).toEqual(["a.txt"]);
    expect(await lines(":sub/deep/y")).toEqual(["sub/deep/y"]);
  });

  test("-R: what is below too, each folder before its own; links are not entered", async () => {
    const all = await lines("-R");
    expect(all).toEqual(
      TOP.flatMap((name) => (name === "sub/" ? ["sub/", "sub/deep/", "sub/deep/y", "sub/x"] : name)),
    );
    expect(await lines("-R", ":sub")).toEqual(["deep/", "deep/y", "x"]);
  });

  test("-l: mode, size, time, name, and where a link leads", async () => {
    const long = await lines("-l");
    expect(long[0]).toBe("-rw-r-----      5 B  2023-11-14 22:13  a.txt");
    expect(long[1]).toMatch(/^-rw-r--r--   5\.0 GB  \d{4}-\d\d-\d\d \d\d:\d\d  big\.bin$/);
    expect(long[3]).toMatch(/^drwxr-xr-x        -  .*  empty\/$/);
    expect(long[4]).toBe("lrwxrwxrwx        -  2023-11-14 22:13  link -> a.txt");
    expect(long[6]).toMatch(/ {2}out -> \.\.\/outside$/);
    expect((await lines("-l", "--bytes"))[1]).toMatch(/^-rw-r--r-- {5}5000000000 {2}/);
  });

  test("a link that is asked for: a folder inside is listed, any other link is itself", async () => {
    expect(await lines(":to-sub")).toEqual(["deep/", "x"]);
    for (const name of ["link", "out", "dangling", "loop"]) expect(await lines(`:${name}`)).toEqual([name]);
  });

  test("--json: exact fields, and a result at the end", async () => {
    const { stdout, status } = await run("--json", "-R");
    expect(status).toBe(0);
    const all = events(stdout);
    expect(all[0]).toEqual({
      type: "item",
      path: "a.txt",
      kind: "file",
      size: 5,
      mtime_us: TIME * 1e6,
      mode: "0640",
    });
    expect(all.find(({ path }) => path === "big.bin")).toMatchObject({ size: 5_000_000_000 });
    expect(all.find(({ path }) => path === "link")).toMatchObject({
      kind: "link",
      target: "a.txt",
      mode: "0777",
    });
    expect(all.find(({ path }) => path === "sub/deep/y")).toMatchObject({ kind: "file", size: 1 });
    expect(all.at(-1)).toMatchObject({ type: "result", status: 0, items: all.length - 1, failed: 0 });
    // a path below what is served, whatever was asked for
    const below = events((await run("--json", ":sub/deep/")).stdout);
    expect(below.map(({ path }) => path)).toEqual(["sub/deep/y", undefined]);
  });
});

describe("what must not be seen", () => {
  test("nothing outside, and no word about it but the link itself", async () => {
    for (const path of [
      ":out/",
      ":out/victim",
      ":loop/",
      ":../outside",
      ":..",
      ":sub/../..",
      ":a//b",
      ":./a.txt",
    ]) {
      const ran = await run("--json", path);
      expect([path, ran.status]).toEqual([path, 4]);
      expect(ran.stdout).not.toContain('victim"');
    }
    expect((await run(":/etc")).status).toBe(2);
    expect((await run("-R")).stdout).not.toContain("victim");
  });

  test("the folder of partial files, by any spelling", async () => {
    for (const path of [":.sock-partial", ":.sock-partial/", ":.SOCK-PARTIAL", ":.sock-partial/part"]) {
      expect([path, (await run(path)).status]).toEqual([path, 4]);
    }
    expect((await run(":.*")).status).toBe(7);
    expect((await run("-R")).stdout).not.toContain("part");
  });

  test("the state folder, where it lies in what is served", async () => {
    await using home = await temporaryFolder();
    await mkdir(home.join("sock"));
    await writeFile(home.join("file"), "");
    await symlink("sock", home.join("alias"));
    await using other = await serve({ args: [home.path], home: home.path });
    const there = (...args: string[]) => sock(["ls", ...args], { env: { SOCK_JOIN: other.join } });
    expect((await there("-R")).stdout).toBe("alias\nfile\n");
    for (const path of [":sock", ":sock/", ":sock/server", ":alias/", ":alias/server", ":{sock,x}"]) {
      expect([path, (await there(path)).status]).toEqual([path, 4]);
    }
    expect((await there(":s*")).status).toBe(7);
  });
});

describe("what fails", () => {
  test("not found is 7, a file taken for a folder 1, words too many 2", async () => {
    expect(resultOf((await run(":none", "--json")).stdout)).toMatchObject({ status: 7, code: "not-found" });
    expect(resultOf((await run(":none/x", "--json")).stdout)).toMatchObject({ status: 7 });
    expect(resultOf((await run(":a.txt/", "--json")).stdout)).toMatchObject({
      status: 1,
      code: "not-folder",
    });
    expect(resultOf((await run(":a.txt/x", "--json")).stdout)).toMatchObject({
      status: 1,
      code: "not-folder",
    });
    expect((await run(":", ":")).status).toBe(2);
    expect((await run("./local")).status).toBe(2);
  });

  test("a key without the capability is told so, by the client and by the server", async () => {
    const code = await sock(["invite", "--direct", "--name", "ci", "--allow", "get"], { home: server.home });
    const ran = await sock(["ls", "--json"], { env: { SOCK_JOIN: code.stdout } });
    expect(resultOf(ran.stdout)).toMatchObject({ status: 4, code: "capability" });
    expect(resultOf(ran.stdout)["hint"]).toBe(
      "on the server: sock clients allow ci ls, or a new code with --allow ls",
    );
    using client = await scriptedClient(code.stdout);
    // the request is refused, the session goes on
    for (const path of ["", "none", "../x"]) {
      client.send({ type: "ls", path });
      expect(await client.next()).toMatchObject({ type: "error", code: "capability" });
    }
  });

  test("a key with a scope sees that, and nothing else", async () => {
    const code = await sock(["invite", "--direct", "--name", "scoped", "--allow", "ls", "--scope", "sub"], {
      home: server.home,
    });
    const there = (...args: string[]) => sock(["ls", ...args], { env: { SOCK_JOIN: code.stdout } });
    expect((await there("-R")).stdout).toBe("deep/\ndeep/y\nx\n");
    expect((await there(":deep")).stdout).toBe("y\n");
    expect((await there(":**")).stdout).toBe("deep/\ndeep/y\nx\n");
    for (const path of [":sub", ":a.txt", ":sub/x"])
      expect([path, (await there(path)).status]).toEqual([path, 7]);
    for (const path of [":..", ":../a.txt", ":../*"])
      expect([path, (await there(path)).status]).toEqual([path, 4]);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "a folder that can't be read is named, the rest goes on: 10",
    async () => {
      await using home = await temporaryFolder();
      for (const name of ["data/a/x", "data/closed/x", "data/half/x", "data/z/x"]) {
        await mkdir(home.join(name), { recursive: true });
      }
      await chmod(home.path, 0o777);
      await chmod(home.join("data", "closed"), 0);
      // its names can be read, and nothing about them
      await chmod(home.join("data", "half"), 0o744);
      await Bun.write(home.join("sock-bin"), Bun.file(SOCK));
      await chmod(home.join("sock-bin"), 0o755);
      const before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
      await using other = await start(["serve", "data", "--listen", "127.0.0.1:0", "--json"], {
        home: home.path,
        bin: home.join("sock-bin"),
        before,
      });
      const env = { SOCK_JOIN: await until(() => /"join":"(\w+)"/.exec(other.stdout())?.[1], "the code") };
      const words = await sock(["ls", "-R"], { env });
      expect(words.stdout).toBe("a/\na/x/\nclosed/\nhalf/\nhalf/x\nz/\nz/x/\n");
      expect(words.status).toBe(10);
      expect(words.stderr).toContain("closed: could not be read (permission)");
      const { stdout } = await sock(["ls", "-R", "--json"], { env });
      expect(resultOf(stdout)).toMatchObject({ status: 10, code: "some-failed", items: 7, failed: 2 });
      const bad = events(stdout).filter(({ error }) => error !== undefined);
      expect(bad).toEqual([
        expect.objectContaining({ path: "closed", kind: "folder", mode: "0000", error: "permission" }),
        expect.objectContaining({
          path: "half/x",
          kind: "other",
          size: null,
          mode: null,
          error: "permission",
        }),
      ]);
      // without -R nobody looks into it; asked for itself it is the answer
      expect((await sock(["ls"], { env })).status).toBe(0);
      expect(resultOf((await sock(["ls", ":closed", "--json"], { env })).stdout)).toMatchObject({
        status: 1,
        code: "permission",
      });
    },
  );
});

describe("several folders", () => {
  test("are what an empty path lists; each is listed by its name", async () => {
    await using named = await serve({ args: [`b=${base.join("root")}`, `a=${base.join("outside")}:ro`] });
    const there = (...args: string[]) => sock(["ls", ...args], { env: { SOCK_JOIN: named.join } });
    expect((await there()).stdout).toBe("a/\nb/\n");
    expect((await there(":a")).stdout).toBe("victim\n");
    expect((await there(":a/victim")).stdout).toBe("a/victim\n");
    expect((await there(":b/sub")).stdout).toBe("deep/\nx\n");
    expect((await there(":*/*i*")).stdout).toBe("a/victim\nb/big.bin\nb/dangling\nb/link\n");
    expect((await there("-R")).stdout).toStartWith("a/\na/victim\nb/\nb/a.txt\n");
    expect((await there(":c")).status).toBe(7);
    expect((await there(":a/../b")).status).toBe(4);
  });
});
