/** Programs that stand still in a run, and a network that is slow: the figures say whose fault it was. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { codeAt, start } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { agree, Listener } from "../helpers/udp-session.ts";
import { until } from "../helpers/until.ts";

const STOP_MS = 500;
/**
 * A stop that shows makes the 99th percentile of 1,000 about 450 ms, us: 100 datagrams wait for what is left of it. A slow
 * moment of this machine, with the relay in this process, may be half as long.
 */
const SHOWN_US = 300_000;

interface Summary {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly mean: number;
}

async function stopped(who: "client" | "server") {
  await using server = await serve();
  await using relay = await Relay.withDatagrams(server.port);
  const run = ["udp", "--duration", "5s", "--interval", "5ms", "--max-loss", "0%", "--json"];
  await using child = await start(run, { env: { SOCK_JOIN: codeAt(server.join, relay.port) } });
  await until(() => relay.datagrams.counts.down.seen > 200, "a part of the run");
  const target = who === "client" ? child.process : server.process;
  target.kill("SIGSTOP");
  await Bun.sleep(STOP_MS);
  target.kill("SIGCONT");
  expect(await child.ended()).toBe(0);
  const result = resultOf(child.stdout());
  return {
    result,
    stderr: child.stderr(),
    rtt: result["rtt_us"] as Summary,
    fromSchedule: result["rtt_from_schedule_us"] as Summary,
  };
}

test("the client stopped for 500 ms: only the times from schedule show it, and the run says so", async () => {
  const { result, rtt, fromSchedule, stderr } = await stopped("client");
  expect(result).toMatchObject({ sent: 1000, received: 1000, loss_percent: 0, complete: true });
  expect(rtt.p90).toBeLessThan(100_000);
  expect(fromSchedule.max).toBeGreaterThan(400_000);
  expect(fromSchedule.p99).toBeGreaterThan(SHOWN_US);
  expect(rtt.p99).toBeLessThan(SHOWN_US);
  expect(Number(result["schedule_kept_percent"])).toBeLessThan(95);
  expect(stderr).toContain("too slow");
}, 15_000);

test("the server stopped for 500 ms: both show it", async () => {
  const { result, rtt, fromSchedule } = await stopped("server");
  expect(result).toMatchObject({ sent: 1000, received: 1000, loss_percent: 0, complete: true });
  expect(rtt.max).toBeGreaterThan(400_000);
  expect(rtt.p99).toBeGreaterThan(SHOWN_US);
  expect(fromSchedule.p99).toBeGreaterThan(SHOWN_US);
}, 15_000);

test.if(process.platform === "linux")(
  "a server too busy to have looked at the last probes counts them all the same: they are not lost",
  async () => {
    await using server = await serve();
    const { pid } = server.process;
    const state = () => readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.[0];
    const answered: unknown[] = [];
    for (let round = 0; round < 10; round++) {
      await using run = await agree(server.join);
      server.process.kill("SIGSTOP");
      await until(() => state() === "T", "a server that stands still");
      for (let number = 0; number < 50; number++) run.send(run.probe(number));
      const counts = run.control.counts(true);
      // all that it was sent is there when it goes on
      await until(() => waitingFor(server.port), "the request in its buffer");
      server.process.kill("SIGCONT");
      answered.push((await counts)?.answered);
    }
    expect(answered).toEqual(answered.map(() => 50));
  },
  20_000,
);

/** Whether the system has bytes of TCP that the owner of this local port has not read. */
function waitingFor(port: number): boolean {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync("/proc/net/tcp", "latin1").split("\n");
  return rows.some((row) => new RegExp(`^\\s*\\d+: ${local} \\S+ 01 \\w+:(?!00000000)`).test(row));
}

test("30 ms, 5 ms of jitter, 1 % loss: reported within what chance allows", async () => {
  await using server = await serve();
  await using relay = await Relay.withDatagrams(server.port, 11);
  const { up, down } = relay.datagrams.faults;
  Object.assign(up, { delayMs: 15, drop: 0.005, jitterMs: 5 });
  Object.assign(down, { delayMs: 15, drop: 0.005 });
  const ran = await sock(["udp", "--count", "2000", "--interval", "2ms", "--json"], {
    env: { SOCK_JOIN: codeAt(server.join, relay.port) },
  });
  const result = resultOf(ran.stdout);
  const { counts } = relay.datagrams;
  expect(result).toMatchObject({
    up: { lost: counts.up.dropped },
    down: { lost: counts.down.dropped },
    complete: true,
  });
  // binomial, n 2000, p 0.01: 20 and five deviations
  expect(counts.up.dropped + counts.down.dropped).toBeWithin(1, 43);
  const rtt = result["rtt_us"] as Summary & { min: number };
  expect(rtt.min).toBeGreaterThanOrEqual(30_000);
  expect(rtt.p50).toBeWithin(31_500, 45_000);
  const jitter = result["jitter_us"] as { ipdv_abs_p50: number; ipdv_abs_p99: number };
  expect(jitter.ipdv_abs_p50).toBeWithin(200, 6000);
}, 15_000);

test("two local addresses of one server: each reply leaves from the one that was asked", async () => {
  await using server = await serve({ listen: ["0.0.0.0:0"] });
  for (const address of ["127.0.0.1", "127.0.0.2"]) {
    const code = (
      await sock(
        ["invite", "--direct", "--host", `${address}:${server.port}`, "--name", `a${address.at(-1)}`],
        {
          home: server.home,
        },
      )
    ).stdout;
    const ran = await sock(["udp", "--count", "20", "--interval", "1ms", "--json"], {
      env: { SOCK_JOIN: code },
    });
    // another source would be foreign, and the probe lost
    expect(resultOf(ran.stdout)).toMatchObject({ address, sent: 20, received: 20, foreign: 0 });
  }
});

test("a port whose other protocol is taken: said so, and nothing is left listening", async () => {
  using taken = await Listener.open();
  const { port } = taken.socket;
  const ran = await sock(["serve", "--listen", `127.0.0.1:${port}`, "--json"]);
  expect(resultOf(ran.stdout)).toMatchObject({ status: 1, code: "port-in-use" });
  expect(ran.stderr).toContain(`127.0.0.1 port ${port} (udp) is in use`);
});

test("IPv6 and IPv4 on one free port, both protocols", async () => {
  await using server = await serve({ listen: ["127.0.0.1:0", "[::1]:0"] });
  for (const host of [`127.0.0.1:${server.port}`, `[::1]:${server.port}`]) {
    const name = host.startsWith("[") ? "six" : "four";
    const invite = ["invite", "--direct", "--host", host, "--name", name];
    const code = (await sock(invite, { home: server.home })).stdout;
    const ran = await sock(["udp", "--count", "20", "--interval", "1ms", "--json"], {
      env: { SOCK_JOIN: code },
    });
    expect(resultOf(ran.stdout)).toMatchObject({ sent: 20, received: 20, up: { lost: 0 } });
  }
});
