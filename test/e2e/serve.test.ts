import { describe, expect, test } from "bun:test";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { start } from "../helpers/child.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const LOOPBACK = ["--listen", "127.0.0.1:0"];

describe("first screen", () => {
  test("a terminal shows where, what, to whom, and a code that joins", async () => {
    await using folder = await temporaryFolder();
    await using client = await temporaryFolder();
    await mkdir(folder.join("logs"));
    const args = ["serve", `drop=${folder.path}`, `logs=${folder.join("logs")}:ro`, ...LOOPBACK];
    await using server = await start(args, { terminal: true });
    const code = await until(() => /sock join (sock1_\w+)\s/.exec(server.stdout())?.[1], "the join line");
    const screen = server.stdout();
    expect(screen).toMatch(/drop .*read and write.*free/);
    expect(screen).toMatch(/logs .*read only/);
    expect(screen).toMatch(/listens +127\.0\.0\.1:\d+/);
    expect(screen).toMatch(/allows +.*echo.*put.*get/);
    const joined = await sock(["join", code, "--as", "web1", "--json"], { home: client.path });
    expect(joined).toMatchObject({ status: 0, stderr: "" });
    await until(() => /join +\S+ +from 127\.0\.0\.1/.test(server.stdout()), "the line of the join");
    server.type("\x03");
    expect(await server.ended()).toBe(0);
  });

  test("without a terminal no code is shown; --join-file has it, for its owner only", async () => {
    await using folder = await temporaryFolder();
    const file = folder.join("code");
    await writeFile(file, "old", { mode: 0o644 });
    await using server = await start(["serve", folder.path, ...LOOPBACK, "--join-file", file]);
    const code = await until(
      async () =>
        /^sock1_\w+\n$/.exec(
          await Bun.file(file)
            .text()
            .catch(() => ""),
        )?.[0],
      "the code",
    );
    expect((await stat(file)).mode & 0o7777).toBe(0o600);
    await until(() => server.stderr().includes("listens"), "the screen");
    expect(server.stdout() + server.stderr()).not.toContain("sock1_");
    expect(await sock(["join"], { stdin: code })).toMatchObject({ status: 0 });

    await using quiet = await start(["serve", folder.path, ...LOOPBACK]);
    await until(() => quiet.stderr().includes("sock invite"), "the screen");
    expect(quiet.stdout() + quiet.stderr()).not.toContain("sock1_");
  });

  test("a home named on purpose is served with a warning; another folder without", async () => {
    await using home = await temporaryFolder();
    await using server = await start(["serve", ".", ...LOOPBACK], { home: home.path });
    await until(() => server.stderr().includes("warning"), "the warning");
    await mkdir(home.join("sub"));
    await using other = await start(["serve", "sub", ...LOOPBACK], { home: home.path });
    await until(() => other.stderr().includes("sock invite"), "the screen");
    expect(other.stderr()).not.toContain("warning");
  });
});

describe("listening", () => {
  test("--json: one event a listener, the last has a direct code", async () => {
    await using folder = await temporaryFolder();
    await using server = await serve({ args: [folder.path], listen: ["127.0.0.1:0", "[::1]:0"] });
    const listening = events(server.stdout());
    expect(listening).toEqual([
      { type: "listening", address: "127.0.0.1", port: server.port },
      { type: "listening", address: "::1", port: server.port, join: server.join },
    ]);
    const hosts = ["127.0.0.1", "[::1]"].map((host) => `${host}:${server.port}`);
    const invite = ["invite", "--direct", "--host"];
    for (const host of hosts) {
      const { stdout } = await sock([...invite, host], { home: server.home });
      expect(await sock(["echo", "-q", "--count", "1"], { env: { SOCK_JOIN: stdout } })).toMatchObject({
        status: 0,
      });
    }
  });

  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`its code ends with the server, also by ${signal}`, async () => {
      await using home = await temporaryFolder();
      await mkdir(home.join("drop"));
      const first = await serve({ home: home.path });
      const env = { SOCK_JOIN: first.join };
      expect(await sock(["echo", "--count", "1"], { env })).toMatchObject({ status: 0 });
      await first.stop(signal);
      await using second = await serve({ home: home.path, listen: [`127.0.0.1:${first.port}`] });
      const { stdout, status } = await sock(["echo", "--count", "1", "--json"], { env });
      expect({ status, code: resultOf(stdout)["code"] }).toEqual({ status: 4, code: "unknown" });
      expect(await sock(["echo", "--count", "1"], { env: { SOCK_JOIN: second.join } })).toMatchObject({
        status: 0,
      });
    });
  }

  test("what can't be listened on", async () => {
    await using folder = await temporaryFolder();
    const taken = createServer().listen(0, "127.0.0.1");
    await until(() => taken.listening);
    const address = taken.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const CASES: [string, number, string][] = [
      [`127.0.0.1:${port}`, 1, "port-in-use"],
      ["127.0.0.1:99999", 2, "usage"],
      ["192.0.2.1:0", 2, "usage"],
      ["", 2, "usage"],
      ["unix:", 2, "usage"],
    ];
    for (const [listen, status, code] of CASES) {
      const ran = await sock(["serve", folder.path, "--json", "--listen", listen]);
      expect([listen, ran.status, resultOf(ran.stdout)["code"]]).toEqual([listen, status, code]);
      expect(ran.stderr).toMatch(/^sock: [^\n]+\nsock: hint: [^\n]+\n$/);
    }
    taken.close();
  });
});

describe("folders", () => {
  test("several, one read-only", async () => {
    await using folder = await temporaryFolder();
    await mkdir(folder.join("a"));
    await mkdir(folder.join("b"));
    await writeFile(folder.join("b", "log"), "line\n");
    await using server = await serve({ args: [`in=${folder.join("a")}`, `out=${folder.join("b")}:ro`] });
    const env = { SOCK_JOIN: server.join };
    expect(await sock(["put", folder.join("b", "log"), ":in/x"], { env })).toMatchObject({ status: 0 });
    expect(await readFile(folder.join("a", "x"), "utf8")).toBe("line\n");
    expect(await sock(["get", ":out/log", "-"], { env })).toMatchObject({ status: 0, stdout: "line\n" });
    expect(await sock(["put", folder.join("b", "log"), ":out/y"], { env })).toMatchObject({ status: 4 });
    expect(await sock(["put", folder.join("b", "log"), ":other/y"], { env })).toMatchObject({ status: 7 });
    expect(await sock(["put", folder.join("b", "log"), ":y"], { env })).toMatchObject({ status: 7 });
    expect(await readdir(folder.join("b"))).toEqual(["log"]);
  });

  test("what can't be served", async () => {
    await using folder = await temporaryFolder();
    await writeFile(folder.join("file"), "");
    const CASES: [string[], number][] = [
      [[folder.join("missing")], 7],
      [[folder.join("file")], 2],
      [[`a=${folder.path}`, `a=${folder.path}`], 2],
      [[""], 2],
    ];
    for (const [dirs, status] of CASES) {
      const ran = await sock(["serve", ...dirs, ...LOOPBACK]);
      expect([dirs, ran.status]).toEqual([dirs, status]);
      expect(ran.stderr).toMatch(/^sock: [^\n]+\nsock: hint: [^\n]+\n$/);
    }
  });

  test("left out: the current one, but ./drop in a home and where the state folder is", async () => {
    await using home = await temporaryFolder();
    await using work = await temporaryFolder();
    await mkdir(work.join("plain"));
    const CASES: [string, Record<string, string>, string][] = [
      [home.path, {}, "drop/x"],
      [work.path, { SOCK_HOME: work.join("deep", "state") }, "drop/x"],
      [work.join("plain"), {}, "x"],
    ];
    for (const [cwd, env, lands] of CASES) {
      await using server = await serve({ home: home.path, cwd, env });
      const put = await sock(["put", "-", ":x"], { stdin: "here", env: { SOCK_JOIN: server.join } });
      expect(put).toMatchObject({ status: 0 });
      expect(await readFile(`${cwd}/${lands}`, "utf8")).toBe("here");
    }
  });

  test("the state folder is out of reach, however it is spelled", async () => {
    await using home = await temporaryFolder();
    await symlink("sock", home.join("link"));
    await mkdir(home.join("sub"));
    await symlink("../sock/server", home.join("sub", "deep"));
    await using server = await serve({ home: home.path, args: ["."] });
    const env = { SOCK_JOIN: server.join };
    const key = "server.key";
    const before = await readFile(home.join("sock", "server", key));
    for (const path of [
      "sock/server",
      "link/server",
      "sub/deep",
      "./sock/server",
      "sub/../sock/server",
      "sock//server",
    ]) {
      const get = await sock(["get", `:${path}/${key}`, "-"], { env });
      expect({ path, ...get }).toMatchObject({ path, status: 4, stdout: "" });
      const put = await sock(["put", "-", `:${path}/${key}`], { env, stdin: "mine" });
      expect({ path, ...put }).toMatchObject({ path, status: 4 });
      expect(await sock(["put", "-", `:${path}/new/x`], { env, stdin: "mine" })).toMatchObject({ status: 4 });
    }
    expect(await readFile(home.join("sock", "server", key))).toEqual(before);
    expect(await readdir(home.join("sock", "server"))).not.toContain("new");
    expect(await sock(["put", "-", ":sub/fine"], { env, stdin: "fine" })).toMatchObject({ status: 0 });
  });

  test("the state folder is closed to others, also when it was open", async () => {
    await using home = await temporaryFolder();
    await mkdir(home.join("sock", "server"), { recursive: true, mode: 0o755 });
    await using server = await serve({ home: home.path });
    const files = await readdir(`${server.home}/sock/server`, { recursive: true, withFileTypes: true });
    const open: string[] = [];
    for (const file of files) {
      const { mode } = await stat(`${file.parentPath}/${file.name}`);
      if ((mode & 0o077) !== 0) open.push(file.name);
    }
    expect({ open, folder: (await stat(home.join("sock", "server"))).mode & 0o777 }).toEqual({
      open: [],
      folder: 0o700,
    });
    expect(files.length).toBeGreaterThan(3);
  });
});
