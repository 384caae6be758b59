import { describe, expect, test } from "bun:test";
import { chmod, chown, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { codeAt, start } from "../helpers/child.ts";
import { SOCK, resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

async function direct(server: Serving, ...args: string[]): Promise<Record<string, string>> {
  const ran = await sock(["invite", "--direct", ...args], { home: server.home });
  expect(ran).toMatchObject({ status: 0 });
  return { SOCK_JOIN: ran.stdout };
}

const isRoot = process.getuid?.() === 0;

describe("a key", () => {
  test("with a scope stays in its folder, which is the root for it", async () => {
    await using folder = await temporaryFolder();
    await mkdir(folder.join("a", "in"), { recursive: true });
    await mkdir(folder.join("b"));
    await writeFile(folder.join("b", "victim"), "untouched");
    await symlink("../b", folder.join("a", "out"));
    await symlink("in", folder.join("a", "within"));
    await using server = await serve({ args: [folder.path] });
    const env = await direct(server, "--scope", "a");
    const put = async (path: string) => (await sock(["put", "-", `:${path}`], { env, stdin: "mine" })).status;
    expect(await put("x")).toBe(0);
    expect(await put("within/y")).toBe(0);
    expect(await readFile(folder.join("a", "x"), "utf8")).toBe("mine");
    expect(await readFile(folder.join("a", "in", "y"), "utf8")).toBe("mine");
    for (const path of ["../b/victim", "out/victim", "out/new", "in/../../b/victim"]) {
      expect([path, await put(path)]).toEqual([path, 4]);
      const got = await sock(["get", `:${path}`, "-"], { env });
      expect([path, got.status, got.stdout]).toEqual([path, 4, ""]);
    }
    // the names that others use are names inside the scope
    expect((await sock(["get", ":b/victim", "-"], { env })).status).toBe(7);
    expect(await readFile(folder.join("b", "victim"), "utf8")).toBe("untouched");
    expect(await readdir(folder.join("b"))).toEqual(["victim"]);
  });

  test.skipIf(process.platform !== "linux")(
    "with a range is refused from elsewhere, and told why",
    async () => {
      await using server = await serve();
      const env = await direct(server, "--cidr", "127.0.0.2/32");
      const ran = await sock(["echo", "--count", "1", "--json"], { env });
      expect(resultOf(ran.stdout)).toMatchObject({ status: 4, code: "wrong-address" });
      const near = await direct(server, "--cidr", "10.0.0.0/8,127.0.0.0/30");
      expect((await sock(["echo", "--count", "1"], { env: near })).status).toBe(0);
      expect((await sock(["invite", "--cidr", "127.0.0.1/33"], { home: server.home })).status).toBe(2);
    },
  );

  test("expires", async () => {
    await using server = await serve();
    const env = await direct(server, "--ttl", "1s");
    const echo = async () => resultOf((await sock(["echo", "--count", "1", "--json"], { env })).stdout);
    expect(await echo()).toMatchObject({ status: 0 });
    expect(await until(async () => (await echo())["code"])).toBe("expired");
    await using home = await temporaryFolder();
    const code = (await sock(["invite", "--ttl", "1s"], { home: server.home })).stdout;
    await Bun.sleep(1001); // the time that it is valid is the condition
    const late = await sock(["join", "--json"], { stdin: code, home: home.path });
    expect(resultOf(late.stdout)).toMatchObject({ status: 4, code: "expired" });
  });

  test("counts runs, not connections", async () => {
    await using server = await serve();
    const env = await direct(server, "--uses", "2");
    const echo = () => sock(["echo", "--count", "20", "--conns", "5", "--json"], { env });
    expect([(await echo()).status, (await echo()).status]).toEqual([0, 0]);
    expect(resultOf((await echo()).stdout)).toMatchObject({ status: 4, code: "used-up" });
  });

  test("of 50 runners that start together serves all of them", async () => {
    await using server = await serve();
    const env = await direct(server);
    const ran = await Promise.all(
      Array.from({ length: 50 }, () => sock(["echo", "--count", "5", "--json"], { env })),
    );
    expect(ran.map(({ status }) => status)).toEqual(ran.map(() => 0));
  }, 30_000);
});

test("secrets are in no output, no argument, no environment of others", async () => {
  await using home = await temporaryFolder();
  await using server = await serve();
  const codes = [server.join];
  for (const args of [["--direct"], [], []]) {
    codes.push((await sock(["invite", ...args], { home: server.home })).stdout.trim());
  }
  const said: string[] = [];
  const run = async (args: string[], env: Record<string, string> = {}, stdin = "") => {
    const ran = await sock([...args, "-v", "-v"], { home: home.path, env, stdin });
    said.push(ran.stdout, ran.stderr);
  };
  const [, code = "", enrol = "", other = ""] = codes;
  await run(["echo", "--count", "2"], { SOCK_JOIN: code });
  await run(["echo", "--count", "2", "--json"], { SOCK_JOIN: codeAt(code, 1) });
  await run(["echo", "--count", "2", "--json"], { SOCK_JOIN: enrol });
  await run(["join", "--json"], {}, enrol);
  await run(["join"], {}, other.slice(0, -2));
  await run(["hosts", "--json"]);
  await run(["hosts"]);
  const list = await sock(["clients", "--json"], { home: server.home });
  const cmdline =
    process.platform === "linux" ? await readFile(`/proc/${server.process.pid}/cmdline`, "utf8") : "";
  const listening = server
    .stdout()
    .split("\n")
    .filter((line) => !line.includes('"join"'));
  const all = [...said, list.stdout, cmdline, ...listening, server.stderr()].join("\n");
  const host = await readFile(
    home.join("sock", "client", "hosts", (await readdir(home.join("sock", "client", "hosts")))[0] ?? ""),
    "utf8",
  );
  const { secret } = JSON.parse(host) as { secret: string };
  expect(secret).toHaveLength(44);
  expect(all.length).toBeGreaterThan(1000);
  for (const word of [secret, ...codes.map((one) => one.slice(10, 40))]) expect(all).not.toContain(word);
});

describe("a pair for containers", () => {
  async function pair(port: number, ...args: string[]) {
    const ran = await sock(["invite", "--pair", "--host", `127.0.0.1:${port}`, ...args]);
    expect(ran.status).toBe(0);
    return Object.fromEntries(
      ran.stdout
        .trim()
        .split("\n")
        .map((line) => line.split(/=(.*)/s, 2) as [string, string]),
    );
  }

  /** A port that was free a moment ago. */
  async function freePort(): Promise<number> {
    await using server = await serve();
    return server.port;
  }

  test.skipIf(!isRoot)("serves with a home that nobody can write, and writes nothing", async () => {
    await using home = await temporaryFolder();
    const port = await freePort();
    const { SOCK_SERVE = "", SOCK_JOIN = "" } = await pair(port, "--allow", "echo,put");
    await mkdir(home.join("data"));
    await chown(home.join("data"), 65_534, 65_534);
    await mkdir(home.join("bin"));
    await Bun.write(home.join("bin", "sock"), Bun.file(SOCK));
    await chmod(home.join("bin", "sock"), 0o755);
    await chmod(home.path, 0o555);
    await using server = await start(["serve", home.join("data"), "--listen", `127.0.0.1:${port}`], {
      home: home.path,
      env: { SOCK_SERVE },
      bin: home.join("bin", "sock"),
      before: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
    });
    const env = { SOCK_JOIN, HOME: "/nonexistent" };
    expect(await sock(["echo", "--ready", "5s", "--count", "3", "-q"], { env })).toMatchObject({ status: 0 });
    expect(await sock(["put", "-", ":x"], { env, stdin: "stateless" })).toMatchObject({ status: 0 });
    const get = await sock(["get", ":x", "-", "--json"], { env });
    expect(get.status).toBe(2);
    expect((await sock(["get", ":x", "-"], { env })).status).toBe(4);
    expect(server.stdout() + server.stderr()).not.toContain("sock1_");
    server.process.kill("SIGTERM");
    expect(await server.ended()).toBe(0);
    expect((await readdir(home.path)).toSorted()).toEqual(["bin", "data"]);
    expect(await readdir(home.join("data"))).toEqual(["x"]);
  });

  test("the client writes nothing either, and each half is refused in the other's place", async () => {
    await using home = await temporaryFolder();
    const port = await freePort();
    const { SOCK_SERVE = "", SOCK_JOIN = "" } = await pair(port);
    await mkdir(home.join("data"));
    await using server = await start(["serve", "data", "--listen", `127.0.0.1:${port}`], {
      home: home.path,
      env: { SOCK_SERVE },
    });
    await using client = await temporaryFolder();
    const ran = await sock(["echo", "--ready", "5s", "--count", "3", "-q"], {
      home: client.path,
      env: { SOCK_JOIN },
    });
    expect(ran).toMatchObject({ status: 0 });
    expect([await readdir(client.path), await readdir(home.path)]).toEqual([[], ["data"]]);
    expect(server.process.exitCode).toBe(null);
    expect(await sock(["echo"], { env: { SOCK_JOIN: SOCK_SERVE } })).toMatchObject({ status: 2 });
    expect(await sock(["serve", "."], { env: { SOCK_SERVE: SOCK_JOIN } })).toMatchObject({ status: 2 });
  });
});
