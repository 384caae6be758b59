/** `sock echo` as a measured run like `sock udp`: how long, how often, what goes before, and what it leaves behind. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { ms } from "../../src/cli/thresholds.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";

/** What is null without samples may be null. */
interface Figures extends Readonly<Record<string, unknown>> {
  readonly seconds: number;
  readonly sent: number;
  readonly done: number;
  readonly rtt_us: { readonly max: number | null; readonly n: number };
  readonly jitter_us: {
    readonly ipdv_abs_p50: number | null;
    readonly ipdv_abs_p99: number | null;
    readonly pdv_p95_p50: number | null;
  };
}

function isFigures(result: Readonly<Record<string, unknown>>): result is Figures {
  return (
    ["seconds", "sent", "done"].every((name) => typeof result[name] === "number") &&
    ["rtt_us", "jitter_us"].every((name) => result[name] instanceof Object)
  );
}

async function figures(args: readonly string[], env: Record<string, string> = {}): Promise<Figures> {
  const ran = await sock(["echo", ...args, "--json"], { env });
  const result = resultOf(ran.stdout);
  if (!isFigures(result)) throw new Error(`no figures in ${ran.stdout}`);
  return result;
}

/** Bytes of a round trip where nothing else is asked for. */
const SIZE = 64;

/** An echo server whose answer is as late, ms, as `lateness` says by the round trip's number and that of its connection. */
function lateServer(lateness: (trip: number, connection: number) => number | "end") {
  let connections = 0;
  let bytesCame = 0;
  const listener = Bun.listen<number>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => {
        socket.data = connections++;
      },
      data: (socket, bytes) => {
        const late = lateness(bytesCame / SIZE, socket.data);
        bytesCame += bytes.length;
        if (late === "end") socket.end();
        else if (late === 0) socket.write(bytes);
        else setTimeout(() => socket.write(bytes), late);
      },
    },
  });
  return {
    url: `tcp://127.0.0.1:${listener.port}`,
    trips: () => bytesCame / SIZE,
    [Symbol.dispose]: () => {
      listener.stop(true);
    },
  };
}

describe("how long and how often", () => {
  test("--duration alone: in turns, for so long", async () => {
    await using server = await serve();
    for (const flags of [[], ["--interval", "0", "--conns", "2"]]) {
      const result = await figures(["--duration", "400ms", ...flags], { SOCK_JOIN: server.join });
      expect(result).toMatchObject({
        status: 0,
        complete: true,
        count: null,
        interval_us: 0,
        schedule_kept_percent: null,
        rtt_from_schedule_us: null,
      });
      expect(result.seconds).toBeWithin(0.4, 2);
      expect(result.done).toBeGreaterThan(50);
      expect([result.sent, result.rtt_us.n]).toEqual([result.done, result.done]);
    }
  });

  test.each(["--interval=10ms", "--rate=100"])("--duration with %s: so many as fit", async (pace) => {
    await using server = await serve();
    const result = await figures(["--duration", "305ms", pace], { SOCK_JOIN: server.join });
    expect(result).toMatchObject({ count: 31, sent: 31, done: 31, interval_us: 10_000, status: 0 });
    expect(result["schedule_kept_percent"]).toBeNumber();
    expect(result.seconds).toBeGreaterThanOrEqual(0.3);
  });

  test("what does not fit together is status 2", async () => {
    for (const args of [
      ["--rate", "10", "--interval", "1ms"],
      ["--count", "10", "--duration", "1s"],
      ["--duration", "0s"],
      ["--duration", "10"],
      ["--interval", "999ns"],
      ["--interval", "2h"],
      ["--rate", "1000001"],
      ["--rate", "0"],
      ["--warmup", "x"],
      ["--wait", "1s"],
      ["-i", "--duration", "1s"],
      ["-i", "--junit", "file"],
    ]) {
      const ran = await sock(["echo", "tcp://127.0.0.1:1", ...args]);
      expect([args, ran.status]).toEqual([args, 2]);
    }
  });
});

describe("--warmup", () => {
  /** The first ones are far later than any that follows, ms. */
  const LATE = 600;

  test.each([
    ["in turns", []],
    ["at a rate, over several connections", ["--rate", "200", "--conns", "3"]],
  ])("%s: it is in no figure", async (_name, flags) => {
    using server = lateServer((trip) => (trip < 3 ? LATE : 0));
    const result = await figures([server.url, "--warmup", "3", "--count", "20", ...flags]);
    expect(server.trips()).toBe(23);
    expect(result).toMatchObject({ status: 0, count: 20, sent: 20, done: 20, rtt_us: { n: 20 } });
    expect(result.rtt_us.max).toBeLessThan(LATE * 1000);
    expect(result.jitter_us.ipdv_abs_p99).toBeLessThan(LATE * 1000);
    expect(result.seconds).toBeLessThan((3 * LATE) / 1000);
    if (flags.length > 0) {
      expect(result).toMatchObject({ rtt_from_schedule_us: { n: 20 } });
      expect((result["rtt_from_schedule_us"] as { max: number }).max).toBeLessThan(LATE * 1000);
    }
  });

  test("what ends it ends the run, with no figure and a verdict of it", async () => {
    using server = lateServer((trip) => (trip < 3 ? 0 : "end"));
    await using folder = await temporaryFolder();
    const [junit, page] = [folder.join("junit.xml"), folder.join("page.html")];
    const files = ["--junit", junit, "--report", page];
    const result = await figures([server.url, "--warmup", "5", "--count", "20", ...files]);
    expect(result).toMatchObject({
      status: 6,
      code: "lost",
      complete: false,
      sent: 0,
      done: 0,
      per_second: 0,
    });
    expect(await Bun.file(junit).text()).toContain('name="run"><error message="lost: ');
    expect(existsSync(page)).toBe(true);
  });
});

describe("jitter", () => {
  test("--max-jitter: 99 % of the differences of neighbours", async () => {
    using server = lateServer((trip) => (trip % 2 === 0 ? 0 : 100));
    const limit = async (most: string): Promise<Figures> =>
      figures([server.url, "--count", "10", "--max-jitter", most]);
    const missed = await limit("20ms");
    expect(missed).toMatchObject({
      status: 3,
      verdict: { met: false, missed: [{ name: "max_jitter", limit: 20_000, unit: "us" }] },
    });
    expect(missed.jitter_us.ipdv_abs_p50).toBeGreaterThan(50_000);
    expect(await limit("20s")).toMatchObject({ status: 0, verdict: { met: true } });
    const person = await sock(["echo", server.url, "--count", "10", "--max-jitter", "20ms"]);
    expect(person.stdout).toMatch(/^ {2}jitter {2}p50 [\d.]+ {3}p99 [\d.]+ ms \(ipdv\)$/m);
    expect(person.stdout).toMatch(/MISSED +max-jitter +20\.0 ms +\d/);
  });

  test("a connection that is always slower than the other one is none", async () => {
    using server = lateServer((_trip, connection) => (connection === 0 ? 0 : 200));
    const { jitter_us: jitter } = await figures([server.url, "--conns=2", "--interval=20ms", "--count=20"]);
    expect(jitter.ipdv_abs_p50).toBeLessThan(100_000);
    expect(jitter.pdv_p95_p50).toBeGreaterThan(100_000);
  });

  test("of one round trip it is unknown: a limit is missed", async () => {
    await using server = await serve();
    const result = await figures(["--count", "1", "--max-jitter", "10s"], { SOCK_JOIN: server.join });
    expect(result).toMatchObject({ status: 3, jitter_us: { ipdv_abs_p99: null, rfc3550: null } });
    expect(result).toMatchObject({ verdict: { missed: [{ name: "max_jitter", value: null }] } });
  });
});

test("--report says how they were sent, and their jitter", async () => {
  await using server = await serve();
  const path = `${server.home}/page.html`;
  for (const [pace, words] of [
    [["--duration=100ms", "--interval=7ms"], "15 × 64 B over 1 connection, every 7 ms"],
    [["--count=20", "--rate=2000"], "20 × 64 B over 1 connection, 2,000 a second"],
    [["--count=20"], "20 × 64 B over 1 connection<"],
    [["--duration=100ms"], " × 64 B over 1 connection<"],
  ] as const) {
    const { jitter_us: jitter, done } = await figures([...pace, "--report", path], {
      SOCK_JOIN: server.join,
    });
    const page = await Bun.file(path).text();
    expect(page).toContain(words.startsWith(" ") ? `>${done.toLocaleString("en")}${words}` : words);
    expect(page).toContain(`p99, half ${ms(jitter.ipdv_abs_p50)}`);
  }
});

describe("--junit", () => {
  test("has a case for the run and each limit", async () => {
    await using server = await serve();
    const path = `${server.home}/junit.xml`;
    const limits = ["--max-p99=10s", "--max-p50=1us", "--max-jitter=10s", "--min-rate=999999999"];
    const args = ["--count", "10", ...limits, "--junit", path];
    expect(await figures(args, { SOCK_JOIN: server.join })).toMatchObject({ status: 3 });
    const xml = await Bun.file(path).text();
    expect(xml).toContain('<testsuite name="sock echo 127.0.0.1" timestamp="2');
    expect(xml).toContain('tests="5" failures="2" errors="0"');
    for (const met of ["run", "max-p99", "max-jitter"]) {
      expect(xml).toContain(`<testcase classname="sock.echo" name="${met}"/>`);
    }
    expect(xml).toMatch(/name="max-p50"><failure message="[\d.]+ ms, stated is at most 0.001 ms"\/>/);
    expect(xml).toMatch(/name="min-rate"><failure message="\d+\/s, stated is at least 999999999\/s"\/>/);
  });

  test("says why there was no run, and leaves no older verdict", async () => {
    await using server = await serve();
    await server.stop();
    const path = `${server.home}/junit.xml`;
    const env = { SOCK_JOIN: server.join };
    for (const [host, status, code] of [
      [[], 6, "refused"],
      [["nobody"], 7, "not-found"],
      [["tcp://127.0.0.1:1"], 6, "refused"],
    ] as const) {
      await Bun.write(path, "<testsuite/>");
      const ran = await sock(["echo", ...host, "--count", "10", "--junit", path], { env });
      expect([host, ran.status]).toEqual([host, status]);
      const xml = await Bun.file(path).text();
      expect(xml).toContain('tests="1" failures="0" errors="1"');
      expect(xml).toContain(`<testcase classname="sock.echo" name="run"><error message="${code}: `);
    }
  });

  test.skipIf(!existsSync("/dev/full"))(
    "one that can't be written leaves the page there, and so the page it",
    async () => {
      await using server = await serve();
      const env = { SOCK_JOIN: server.join };
      const paths = { junit: `${server.home}/junit.xml`, report: `${server.home}/page.html` };
      for (const [verb, good, full] of [
        ["echo", "report", "junit"],
        ["echo", "junit", "report"],
        ["udp", "report", "junit"],
        ["udp", "junit", "report"],
      ] as const) {
        await Bun.write(paths[good], "old");
        const files = [`--${good}`, paths[good], `--${full}`, "/dev/full"];
        const ran = await sock([verb, "--count", "5", ...files], { env });
        expect([verb, good, ran.status]).toEqual([verb, good, 8]);
        expect(await Bun.file(paths[good]).text()).toContain(`sock ${verb}`);
      }
    },
  );
});
