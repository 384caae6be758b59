/** `sock echo tcp://… --count`: round trips of servers that speak no sock. */
import { describe, expect, test } from "bun:test";
import { start } from "../helpers/child.ts";
import { anywhere, naiveServer, plain, PYTHON } from "../helpers/plain.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

interface Figures {
  count: number;
  done: number;
  complete: boolean;
  schedule_kept_percent: number | null;
  rtt_us: { min: number; p50: number; n: number };
  rtt_from_schedule_us: { n: number } | null;
  status: number;
}

async function measure(url: string, ...flags: string[]): Promise<Figures> {
  const ran = await sock(["echo", url, "--json", ...flags]);
  return resultOf(ran.stdout) as unknown as Figures;
}

test("the same figures as of a joined server, closed loop and open", async () => {
  await using server = await plain([anywhere("echo")]);
  const url = `tcp://127.0.0.1:${server.port("echo")}`;
  const closed = await measure(url, "--count", "500", "--conns", "3");
  expect(closed).toMatchObject({
    host: url,
    count: 500,
    done: 500,
    complete: true,
    connections: 3,
    schedule_kept_percent: null,
    rtt_from_schedule_us: null,
    rtt_us: { n: 500 },
    status: 0,
  });
  const open = await measure(url, "--count", "500", "--conns", "3", "--rate", "1000", "--size", "1000");
  expect(open).toMatchObject({ done: 500, rtt_us: { n: 500 }, rtt_from_schedule_us: { n: 500 }, status: 0 });
  expect(open.schedule_kept_percent).toBeNumber();
  await using joined = await serve();
  const other = await sock(["echo", "--count", "1", "--json"], { env: { SOCK_JOIN: joined.join } });
  expect(Object.keys(closed).sort()).toEqual(Object.keys(resultOf(other.stdout)).sort());
});

test("for people, with limits that decide the status", async () => {
  await using server = await plain([anywhere("echo")]);
  const url = `tcp://127.0.0.1:${server.port("echo")}`;
  const met = await sock(["echo", url, "--count", "50", "--max-p99", "5s"]);
  expect(met.stdout).toStartWith(`${url}   50 x 64 B over 1 connection in `);
  expect([/ met +max-p99 /.test(met.stdout), met.status]).toEqual([true, 0]);
  const missed = await sock(["echo", url, "--count", "50", "--max-p50", "1us"]);
  expect([/ MISSED +max-p50 /.test(missed.stdout), missed.status]).toEqual([true, 3]);
});

test("a delay on purpose is what is measured", async () => {
  await using server = await plain([anywhere("echo"), "--impair", "delay=20ms"]);
  const { rtt_us: rtt } = await measure(`tcp://127.0.0.1:${server.port("echo")}`, "--count", "30");
  expect(rtt.p50).toBeGreaterThanOrEqual(20_000);
  expect(rtt.p50).toBeLessThan(60_000);
});

test("large ones, cut anywhere, are put together", async () => {
  await using server = await plain([anywhere("echo"), "--impair", "split=4099"]);
  const url = `tcp://127.0.0.1:${server.port("echo")}`;
  expect(await measure(url, "--count", "5", "--size", "1000000", "--rate", "50")).toMatchObject({ done: 5 });
});

test("a unix socket, and a dialect whose answer is another", async () => {
  await using folder = await temporaryFolder();
  const url = `unix:${folder.join("s")}`;
  await using _server = await plain([`upper=${url}`]);
  expect(await measure(url, "--dialect", "upper", "--count", "100", "--size", "300")).toMatchObject({
    done: 100,
    status: 0,
  });
  const wrong = await sock(["echo", url, "--count", "100", "--size", "300", "--json"]);
  expect(resultOf(wrong.stdout)).toMatchObject({ complete: false, done: 0, code: "differs" });
});

/** A server of one connection, which does what it is told with each piece. */
async function oneTime(answer: (socket: Bun.Socket, bytes: Buffer) => void): Promise<{
  url: string;
  [Symbol.dispose]: () => void;
}> {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: answer } });
  return {
    url: `tcp://127.0.0.1:${listener.port}`,
    [Symbol.dispose]: () => {
      listener.stop(true);
    },
  };
}

test("one that closes in the middle: what was measured until then, and 6", async () => {
  let count = 0;
  using server = await oneTime((socket, bytes) => {
    count += 1;
    if (count <= 10) socket.write(bytes);
    else socket.end();
  });
  expect(await measure(server.url, "--count", "50")).toMatchObject({
    done: 10,
    complete: false,
    rtt_us: { n: 10 },
    code: "lost",
    status: 6,
  });
});

test("one that says nothing is not waited for without end", async () => {
  using server = await oneTime(() => undefined);
  for (const flags of [[], ["--rate", "10"]]) {
    expect(await measure(server.url, "--count", "5", ...flags)).toMatchObject({
      done: 0,
      code: "silent",
      status: 6,
    });
  }
});

test("one that says more than it was asked, or twice the same, is found out", async () => {
  using server = await oneTime((socket, bytes) => void socket.write(Buffer.concat([bytes, bytes])));
  expect(await measure(server.url, "--count", "50")).toMatchObject({ code: "differs" });
});

test("a slow rate is no silence", async () => {
  await using server = await plain([anywhere("echo")]);
  const url = `tcp://127.0.0.1:${server.port("echo")}`;
  expect(await measure(url, "--count", "6", "--rate", "1")).toMatchObject({ done: 6, status: 0 });
}, 20_000);

test("Ctrl-C ends it, with what was measured", async () => {
  await using server = await plain([anywhere("echo")]);
  const url = `tcp://127.0.0.1:${server.port("echo")}`;
  await using child = await start(["echo", url, "--count", "100000000", "--json", "--trace"]);
  await until(() => child.stdout().length > 1000, "some round trips");
  child.process.kill("SIGINT");
  expect(await child.ended()).toBe(130);
  const result = events(child.stdout()).at(-1);
  expect(result).toMatchObject({ complete: false, code: "interrupted" });
  expect(Number(result?.["done"])).toBeGreaterThan(0);
});

test.each<[words: string[], code: string, hint: string]>([
  [["udp://127.0.0.1:9", "--count", "5"], "usage", "sock udp udp://127.0.0.1:9 measures"],
  [["tcp://127.0.0.1:9", "--count", "5", "--dialect", "greet"], "usage", ""],
  [["tcp://127.0.0.1:9", "--size", "0"], "usage", ""],
  [["tcp://127.0.0.1:9", "hi", "--count", "5"], "usage", ""],
  [["tcp://127.0.0.1:1", "--count", "5"], "refused", ""],
])("%p: %s", async (words, code, hint) => {
  const ran = await sock(["echo", ...words, "--json"]);
  expect(events(ran.stdout).at(-1)).toMatchObject({ code });
  expect(ran.stdout + ran.stderr).toContain(hint);
});

describe.skipIf(PYTHON === null)("a naive server (python3)", () => {
  test("recv(1024) and send", async () => {
    await using server = await naiveServer(["echo"]);
    const url = `tcp://127.0.0.1:${server.port}`;
    expect(await measure(url, "--count", "20", "--size", "5000")).toMatchObject({ done: 20, status: 0 });
    // not by a reset, which such a server dies of
    expect(await server.process.exited).toBe(0);
  });
});
