import { describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { codeAt, start } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

async function figures(args: string[], env: Record<string, string>) {
  const ran = await sock(["echo", ...args, "--json"], { env });
  return { ...ran, result: resultOf(ran.stdout) };
}

describe("text", () => {
  test("words, and with --json an event each", async () => {
    await using server = await serve();
    const env = { SOCK_JOIN_W: server.join };
    expect(await sock(["echo", "w", "hello", "wörld"], { env })).toEqual({
      stdout: "hello wörld\n",
      stderr: "",
      status: 0,
      signal: null,
    });
    const ran = await sock(["echo", "w", "hi", "--json"], { env });
    expect(events(ran.stdout)).toMatchObject([
      { type: "echo", bytes: 2, text: "hi", rtt_us: expect.any(Number) },
      { type: "result", status: 0 },
    ]);
  });

  const INPUTS: [string, Uint8Array<ArrayBuffer>][] = [
    ["lines", Buffer.from("one\n\nthree\r\n")],
    ["a last line without its end", Buffer.from("one\ntwo")],
    ["bytes that are no text", Buffer.from([0, 255, 10, 0xc4, 0xe3, 13, 10, 27, 91])],
    ["lines of 300 kB and of 2.5 MB", Buffer.from(`${"ab".repeat(150_000)}\n${"long ".repeat(500_000)}`)],
    ["nothing", Buffer.alloc(0)],
  ];
  for (const [what, sent] of INPUTS) {
    test(`piped, the same bytes come back: ${what}`, async () => {
      await using server = await serve();
      await using child = await start(["echo"], { env: { SOCK_JOIN: server.join }, pipe: true });
      const { stdin } = child.process;
      if (typeof stdin === "object") await Promise.all([stdin.write(sent), stdin.end()]);
      expect(await child.ended()).toBe(0);
      expect(child.bytes().equals(sent)).toBe(true);
    });
  }

  test("-i on a terminal: each line comes back when it was typed, escaped; Ctrl-D ends it", async () => {
    await using server = await serve();
    await using child = await start(["echo", "-i"], { env: { SOCK_JOIN: server.join }, terminal: true });
    child.type("first\r");
    // once as the terminal's own echo, once from the server
    await until(() => child.stdout().split("first").length > 2, "the first line");
    child.type("a\x16\x07b\r");
    await until(
      () => child.stdout().includes("\\x07") || child.stdout().includes("\\u0007"),
      "the escaped one",
    );
    child.type("\x04");
    expect(await child.ended()).toBe(0);
  });

  test("-i ends by itself when the key is revoked or the server goes, while nobody types", async () => {
    await using server = await serve();
    const join = (await sock(["invite", "--direct", "--name", "ci"], { home: server.home })).stdout;
    await using child = await start(["echo", "-i", "--json"], { pipe: true, env: { SOCK_JOIN: join } });
    await using other = await start(["echo", "-i", "--json"], {
      pipe: true,
      env: { SOCK_JOIN: server.join },
    });
    for (const one of [child, other]) {
      if (typeof one.process.stdin === "object") void one.process.stdin.write("x\n");
      await until(() => one.stdout().includes('"echo"'), "the session");
    }
    await sock(["revoke", "ci"], { home: server.home });
    expect(await child.ended()).toBe(4);
    expect(resultOf(child.stdout())).toMatchObject({ code: "revoked" });
    await server.stop();
    expect(await other.ended()).toBe(6);
    expect(resultOf(other.stdout())).toMatchObject({ code: "draining" });
  });
});

describe("encodings", () => {
  const GBK = Buffer.from("b3c9b9a63a20d2d1d6d5d6b920504944203132330a", "hex");
  const TEXT = "成功: 已终止 PID 123\n";

  test("a pipe has the bytes as they are without a stated encoding, UTF-8 with one", async () => {
    await using server = await serve();
    const both = Buffer.concat([GBK, Buffer.from("中文 ✨\n"), GBK]);
    const run = async (flags: string[], env: Record<string, string>): Promise<Buffer> => {
      await using child = await start(["echo", ...flags], {
        env: { SOCK_JOIN: server.join, ...env },
        pipe: true,
      });
      const { stdin } = child.process;
      if (typeof stdin === "object") await Promise.all([stdin.write(both), stdin.end()]);
      expect(await child.ended()).toBe(0);
      expect(child.stderr()).toBe("");
      return child.bytes();
    };
    const decoded = `${TEXT}中文 ✨\n${TEXT}`;
    expect((await run([], {})).equals(both)).toBe(true);
    expect((await run(["--encoding", "raw"], { SOCK_ENCODING: "gbk" })).equals(both)).toBe(true);
    expect((await run([], { SOCK_ENCODING: "auto" })).toString()).toBe(decoded);
    expect((await run([], { SOCK_ENCODING: "gbk" })).toString()).toBe(decoded);
    expect((await run(["--encoding", "auto"], { SOCK_ENCODING: "raw" })).toString()).toBe(decoded);
    const back = await run(["--out-encoding", "gb18030"], {});
    expect(new TextDecoder("gb18030").decode(back)).toBe(decoded);
  });

  test("words go there in the stated encoding, and come back as text", async () => {
    await using server = await serve();
    const env = { SOCK_JOIN_W: server.join };
    const ran = await sock(["echo", "w", "中文é", "--encoding", "gbk", "--json"], { env });
    expect(events(ran.stdout)[0]).toMatchObject({ type: "echo", bytes: 6, text: "中文é" });
  });

  test("a terminal shows text, not control characters of any encoding", async () => {
    await using server = await serve();
    const env = { SOCK_JOIN_W: server.join, LC_ALL: "C.UTF-8" };
    await using child = await start(["echo", "w", "系统\u009b31m", "--encoding", "gb18030"], {
      env,
      terminal: true,
    });
    expect(await child.ended()).toBe(0);
    expect(child.stdout()).toContain("系统\ufffd31m");
  });

  test("the host's setting counts, below flag and variable", async () => {
    await using server = await serve();
    const home = server.home;
    const code = (await sock(["invite"], { home })).stdout;
    await using own = await temporaryFolder();
    const run = (args: string[], env = {}) => sock(args, { home: own.path, env });
    expect((await sock(["join", "--as", "web1"], { home: own.path, stdin: code })).status).toBe(0);
    const send = (env = {}) => run(["echo", "web1", "中", "--json"], env);
    const sent = async (env = {}) => events((await send(env)).stdout)[0]?.["bytes"];
    expect(await sent()).toBe(3);
    expect((await run(["hosts", "set", "web1", "encoding=cp936"])).status).toBe(0);
    expect(await sent()).toBe(2);
    expect(await sent({ SOCK_ENCODING: "utf-8" })).toBe(3);
  });

  test("a name that is none is status 2 with what may be meant, before a server is asked", async () => {
    await using server = await serve();
    const nobody = codeAt(server.join, 1);
    for (const [args, env] of [
      [["--encoding", "gkb"], {}],
      [["--out-encoding", "gkb"], {}],
      [[], { SOCK_ENCODING: "gkb" }],
    ] as const) {
      const ran = await sock(["echo", "web1", "x", ...args], { env: { SOCK_JOIN_WEB1: nobody, ...env } });
      expect([args, ran.status]).toEqual([args, 2]);
      expect(ran.stderr).toContain("did you mean gbk?");
    }
  });
});

describe("measuring", () => {
  test("the result is a contract", async () => {
    await using server = await serve();
    const { result, status, stdout } = await figures(["--count", "500", "--size", "1000", "--conns", "4"], {
      SOCK_JOIN: server.join,
    });
    expect(status).toBe(0);
    expect(events(stdout)).toHaveLength(1);
    const number = expect.any(Number);
    expect(result).toEqual({
      type: "result",
      schema: 1,
      sock: expect.any(String),
      status: 0,
      host: "127.0.0.1",
      started: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      size: 1000,
      connections: 4,
      interval_us: 0,
      count: 500,
      complete: true,
      sent: 500,
      done: 500,
      seconds: number,
      per_second: number,
      rtt_us: {
        min: number,
        mean: number,
        p50: number,
        p90: number,
        p99: number,
        p99_9: null,
        max: number,
        n: 500,
      },
      schedule_kept_percent: null,
      rtt_from_schedule_us: null,
      jitter_us: { ipdv_abs_p50: number, ipdv_abs_p99: number, rfc3550: number, pdv_p95_p50: number },
      verdict: { met: true, missed: [] },
    });
    const readme = await Bun.file(resolve(import.meta.dir, "../../README.md")).text();
    const named = Object.keys({ ...result, ...(result["jitter_us"] as object) });
    expect(named.filter((key) => !readme.includes(`\`${key}\``) && key !== "type")).toEqual([]);
    const { min, mean, p50, p90, p99, max } = result["rtt_us"] as Record<string, number>;
    const order = [min, p50, p90, p99, max].map(Number);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(Number(mean)).toBeWithin(Number(min), Number(max) + 1);
  });

  test("thresholds: status 0 when met, 3 and which one when missed or unknown", async () => {
    await using server = await serve();
    const env = { SOCK_JOIN: server.join };
    const met = await figures(
      ["--count", "1000", "--max-p50", "5s", "--max-p99.9", "5s", "--max-rtt", "5s", "--min-rate", "1"],
      env,
    );
    expect(met.result).toMatchObject({ status: 0, verdict: { met: true, missed: [] } });
    const missed = await figures(
      ["--count", "10", "--max-p99", "0.001ms", "--max-rtt", "5s", "--min-rate", "100000000"],
      env,
    );
    expect(missed.result).toMatchObject({
      status: 3,
      complete: true,
      verdict: {
        met: false,
        missed: [{ name: "max_p99", limit: 1, unit: "us", value: expect.any(Number) }, { name: "min_rate" }],
      },
    });
    const unknown = await figures(["--count", "999", "--max-p99.9", "5s"], env);
    expect(unknown.result).toMatchObject({
      status: 3,
      verdict: { met: false, missed: [{ name: "max_p99_9", value: null }] },
    });
    const person = await sock(["echo", "--count", "10", "--max-p99", "0.001ms", "--max-rtt", "5s"], { env });
    expect(person.stdout).toMatch(/MISSED +max-p99/);
    expect(person.stdout).toMatch(/met +max-rtt/);
  });

  test("--rate sends on time whether or not the ones before are back: a server that stood still is in all of them", async () => {
    await using server = await serve();
    await using child = await start(["echo", "--rate", "200", "--count", "600", "--conns", "3", "--json"], {
      env: { SOCK_JOIN: server.join },
    });
    await Bun.sleep(1000);
    server.process.kill("SIGSTOP");
    await Bun.sleep(500);
    server.process.kill("SIGCONT");
    expect(await child.ended()).toBe(0);
    const result = resultOf(child.stdout());
    expect(result).toMatchObject({ complete: true, sent: 600, done: 600, rtt_us: { n: 600 } });
    const { p90, max } = result["rtt_us"] as Record<string, number>;
    // 100 of 600 were sent meanwhile: a closed loop would have had one
    expect(p90).toBeGreaterThan(100_000);
    expect(max).toBeGreaterThan(400_000);
    expect(Number(result["schedule_kept_percent"])).toBeGreaterThan(80);
    expect((result["rtt_from_schedule_us"] as { p90: number }).p90).toBeGreaterThanOrEqual(Number(p90));
  });

  test("a server that takes nothing any more: memory stays, and it ends when told to", async () => {
    await using server = await serve();
    await using relay = await Relay.start(server.port);
    const run = ["echo", "--rate", "20000", "--count", "1000000", "--size", "16KiB", "--json"];
    await using child = await start(run, { env: { SOCK_JOIN: codeAt(server.join, relay.port) } });
    await until(() => relay.bytes.up > 10_000_000, "a part of the run");
    server.process.kill("SIGSTOP");
    await Bun.sleep(1500);
    const resident = await Bun.file(`/proc/${child.process.pid}/status`).text();
    expect(Number(/VmRSS:\s+(\d+)/.exec(resident)?.[1])).toBeLessThan(200_000);
    child.process.kill("SIGINT");
    expect(await child.ended()).toBe(130);
    server.process.kill("SIGCONT");
    expect(resultOf(child.stdout())).toMatchObject({ complete: false, code: "interrupted" });
  });

  test("a delay of the network is in the figures", async () => {
    await using server = await serve();
    await using relay = await Relay.start(server.port);
    relay.faults.down.delayMs = 40;
    const { result } = await figures(["--count", "5"], { SOCK_JOIN: codeAt(server.join, relay.port) });
    expect((result["rtt_us"] as Record<string, number>)["min"]).toBeWithin(39_000, 400_000);
  });

  test("a server that goes in the middle leaves what was measured, status 6", async () => {
    await using server = await serve();
    await using relay = await Relay.start(server.port);
    await using child = await start(["echo", "--count", "100000000", "--json", "--max-p99", "10s"], {
      env: { SOCK_JOIN: codeAt(server.join, relay.port) },
    });
    await until(() => relay.bytes.down > 100_000, "some round trips");
    relay.cutAll();
    expect(await child.ended()).toBe(6);
    const result = resultOf(child.stdout());
    expect(result).toMatchObject({ complete: false, code: "lost", rtt_us: { n: result["done"] } });
    expect(result["done"]).toBeGreaterThan(100);
  });

  test("a stated limit is measured also where stdin is a pipe, as in CI; beside text it is status 2", async () => {
    await using server = await serve();
    const env = { SOCK_JOIN: server.join };
    for (const limit of [
      ["--max-p99", "1us"],
      ["--max-rtt", "1us"],
      ["--min-rate", "999999999"],
    ]) {
      const piped = await sock(["echo", ...limit], { env, stdin: "text\n" });
      expect([limit, piped.status]).toEqual([limit, 3]);
      const typed = await sock(["echo", "-i", ...limit], { env, stdin: "text\n" });
      expect([limit, typed.status, typed.stdout]).toEqual([limit, 2, ""]);
    }
    const words = await sock(["echo", "local", "text", "--count", "3"], { home: server.home });
    expect([words.status, words.stdout]).toEqual([2, ""]);
  });

  test("what can't be measured is status 2", async () => {
    await using server = await serve();
    for (const args of [
      ["--count", "0"],
      ["--count", "x"],
      ["--size", "1MiB1"],
      ["--size", "1025KiB"],
      ["--conns", "0"],
      ["--max-p98", "1s"],
    ]) {
      expect([args, (await sock(["echo", ...args], { env: { SOCK_JOIN: server.join } })).status]).toEqual([
        args,
        2,
      ]);
    }
  });
});
