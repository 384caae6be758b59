import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { DRAIN_MS } from "../../src/protocol/constants.ts";
import { codeAt, start } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { scriptedClient } from "../helpers/scripted.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { openDescriptors, processesWith, shellServer } from "../helpers/shell.ts";
import { HAS_TMUX, screen } from "../helpers/tmux.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

/** Of an echo, bytes. */
const BODY = 256 * 1024;

/** A put of 2 MB that stands still after its first bytes, until the relay lets it go on. */
async function slowPut(server: Serving, client: TemporaryFolder, relay: Relay, ...more: string[]) {
  await writeFile(client.join("big"), Buffer.alloc(2_000_000, "slow"));
  relay.faults.up.rate = 400_000;
  const env = { SOCK_JOIN: codeAt(server.join, relay.port) };
  const put = await start(["put", "big", ":big", "--json", "--compress", "never", ...more], {
    env,
    home: client.path,
  });
  await until(() => relay.bytes.up > 100_000, "the transfer");
  return put;
}

describe("a server that is told to stop", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`ends at once when it is idle, with 0 (${signal})`, async () => {
      await using server = await serve();
      const began = performance.now();
      expect(await server.stop(signal)).toBe(0);
      expect(performance.now() - began).toBeLessThan(2000);
      expect(resultOf(server.stdout())).toMatchObject({ status: 0, sessions_cut: 0 });
      expect(await readdir(`${server.home}/sock/server/live`)).toEqual([]);
    });
  }

  test("lets a transfer finish, refuses new ones, and tells a client that waits", async () => {
    await using folder = await temporaryFolder();
    await using client = await temporaryFolder();
    await using server = await serve({ args: [folder.path] });
    await using relay = await Relay.start(server.port);
    await using put = await slowPut(server, client, relay);
    const env = { SOCK_JOIN: server.join };
    await using idle = await start(["echo", "--json"], { pipe: true, env });
    if (typeof idle.process.stdin === "object") void idle.process.stdin.write("one\n");
    await until(() => idle.stdout().includes("one"), "the idle session");

    server.process.kill("SIGTERM");
    await until(
      async () => (await sock(["echo", "--count", "1", "--json"], { env })).status === 6,
      "the refusal",
    );
    if (typeof idle.process.stdin === "object") void idle.process.stdin.write("two\n");
    expect(await idle.ended()).toBe(6);
    expect(resultOf(idle.stdout())).toMatchObject({ code: "draining" });
    relay.faults.up.rate = Infinity;
    expect(await put.ended()).toBe(0);
    expect(await server.process.exited).toBe(0);
    expect((await stat(folder.join("big"))).size).toBe(2_000_000);
  });

  test("has sent all of its answers first, also to a client that is slow to read them", async () => {
    await using server = await serve();
    await using relay = await Relay.start(server.port);
    using peer = await scriptedClient(codeAt(server.join, relay.port));
    const { connection } = peer.channel;
    relay.faults.down.stalled = true;
    let seq = 0;
    // more than the kernel and the server hold
    const isStill = async (): Promise<boolean> => {
      for (; !connection.congested; seq++) peer.send({ type: "echo", size: BODY, seq }, new Uint8Array(BODY));
      const { queued } = connection;
      await Bun.sleep(300);
      return connection.queued === queued;
    };
    await until(isStill, "a server that waits for its client");
    server.process.kill("SIGTERM");
    await until(
      async () => (await sock(["echo", "--count", "1"], { env: { SOCK_JOIN: server.join } })).status === 6,
      "the refusal",
    );
    relay.faults.down.stalled = false;
    relay.faults.down.rate = 20_000_000;
    const seen = await peer.until();
    expect(seen.map(({ seq }) => seq)).toEqual([...seen.slice(1).keys(), undefined]);
    expect(seen.at(-1)?.type).toBe("closing");
    expect(await server.process.exited).toBe(0);
    expect(resultOf(server.stdout())).toMatchObject({ status: 0, sessions_cut: 0 });
  });

  test("begins nothing for one that was only on its way", async () => {
    await using folder = await temporaryFolder();
    await using client = await temporaryFolder();
    await using server = await serve({ args: [folder.path] });
    await using relay = await Relay.start(server.port);
    await using put = await slowPut(server, client, relay);
    await using late = await Relay.start(server.port);
    late.faults.up.stalled = true;
    const { pid } = server.process;
    const before = openDescriptors(pid);
    const env = { SOCK_JOIN: codeAt(server.join, late.port) };
    await using echo = await start(["echo", "--count", "1", "--json"], { env });
    await until(() => openDescriptors(pid) > before, "its connection");
    server.process.kill("SIGTERM");
    await until(
      async () => (await sock(["echo"], { env: { SOCK_JOIN: server.join } })).status === 6,
      "the refusal",
    );
    late.faults.up.stalled = false;
    expect(await echo.ended()).toBe(6);
    expect(resultOf(echo.stdout())).toMatchObject({ code: "draining" });
    relay.faults.up.rate = Infinity;
    expect(await put.ended()).toBe(0);
    expect(await server.process.exited).toBe(0);
  });

  test("an answer on a slow line arrives whole, though nothing is asked any more", async () => {
    await using folder = await temporaryFolder();
    await using server = await serve({ args: [folder.path] });
    for (let n = 0; n < 6000; n++) writeFileSync(folder.join(`a name of some length ${n}`), "");
    await using relay = await Relay.start(server.port);
    relay.faults.down.rate = 150_000;
    const env = { SOCK_JOIN: codeAt(server.join, relay.port) };
    await using list = await start(["ls", ":", "--json"], { env });
    await until(() => relay.bytes.down > 50_000, "the beginning of the list");
    expect(await server.stop("SIGTERM")).toBe(0);
    expect(await list.ended()).toBe(0);
    expect(list.stdout().split("\n").length).toBeGreaterThan(6000);
  });

  test("leaves at once at the second signal; the client hears it, and nothing is published", async () => {
    await using folder = await temporaryFolder();
    await using client = await temporaryFolder();
    await using server = await serve({ args: [folder.path] });
    await using relay = await Relay.start(server.port);
    await using put = await slowPut(server, client, relay, "--retry", "0s");
    server.process.kill("SIGTERM");
    const gone = until(async () => (await sock(["echo"], { env: { SOCK_JOIN: server.join } })).status === 6);
    await gone;
    expect(server.process.exitCode).toBe(null);
    expect(await server.stop("SIGTERM")).toBe(143);
    expect(await put.ended()).toBe(6);
    expect(await readdir(folder.path)).not.toContain("big");
  });
});

describe.skipIf(!HAS_TMUX)("terminals of a server that is told to stop", () => {
  const opened = async (server: Serving, join = server.join) => {
    await writeFile(`${server.home}/.bash_profile`, "PS1='there> '; unset HISTFILE\n");
    const here = await screen({ SOCK_JOIN: join });
    await here.enter('set +m; $SOCK_BIN shell; echo "ended with $?"');
    await here.shows("there>");
    return here;
  };

  test("one whose shell waits for a command is hung up at once, and its client is told", async () => {
    await using server = await shellServer({ args: ["--login-shell", "/bin/bash"] });
    await using here = await opened(server);
    const began = performance.now();
    expect(await server.stop("SIGTERM")).toBe(0);
    expect(performance.now() - began).toBeLessThan(DRAIN_MS / 2);
    expect(await here.shows("ended with 255")).toContain("the server was stopped");
    expect(server.stdout() + server.stderr()).toContain("terminal 1");
  });

  test("one in which a program runs waits for its end", async () => {
    await using server = await shellServer({ args: ["--login-shell", "/bin/bash"] });
    await using here = await opened(server);
    const go = `${server.home}/go`;
    await here.enter(
      `clear; sh -c 'until test -e ${go}; do sleep 0.05; done; echo whole"ly"; touch ${go}ne'`,
    );
    await until(() => processesWith(go).length > 0, "the program");
    server.process.kill("SIGTERM");
    const env = { SOCK_JOIN: server.join };
    await until(async () => (await sock(["echo", "--count", "1"], { env })).status === 6, "the refusal");
    expect(server.process.exitCode).toBe(null);
    await writeFile(go, "");
    expect(await here.shows("ended with 255")).toContain("wholely");
    expect(await server.process.exited).toBe(0);
    expect((await stat(`${go}ne`)).size).toBe(0);
  });

  test("one whose output is still on its way ends when all of it was sent", async () => {
    await using server = await shellServer({ args: ["--login-shell", "/bin/bash"] });
    await using relay = await Relay.start(server.port);
    await using here = await opened(server, codeAt(server.join, relay.port));
    relay.faults.down.stalled = true;
    const done = `${server.home}/done`;
    await here.enter(`clear; seq 30000; echo whole"ly"; touch ${done}`);
    await until(() => existsSync(done), "the command's end");
    server.process.kill("SIGTERM");
    const env = { SOCK_JOIN: server.join };
    await until(async () => (await sock(["echo", "--count", "1"], { env })).status === 6, "the refusal");
    expect(server.process.exitCode).toBe(null);
    relay.faults.down.stalled = false;
    const shown = await here.shows("ended with 255");
    expect(shown).toMatch(/29999\n30000\nwholely\n/);
    expect(shown).toContain("the server was stopped");
    expect(await server.process.exited).toBe(0);
  });
});

describe("unix sockets", () => {
  test("work, vanish at the end, and one left by kill -9 is taken over; a living one and a file are not", async () => {
    await using home = await temporaryFolder();
    await mkdir(home.join("d"));
    const path = home.join("s.sock");
    const options = { home: home.path, args: [home.join("d")], listen: [`unix:${path}`, "127.0.0.1:0"] };
    const first = await serve(options);
    const code = async () => (await sock(["invite", "--direct"], { home: home.path })).stdout;
    const env = { SOCK_JOIN: await code() };
    expect(await sock(["echo", "--count", "3", "-q"], { env })).toMatchObject({ status: 0 });

    const taken = await sock(["serve", home.join("d"), "--json", "--listen", `unix:${path}`], {
      home: home.path,
    });
    expect([taken.status, resultOf(taken.stdout)["code"]]).toEqual([1, "port-in-use"]);
    expect(await sock(["echo", "--count", "3", "-q"], { env })).toMatchObject({ status: 0 });
    await first.stop("SIGKILL");
    expect((await stat(path)).isSocket()).toBe(true);

    const second = await serve({ ...options, listen: [`unix:${path}`] }).catch((error: unknown) => error);
    expect(second).not.toBeInstanceOf(Error);
    if (second instanceof Error || typeof second !== "object" || second === null || !("stop" in second))
      return;
    const local = await sock(["echo", "local", "--count", "3", "-q"], { home: home.path });
    expect(local).toMatchObject({ status: 0 });
    await (second as Serving).stop();
    expect(await readdir(home.path)).not.toContain("s.sock");

    await writeFile(path, "precious");
    const file = await sock(["serve", home.join("d"), "--listen", `unix:${path}`], { home: home.path });
    expect(file.status).toBe(1);
    expect(await readFile(path, "utf8")).toBe("precious");
  });
});

describe("grants that change while it runs", () => {
  test("a revoked key loses its live session within a second, with status 4", async () => {
    await using server = await serve();
    const run = (...args: string[]) => sock(args, { home: server.home });
    const join = (await run("invite", "--direct", "--name", "ci")).stdout;
    await using idle = await start(["echo", "--json"], { pipe: true, env: { SOCK_JOIN: join } });
    const type = (text: string): void => {
      if (typeof idle.process.stdin === "object") void idle.process.stdin.write(text);
    };
    type("one\n");
    await until(() => idle.stdout().includes("one"), "a session");
    const began = performance.now();
    expect(await run("revoke", "ci")).toMatchObject({ status: 0 });
    // a client that only waits for its person learns it with the next line
    await until(() => server.stdout().includes('"revoked"'), "the server's line");
    expect(performance.now() - began).toBeLessThan(1500);
    type("two\n");
    expect(await idle.ended()).toBe(4);
    expect(resultOf(idle.stdout())).toMatchObject({ code: "revoked" });
    expect(await sock(["echo", "--json"], { env: { SOCK_JOIN: join } })).toMatchObject({ status: 4 });
  });

  test("in the middle of a put: status 4, and nothing is published", async () => {
    await using folder = await temporaryFolder();
    await using client = await temporaryFolder();
    await using server = await serve({ args: [folder.path] });
    const direct = await sock(["invite", "--direct", "--name", "ci", "--json"], { home: server.home });
    await using relay = await Relay.start(server.port);
    const join = String(resultOf(direct.stdout)["join"]);
    await using put = await slowPut({ ...server, join }, client, relay);
    const began = performance.now();
    await sock(["revoke", "ci"], { home: server.home });
    expect(await put.ended()).toBe(4);
    expect(performance.now() - began).toBeLessThan(2000);
    expect(resultOf(put.stdout())).toMatchObject({ code: "revoked", files: 0 });
    expect(await readdir(folder.path)).not.toContain("big");
  });

  const CUT = "what came and waited is not published, and the owner reads that it was cut";
  test.each(["20k", "100k"])(`in the middle of a put of many at %s: ${CUT}`, async (rate) => {
    await using folder = await temporaryFolder();
    await using client = await temporaryFolder();
    await using server = await serve({ args: ["--rate", rate, folder.path] });
    const direct = await sock(["invite", "--direct", "--name", "ci", "--json"], { home: server.home });
    for (let n = 0; n < 100; n++) await writeFile(client.join(`f${n}`), randomBytes(20_000));
    const put = ["put", ...Array.from({ length: 100 }, (_, n) => `f${n}`), ":to/", "--json"];
    const env = { SOCK_JOIN: String(resultOf(direct.stdout)["join"]) };
    await using child = await start(put, { env, home: client.path });
    const published = async () =>
      (await readdir(folder.path, { recursive: true })).filter((name) => /\/f\d+$/.test(name));
    await until(async () => (await published()).length > 0, "the first");
    await sock(["revoke", "ci"], { home: server.home });
    expect(await child.ended()).toBe(4);
    const line = () => events(server.stdout()).find(({ verb }) => verb === "put");
    expect(await until(line, "the owner's line")).toMatchObject({ outcome: "cut" });
    expect((await published()).length).toBeLessThan(50);
  });

  test("allow and deny, a new code, and the end of a key", async () => {
    await using server = await serve();
    const run = (...args: string[]) => sock(args, { home: server.home });
    const join = (await run("invite", "--direct", "--name", "ci", "--allow", "put")).stdout;
    const code = async () => {
      const ran = await sock(["echo", "--count", "1", "--json"], { env: { SOCK_JOIN: join } });
      return resultOf(ran.stdout)["code"] ?? ran.status;
    };
    expect(await code()).toBe("capability");
    await run("clients", "allow", "ci", "echo");
    await until(async () => (await code()) === 0, "what was allowed");
    await run("clients", "deny", "ci", "echo");
    await until(async () => (await code()) === "capability", "what was denied");
    const short = (await run("invite", "--direct", "--ttl", "2s")).stdout;
    const echo = () => sock(["echo", "--count", "1", "--json"], { env: { SOCK_JOIN: short } });
    expect(await echo()).toMatchObject({ status: 0 });
    await using live = await start(["echo", "--count", "1000000000", "--json"], {
      env: { SOCK_JOIN: short },
    });
    expect(await live.ended()).toBe(4);
    expect(resultOf(live.stdout())).toMatchObject({ code: "expired", complete: false });
    expect(resultOf((await echo()).stdout)).toMatchObject({ status: 4, code: "expired" });
    expect(events(server.stdout()).some(({ type }) => type === "refused")).toBe(true);
  });
});
