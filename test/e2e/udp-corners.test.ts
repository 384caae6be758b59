/** `sock udp` where two things meet: a signal and a warm-up, a fast pipe and an agreed rate, two files and one path. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { codeAt, start } from "../helpers/child.ts";
import { anywhere, plain } from "../helpers/plain.ts";
import { Relay } from "../helpers/relay.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

test("lines that come faster than the rate that was agreed are not lost by it", async () => {
  await using server = await serve();
  const lines = Array.from({ length: 4000 }, (_, at) => `${at}\n`).join("");
  const ran = await sock(["udp"], { env: { SOCK_JOIN: server.join }, stdin: lines, timeout: 60_000 });
  expect([ran.stderr, ran.status]).toEqual(["", 0]);
  expect(ran.stdout).toBe(lines);
}, 70_000);

describe("told to stop before what counts has begun, nothing of that is sent", () => {
  test("in the warm-up", async () => {
    await using server = await serve();
    await using relay = await Relay.withDatagrams(server.port);
    const args = ["udp", "--warmup", "100000", "--count", "50", "--interval", "20ms", "--json"];
    await using child = await start(args, { env: { SOCK_JOIN: codeAt(server.join, relay.port) } });
    await until(() => relay.datagrams.counts.up.seen > 3, "the warm-up");
    child.process.kill("SIGINT");
    expect(await child.ended()).toBe(130);
    expect(resultOf(child.stdout())).toMatchObject({
      sent: 0,
      received: 0,
      loss_percent: null,
      complete: false,
      code: "interrupted",
    });
  });

  test("in the warm-up with a plain server", async () => {
    await using server = await plain([anywhere("echo", "udp"), "--trace"]);
    const url = `udp://127.0.0.1:${server.port("echo")}`;
    await using child = await start(["udp", url, "--warmup", "100000", "--count", "50", "--json"]);
    await until(() => server.events("trace").length > 3, "the warm-up");
    child.process.kill("SIGTERM");
    expect(await child.ended()).toBe(143);
    expect(resultOf(child.stdout())).toMatchObject({ sent: 0, complete: false, code: "terminated" });
  });
});

test("an IPv4 address that is written as one of IPv6 is that address", async () => {
  await using server = await plain([anywhere("echo", "udp")]);
  const url = `udp://[::ffff:127.0.0.1]:${server.port("echo")}`;
  const ran = await sock(["udp", url, "--count", "3", "--json"]);
  expect(resultOf(ran.stdout)).toMatchObject({ status: 0, received: 3, foreign: 0, address: "127.0.0.1" });
  expect((await sock(["udp", url, "hi"])).stdout).toBe("hi\n");
});

describe("files", () => {
  test.each([">", ">>"])(
    "what goes to our own stdout, a file (%s), stands beside the rest there",
    async (how) => {
      await using server = await serve();
      await using folder = await temporaryFolder();
      const log = folder.join("log");
      writeFileSync(log, "of before\n");
      const args = ["udp", "--count", "3", "--json", "--samples", "/dev/stdout", "--junit", "/dev/stdout"];
      await using child = await start(args, {
        env: { SOCK_JOIN: server.join, LOG: log },
        before: ["sh", "-c", `exec "$@" ${how} "$LOG"`, "sh"],
      });
      expect(await child.ended()).toBe(0);
      const text = readFileSync(log, "utf8");
      expect(text.startsWith("of before\n")).toBe(how === ">>");
      expect(text.match(/^\{"number":/gm)).toHaveLength(3);
      expect(text).toContain("</testsuite>");
      expect(resultOf(text.slice(text.indexOf('{"type":"result"')).split("\n", 1)[0] ?? "")).toMatchObject({
        sent: 3,
      });
    },
  );

  test.skipIf(!existsSync("/dev/full"))(
    "samples that can't be written take neither the result nor the verdict away",
    async () => {
      await using server = await serve();
      await using folder = await temporaryFolder();
      const junit = folder.join("junit.xml");
      writeFileSync(junit, "an older verdict");
      const args = ["udp", "--count", "5", "--samples", "/dev/full", "--junit", junit, "--json"];
      const ran = await sock(args, { env: { SOCK_JOIN: server.join } });
      expect(ran.status).toBe(8);
      expect(resultOf(ran.stdout)).toMatchObject({ sent: 5, received: 5, code: "no-space" });
      expect(ran.stderr).toContain("/dev/full");
      expect(readFileSync(junit, "utf8")).toContain("<testsuite");
    },
  );

  test.each([
    ["junit", "report"],
    ["samples", "junit"],
    ["report", "samples"],
  ])("--%s and --%s can't be one file, but nowhere both", async (one, other) => {
    await using server = await serve();
    await using folder = await temporaryFolder();
    const measure = async (first: string, second: string) =>
      sock(["udp", "--count", "2", `--${one}`, first, `--${other}`, second], {
        env: { SOCK_JOIN: server.join },
        cwd: folder.path,
      });
    const ran = await measure("same", folder.join("same"));
    expect([ran.status, ran.stderr]).toEqual([2, expect.stringContaining("the same file")]);
    expect(existsSync(folder.join("same"))).toBe(false);
    expect((await measure("/dev/null", "/dev/null")).status).toBe(0);
  });
});

test("reorder loses nothing: the last one, that nobody overtakes, comes before the client has done waiting", async () => {
  await using server = await plain([anywhere("echo", "udp"), "--impair", "reorder=100% delay=20ms"]);
  const url = `udp://127.0.0.1:${server.port("echo")}`;
  const ran = await sock(["udp", url, "--count", "31", "--interval", "2ms", "--json"]);
  expect(resultOf(ran.stdout)).toMatchObject({ sent: 31, received: 31, loss_percent: 0 });
});

describe.each(["udp", "echo"])("sock %s udp:// with text", (verb) => {
  async function freePort(): Promise<number> {
    const gone = await Bun.udpSocket({ hostname: "127.0.0.1" });
    const { port } = gone;
    gone.close();
    return port;
  }

  test("--ready waits for a server that is not there yet", async () => {
    const port = await freePort();
    await using child = await start([verb, `udp://127.0.0.1:${port}`, "--ready", "30s"], { stdin: "a\nb\n" });
    let came = 0;
    // up, and deaf at first
    const echo = await Bun.udpSocket({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (socket, bytes, from, address) => {
          came += 1;
          if (came > 1) socket.send(bytes, from, address);
        },
      },
    });
    const status = await child.ended();
    echo.close();
    expect([child.stdout(), child.stderr(), status]).toEqual(["a\nb\n", "", 0]);
  });

  test("--timeout ends that", async () => {
    const url = `udp://127.0.0.1:${await freePort()}`;
    const ran = await sock([verb, url, "hi", "--ready", "30s", "--timeout", "500ms"]);
    expect([ran.status, ran.stderr]).toEqual([6, expect.stringContaining("--timeout is over")]);
  });

  test("and not longer than that", async () => {
    const url = `udp://127.0.0.1:${await freePort()}`;
    const begun = performance.now();
    const ran = await sock([verb, url, "hi", "--ready", "400ms"]);
    expect(performance.now() - begun).toBeGreaterThan(400);
    expect([ran.status, ran.stderr]).toEqual([6, expect.stringContaining("nothing listens there")]);
  });
});
