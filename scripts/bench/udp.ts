/**
 * Round trips over UDP and TCP beside irtt and echo servers in C, by turns on one machine, medians of 5; and the highest
 * rate without loss. Peers that are missing are skipped by name.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, has, machine, median, run, scratch, SOCK, sockServer, start } from "./lib/peers.ts";

const RUNS = 5;
const SECONDS = 2;

/** An echo server for datagrams, and one for a stream, as small as they get; each prints its port. */
const C_ECHO = `
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
  static char b[65536];
  int udp = argc > 2, one = 1, s = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(atoi(argv[1]))};
  if (bind(s, (void *)&a, sizeof a)) return 1;
  while (udp) {
    socklen_t l = sizeof a;
    ssize_t n = recvfrom(s, b, sizeof b, 0, (void *)&a, &l);
    if (n >= 0) sendto(s, b, n, 0, (void *)&a, l);
  }
  listen(s, 16);
  for (;;) {
    int c = accept(s, 0, 0);
    setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (ssize_t n; (n = read(c, b, sizeof b)) > 0;) write(c, b, n);
    close(c);
  }
}`;

interface Result {
  sent: number;
  received: number;
  per_second: number;
  loss_percent: number;
  schedule_kept_percent: number;
  rtt_us: { p50: number };
}

async function sock(args: readonly string[], env: Record<string, string>): Promise<Result & { cpu: number }> {
  const child = Bun.spawn([SOCK, ...args, "--json"], {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own result, which a test pins down
  const result = JSON.parse(await child.stdout.text()) as Result;
  await child.exited;
  const usage = child.resourceUsage();
  return { ...result, cpu: Number(usage?.cpuTime.total ?? 0) / 1e6 };
}

/** "142µs", "1.2ms" to us. */
function micros(text: string): number {
  const [, value = "", unit = ""] = /^([\d.]+)(ns|µs|ms|s)$/.exec(text) ?? [];
  const factors: Record<string, number> = { ns: 0.001, µs: 1, ms: 1000, s: 1e6 };
  return Number(value) * (factors[unit] ?? Number.NaN);
}

async function irtt(port: number, interval: string): Promise<{ p50: number; sent: number; lost: boolean }> {
  const args = ["client", "-q", "-i", interval, "-d", `${SECONDS}s`, "-l", "64", `127.0.0.1:${port}`];
  const text = await run(["irtt", ...args]);
  const [, , , p50 = ""] = /^ +RTT +(\S+) +(\S+) +(\S+)/m.exec(text) ?? [];
  const [, sent = "0", received = ""] = /packets sent\/received: (\d+)\/(\d+)/.exec(text) ?? [];
  return { p50: micros(p50), sent: Number(sent), lost: sent !== received };
}

async function medianOf(measure: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let at = 0; at < RUNS; at++) values.push(await measure());
  return median(values);
}

const row = (name: string, value: number, unit: string): void =>
  console.log(`${name.padEnd(44)} ${value.toFixed(value < 100 ? 1 : 0).padStart(8)} ${unit}`);

using folder = scratch();
using server = await sockServer(folder.path);
const env = { SOCK_HOME: server.home };
console.log(machine(["irtt", "gcc"]));
const settle = (): Promise<boolean> => Bun.sleep(200).then(() => true);

const source = join(folder.path, "echo.c");
const program = join(folder.path, "echo");
writeFileSync(source, C_ECHO);
const compiled = has("gcc") && spawnSync("gcc", ["-O2", "-o", program, source]).status === 0;
const cUdpPort = await freePort();
using _udp = compiled ? await start([program, String(cUdpPort), "udp"], settle) : undefined;
const irttPort = await freePort();
using _irtt = has("irtt")
  ? await start(["irtt", "server", "-i", "1us", "-b", `127.0.0.1:${irttPort}`], settle)
  : undefined;

// both ends are compiled by now
await sock(["udp", "local", "--interval", "50us", "--count", "50000"], env);

for (const [name, args] of [
  ["one after another", ["--interval", "0", "--count", "20000", "--warmup", "2000"]],
  ["every 1 ms", ["--interval", "1ms", "--duration", `${SECONDS}s`, "--warmup", "200"]],
  ["every 10 ms", ["--interval", "10ms", "--duration", `${SECONDS}s`]],
] as const) {
  const p50 = async (host: string): Promise<number> => (await sock(["udp", host, ...args], env)).rtt_us.p50;
  row(`p50, sock, ${name}`, await medianOf(() => p50("local")), "us");
  if (compiled) {
    row(`p50, the same client to C, ${name}`, await medianOf(() => p50(`udp://127.0.0.1:${cUdpPort}`)), "us");
  }
  const interval = args[1];
  if (_irtt !== undefined && interval !== "0") {
    row(`p50, irtt, ${name}`, await medianOf(async () => (await irtt(irttPort, interval)).p50), "us");
  }
}

const paced = await sock(["udp", "local", "--interval", "1ms", "--duration", "5s"], env);
row("schedule kept at 1 ms", paced.schedule_kept_percent, "%");
row("processor time of the client at 1 ms", (paced.cpu / 5) * 100, "%");

let best = 0;
for (const rate of [10_000, 20_000, 30_000, 40_000, 50_000, 75_000, 100_000]) {
  const result = await sock(["udp", "local", "--rate", String(rate), "--duration", `${SECONDS}s`], env);
  if (result.loss_percent === 0) best = Math.max(best, Math.round(result.sent / SECONDS));
}
row("highest rate without loss, sock", best, "/s");
if (_irtt !== undefined) {
  let theirs = 0;
  for (const interval of ["100us", "50us", "30us", "20us", "10us", "5us", "1us"]) {
    const { sent, lost } = await irtt(irttPort, interval);
    if (!lost) theirs = Math.max(theirs, Math.round(sent / SECONDS));
  }
  row("highest rate without loss, irtt", theirs, "/s");
  row("ratio", best / theirs, "");
}

const tcp = await medianOf(async () => (await sock(["echo", "local", "--count", "20000"], env)).per_second);
row("round trips over TCP, sock", tcp, "/s");
if (compiled) {
  const cTcpPort = await freePort();
  using _tcp = await start([program, String(cTcpPort)], settle);
  const theirs = await medianOf(() => inTurns(cTcpPort, 20_000));
  row("round trips over TCP, plain, to C", theirs, "/s");
  row("ratio", tcp / theirs, "");
}

const many = await sock(["echo", "local", "--conns", "10000", "--count", "100000"], env);
row("round trips over TCP, 10,000 connections", many.per_second, "/s");

/** Round trips a second of 64 bytes over a plain connection. */
async function inTurns(port: number, count: number): Promise<number> {
  const body = new Uint8Array(64);
  let left = count;
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data: (self) => {
        left -= 1;
        if (left === 0) resolve();
        else self.write(body);
      },
    },
  });
  const started = performance.now();
  socket.write(body);
  await promise;
  socket.terminate();
  return (count / (performance.now() - started)) * 1000;
}
