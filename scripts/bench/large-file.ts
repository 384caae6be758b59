/**
 * One file of 2 GiB (or `bun scripts/bench/large-file.ts MIB`) in memory, over loopback, by turns in one run: sock put
 * (encrypted, hashed on both sides), scp, and what the line itself carries (iperf3, socat, both in the clear).
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  answers,
  freePort,
  has,
  machine,
  median,
  scratch,
  SOCK,
  sockServer,
  sshServer,
  start,
  timed,
} from "./lib/peers.ts";

const MIB = Number(process.argv[2] ?? 2048);
const RUNS = 5;

using folder = scratch();
const source = join(folder.path, "source");
timed(["sh", "-c", `head -c ${MIB}M /dev/urandom > '${source}'`]);
using sock = await sockServer(folder.path);
using ssh = await sshServer(folder.path);
const env = { SOCK_HOME: sock.home };
const copy = join(folder.path, "copy");
const figures = new Map<string, number[]>();

function note(name: string, seconds: number): void {
  figures.set(name, [...(figures.get(name) ?? []), MIB / seconds]);
}

/** socat both ways round: the receiver writes the file, as the others do. */
async function socat(): Promise<number> {
  const port = await freePort();
  const receiver = spawn("socat", [
    "-u",
    "-b",
    "262144",
    `TCP-LISTEN:${port},bind=127.0.0.1`,
    `CREATE:${copy}`,
  ]);
  const ended = new Promise<void>((resolve) => receiver.on("close", () => resolve()));
  const listening = (): boolean =>
    spawnSync("sh", ["-c", `grep -qi ':${port.toString(16).padStart(4, "0")} .* 0A ' /proc/net/tcp`])
      .status === 0;
  while (!listening()) await Bun.sleep(5);
  const started = performance.now();
  timed(["socat", "-u", "-b", "262144", `OPEN:${source}`, `TCP:127.0.0.1:${port}`]);
  await ended;
  return (performance.now() - started) / 1000;
}

async function iperf3(): Promise<number> {
  const port = await freePort();
  using _server = await start(
    ["iperf3", "-s", "-1", "-p", String(port)],
    async () => (await answers(port)) || true,
  );
  await Bun.sleep(200);
  const ran = spawnSync("iperf3", ["-c", "127.0.0.1", "-p", String(port), "-n", `${MIB}M`, "-J"]);
  const report: unknown = JSON.parse(ran.stdout.toString());
  const bits = /"sum_received":\s*\{[^}]*"bits_per_second":\s*([\d.e+]+)/.exec(JSON.stringify(report))?.[1];
  if (bits === undefined) throw new Error("iperf3 gave no figure");
  return (MIB * 1024 * 1024 * 8) / Number(bits);
}

mkdirSync(join(folder.path, "scp"));
for (let run = 0; run < RUNS; run++) {
  for (const digest of ["sha256", "xxh3"]) {
    note(
      `sock put --digest ${digest}`,
      timed([SOCK, "put", source, "local:copy", "--digest", digest, "-q"], env),
    );
    rmSync(join(folder.path, "served", "copy"));
  }
  if (ssh !== undefined) {
    const scp = ["scp", ...ssh.options, "-P", String(ssh.port), "-c", "aes128-gcm@openssh.com", source];
    note("scp aes128-gcm", timed([...scp, `127.0.0.1:${folder.path}/scp/copy`]));
    rmSync(join(folder.path, "scp", "copy"));
  }
  if (ssh !== undefined && has("rsync")) {
    const login = ["ssh", ...ssh.options, "-p", String(ssh.port), "-c", "aes128-gcm@openssh.com"].join(" ");
    note(
      "rsync -W aes128-gcm",
      timed(["rsync", "-W", "-e", login, source, `127.0.0.1:${folder.path}/scp/copy`]),
    );
    rmSync(join(folder.path, "scp", "copy"));
  }
  if (has("socat")) {
    note("socat -b 262144 (clear)", await socat());
    rmSync(copy);
  }
  if (has("iperf3")) note("iperf3 (clear, no files)", await iperf3());
}

console.log(machine(["ssh", "rsync", "socat", "iperf3"]));
console.log(`${MIB} MiB, medians of ${RUNS}, MiB/s, and as a ratio to scp`);
const scp = figures.get("scp aes128-gcm");
for (const [name, rates] of figures) {
  const ratio = scp === undefined ? "" : `   ${(median(rates) / median(scp)).toFixed(2)}`;
  console.log(`${name.padEnd(28)} ${median(rates).toFixed(0).padStart(6)}${ratio}`);
}
