import { describe, expect, test } from "bun:test";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { thisUser } from "../../src/os/user.ts";
import { codeAt } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

async function invite(server: Serving, ...args: string[]): Promise<string> {
  const ran = await sock(["invite", ...args], { home: server.home });
  expect(ran).toMatchObject({ status: 0 });
  return ran.stdout.trim();
}

async function join(code: string, home: string, ...args: string[]) {
  const ran = await sock(["join", "--json", ...args], { home, stdin: code });
  return { ...ran, result: resultOf(ran.stdout) };
}

/** Names and states of the keys that the server knows, but its own. */
async function keys(server: Serving): Promise<unknown[]> {
  const { stdout } = await sock(["clients", "--json"], { home: server.home });
  const list = resultOf(stdout)["clients"];
  return Array.isArray(list) ? list.filter(({ kind }) => kind === "key") : [];
}

describe("join", () => {
  test("invite | join, then all works by name, and by none", async () => {
    await using folder = await temporaryFolder();
    await using home = await temporaryFolder();
    await using server = await serve({ args: [folder.path] });
    const joined = await join(await invite(server), home.path, "--as", "web1");
    expect(joined.result).toMatchObject({
      status: 0,
      host: "web1",
      tcp: { works: true },
      udp: { works: true },
    });
    // without USER in the environment, as in a container or a timer's job, the user still has a name
    const user =
      thisUser()
        ?.name.toLowerCase()
        .replace(/[^a-z0-9._-]/g, "-") ?? "";
    expect(JSON.stringify(await keys(server))).toContain(`"name":"${user}-`);
    for (const host of [["web1"], ["WEB1"], []]) {
      expect(await sock(["echo", ...host, "--count", "1", "-q"], { home: home.path })).toMatchObject({
        status: 0,
      });
    }
    expect(await sock(["put", "-", "web1:x"], { home: home.path, stdin: "x" })).toMatchObject({ status: 0 });
    expect(await sock(["get", ":x", "-"], { home: home.path })).toMatchObject({ status: 0, stdout: "x" });
    expect(await sock(["echo", "web2", "hi"], { home: home.path })).toMatchObject({ status: 7 });
  });

  test("a second server of the same name is -2; --as takes a free name only; leave forgets", async () => {
    await using home = await temporaryFolder();
    await using one = await serve();
    await using two = await serve();
    const name = String((await join(await invite(one), home.path)).result["host"]);
    expect((await join(await invite(one), home.path)).result["host"]).toBe(name);
    expect((await join(await invite(two), home.path)).result["host"]).toBe(`${name}-2`);
    const taken = await join(await invite(two), home.path, "--as", name);
    expect(taken.result).toMatchObject({ status: 12, code: "exists" });
    const several = await sock(["echo", "--count", "1"], { home: home.path });
    expect(several.status).toBe(2);
    expect(several.stderr).toContain(`${name}-2`);
    expect(await sock(["leave", `${name}-2`], { home: home.path })).toMatchObject({ status: 0 });
    expect(await sock(["leave", `${name}-2`], { home: home.path })).toMatchObject({ status: 7 });
    expect(await sock(["echo", "--count", "1", "-q"], { home: home.path })).toMatchObject({ status: 0 });
    const { stdout } = await sock(["hosts", "--json"], { home: home.path });
    expect(resultOf(stdout)["hosts"]).toMatchObject([{ name }]);
  });

  test("--at, and hosts set address, lead elsewhere; the key still proves who answers", async () => {
    await using home = await temporaryFolder();
    await using server = await serve();
    await using other = await serve();
    const nowhere = codeAt(await invite(server), 1);
    expect((await join(nowhere, home.path)).status).toBe(6);
    const joined = await join(nowhere, home.path, "--at", `127.0.0.1:${server.port}`, "--as", "web1");
    expect(joined.result).toMatchObject({ status: 0 });
    const set = (port: number, name = "web1") =>
      sock(["hosts", "set", name, `address=127.0.0.1:${port}`], { home: home.path });
    const echo = async () => (await sock(["echo", "web1", "--count", "1"], { home: home.path })).status;
    expect(await set(other.port)).toMatchObject({ status: 0 });
    expect(await echo()).toBe(5);
    expect(await set(server.port, "WEB1")).toMatchObject({ status: 0 });
    expect(await echo()).toBe(0);
    expect((await sock(["hosts", "set", "web1", "address=x:99999"], { home: home.path })).status).toBe(2);
    expect((await sock(["hosts", "set", "web9", "address=x:1"], { home: home.path })).status).toBe(7);
  });

  test("a used-up code says when and from where", async () => {
    await using one = await temporaryFolder();
    await using two = await temporaryFolder();
    await using server = await serve();
    const code = await invite(server);
    expect((await join(code, one.path)).status).toBe(0);
    const late = await join(code, two.path);
    expect(late.result).toMatchObject({ status: 4, code: "used-up" });
    expect(late.stderr).toContain("127.0.0.1");
    expect(late.stderr).toContain(new Date().toISOString().slice(0, 11));
    expect((await sock(["hosts", "--json"], { home: two.path })).stdout).toContain('"hosts":[]');
  });

  test("of 50 at once with a code for one exactly one wins", async () => {
    await using server = await serve();
    await using folder = await temporaryFolder();
    const code = await invite(server);
    const homes = Array.from({ length: 50 }, (_, index) => folder.join(String(index)));
    for (const home of homes) await mkdir(home);
    const ran = await Promise.all(homes.map((home) => join(code, home)));
    const statuses = Object.groupBy(ran, ({ status }) => String(status));
    expect({ won: statuses["0"]?.length, used: statuses["4"]?.length }).toEqual({ won: 1, used: 49 });
    expect(await keys(server)).toHaveLength(1);
  }, 30_000);
});

describe("codes that don't fit", () => {
  test("a direct code can't join, an enrol code can't be used, and is not spent by that", async () => {
    await using home = await temporaryFolder();
    await using server = await serve();
    const direct = await join(await invite(server, "--direct"), home.path);
    expect(direct.result).toMatchObject({ status: 2, hint: expect.stringContaining("SOCK_JOIN") });
    const code = await invite(server);
    for (const verb of [["echo"], ["put", "-", ":x"], ["get", ":x", "x"]]) {
      const enrol = await sock([...verb, "--json"], { env: { SOCK_JOIN: code }, stdin: "x" });
      expect(resultOf(enrol.stdout)).toMatchObject({ status: 4, hint: expect.stringContaining("--direct") });
    }
    expect((await join(code, home.path)).status).toBe(0);
  });

  test("cut, changed: status 2, and not a piece of it is repeated; broken over lines: works", async () => {
    await using home = await temporaryFolder();
    await using server = await serve();
    const code = await invite(server);
    const changed = (at: number): string =>
      code.slice(0, at) + (code[at] === "x" ? "y" : "x") + code.slice(at + 1);
    for (const bad of [
      code.slice(0, -1),
      code.slice(0, 40),
      changed(20),
      changed(code.length - 1),
      "sock1_",
      "hello",
    ]) {
      const ran = await join(bad, home.path);
      expect([bad, ran.result]).toMatchObject([bad, { status: 2, code: "usage", hint: expect.any(String) }]);
      if (bad.length > 20) expect(ran.stdout + ran.stderr).not.toContain(bad.slice(6, 20));
    }
    const half = code.length >> 1;
    const broken = `sock join ${code.slice(0, half)}\n  ${code.slice(half)}\n`;
    expect((await join(broken, home.path)).status).toBe(0);
    const words = (await invite(server)).match(/.{1,60}/g) ?? [];
    expect(await sock(["join", ...words], { home: home.path })).toMatchObject({ status: 0 });
  });

  test("from the environment", async () => {
    await using home = await temporaryFolder();
    await using server = await serve();
    const direct = await invite(server, "--direct");
    await writeFile(home.join("code"), `  ${direct}\n\n`);
    const echo = async (env: Record<string, string>, ...host: string[]) => {
      const ran = await sock(["echo", ...host, "--count", "1", "--json"], { env });
      return resultOf(ran.stdout);
    };
    expect(await echo({ SOCK_JOIN: `export SOCK_JOIN="${direct}"\r\n` })).toMatchObject({ status: 0 });
    expect(await echo({ SOCK_JOIN_FILE: home.join("code") })).toMatchObject({ status: 0 });
    expect(await echo({ SOCK_JOIN_EU: direct }, "eu")).toMatchObject({ status: 0, host: "eu" });
    expect(await echo({ SOCK_JOIN_WEB_1: direct }, "web-1")).toMatchObject({ status: 0, host: "web-1" });
    expect(await echo({ SOCK_JOIN_EU: "" }, "eu")).toMatchObject({ status: 4, code: "no-code" });
    expect(await echo({ SOCK_JOIN_FILE: home.join("code") }, "file")).toMatchObject({ status: 7 });
    expect(await echo({ SOCK_JOIN_FILE: home.join("none") })).toMatchObject({ status: 7 });
    expect(await echo({ SOCK_JOIN: "" })).toMatchObject({
      status: 4,
      code: "no-code",
      hint: expect.stringContaining("fork"),
    });
    expect(await echo({})).toMatchObject({
      status: 4,
      code: "no-code",
      hint: expect.stringContaining("sock join"),
    });
  });
});

test("a join that is cut anywhere can be repeated with the same code, and there is one key", async () => {
  await using server = await serve();
  await using relay = await Relay.start(server.port);
  await using whole = await temporaryFolder();
  expect((await join(codeAt(await invite(server), relay.port), whole.path)).status).toBe(0);
  const lengths = { up: relay.bytes.up, down: relay.bytes.down };
  let known = (await keys(server)).length;
  let cut = 0;
  for (const direction of ["up", "down"] as const) {
    for (let part = 1; part <= 12; part += 1) {
      await using home = await temporaryFolder();
      const code = codeAt(await invite(server), relay.port);
      // two connections in one join: the limit is each one's
      relay.faults[direction].cutAfter = Math.ceil((lengths[direction] / 2) * (part / 12));
      const first = await join(code, home.path);
      relay.faults[direction].cutAfter = Infinity;
      if (first.status !== 0) cut += 1;
      const again = first.status === 0 ? first : await join(code, home.path);
      expect([direction, part, first.status, again.result]).toMatchObject([
        direction,
        part,
        first.status === 0 ? 0 : 6,
        { status: 0 },
      ]);
      expect(await sock(["echo", "--count", "1", "-q"], { home: home.path })).toMatchObject({ status: 0 });
      known += 1;
      expect(await keys(server)).toHaveLength(known);
    }
  }
  expect(cut).toBeGreaterThan(12);
}, 60_000);

test("a join that is cut while it tries its new key can be repeated, and there is one key", async () => {
  await using home = await temporaryFolder();
  await using server = await serve();
  await using relay = await Relay.start(server.port);
  const code = codeAt(await invite(server), relay.port);
  relay.faults.down.delayMs = 50;
  const first = join(code, home.path);
  await until(() => relay.accepted === 2, "the second connection");
  relay.faults.down.cutAfter = 0;
  expect((await first).status).toBe(6);
  relay.faults.down.cutAfter = Infinity;
  expect((await join(code, home.path)).result).toMatchObject({ status: 0 });
  expect(await keys(server)).toHaveLength(1);
  expect(await readdir(home.join("sock", "client", "pending"))).toEqual([]);
});

test("local is the server of this user on this machine", async () => {
  await using server = await serve();
  const echo = () => sock(["echo", "local", "hi"], { home: server.home });
  expect(await echo()).toMatchObject({ status: 0, stdout: "hi\n" });
  expect(await sock(["echo", "local", "hi"])).toMatchObject({ status: 7, stdout: "" });
  await server.stop();
  expect(await echo()).toMatchObject({ status: 7, stdout: "" });
});
