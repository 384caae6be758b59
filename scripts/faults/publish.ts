/**
 * Kills put's server and get's client at each file-system call of a replace: strace delivers SIGKILL as the call begins,
 * so the kill at one call is also the kill after the one before. After each: the name holds the old file or the new one,
 * whole; nothing else is there but a partial file, and that is gone when its time is over; the next try succeeds.
 *
 *     bun scripts/faults/publish.ts
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { sweepPartials } from "../../src/files/sweep.ts";
import { Root } from "../../src/files/root.ts";
import { PARTIAL_FOLDER, PARTIAL_TTL_MS } from "../../src/protocol/constants.ts";

const SOCK = process.env["SOCK_BIN"] ?? resolve(import.meta.dir, "../../dist/sock");
/** Every call by which a put or get may change what is on the disk. */
const CALLS = [
  ["openat", "open"],
  ["mkdir", "mkdirat"],
  ["pwrite64", "write", "pwritev", "writev"],
  ["fchmod", "fchmodat", "chmod"],
  ["utimensat", "futimesat"],
  ["fsync", "fdatasync"],
  ["rename", "renameat", "renameat2"],
  ["link", "linkat"],
  ["unlink", "unlinkat", "rmdir"],
  ["close"],
] as const;
/** A call of one kind is killed at its first, second… time, until a run ends without a kill so often in a row. */
const QUIET_RUNS = 3;
const MOST_TIMES = 60;

if (spawnSync("strace", ["-V"]).status !== 0) {
  console.log("skipped: strace is not here");
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), "sock-faults-"));
const OLD = Buffer.alloc(300_000, "old ");
const NEW = Buffer.alloc(2_500_000, "new ");
let problems = 0;
try {
  const files = { source: join(folder, "source"), drop: join(folder, "drop"), away: join(folder, "away") };
  mkdirSync(files.drop);
  mkdirSync(files.away);
  writeFileSync(files.source, NEW);
  await side("server", files);
  await side("client", files);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(problems === 0 ? "no finding" : `${problems} findings`);
process.exit(problems === 0 ? 0 : 1);

interface Files {
  source: string;
  drop: string;
  away: string;
}

async function side(which: "server" | "client", files: Files): Promise<void> {
  let runs = 0;
  let kills = 0;
  const replaced = { old: 0, new: 0 };
  for (const group of CALLS) {
    for (let time = 1, quiet = 0; time <= MOST_TIMES && quiet < QUIET_RUNS; time++) {
      const killed =
        which === "server" ? await killServer(group, time, files) : await killClient(group, time, files);
      const target = which === "server" ? files.drop : files.away;
      runs += 1;
      kills += Number(killed);
      quiet = killed ? 0 : quiet + 1;
      replaced[await check(target, `${which}, ${group[0]} ${time}`)] += 1;
    }
  }
  console.log(
    `${which}: ${runs} runs, ${kills} kills; the name held the old file ${replaced.old} times, the new one ${replaced.new} times`,
  );
}

/** The server is killed in the middle of a put; then a new one takes the same put. */
async function killServer(calls: readonly string[], time: number, files: Files): Promise<boolean> {
  const name = join(files.drop, "file");
  writeFileSync(name, OLD);
  const home = join(folder, "home");
  const server = await start(files.drop, home);
  const tracer = spawn("strace", [
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    "-p",
    String(server.pid),
    ...inject(calls, time),
  ]);
  await traced(server.pid);
  const put = spawnSync(SOCK, ["put", files.source, "local:file", "-q", "--timeout", "10s"], {
    env: { ...process.env, SOCK_HOME: home },
  });
  const killed = !alive(server.pid) || server.child.signalCode === "SIGKILL";
  if (killed && put.status === 0) {
    // killed after its answer: the answer must be true
    if (!readFileSync(name).equals(NEW))
      finding(`server ${calls[0]} ${time}: put said 0, but the file is not the new one`);
  }
  tracer.kill("SIGKILL");
  server.child.kill("SIGKILL");
  await server.gone;
  if (killed) {
    const again = await start(files.drop, home);
    const ran = spawnSync(SOCK, ["put", files.source, "local:again", "-q"], {
      env: { ...process.env, SOCK_HOME: home },
    });
    if (ran.status !== 0) finding(`server ${calls[0]} ${time}: the next put ends with ${ran.status}`);
    again.child.kill("SIGTERM");
    await again.gone;
    rmSync(join(files.drop, "again"), { force: true });
  }
  return killed;
}

async function killClient(calls: readonly string[], time: number, files: Files): Promise<boolean> {
  const name = join(files.away, "file");
  writeFileSync(name, OLD);
  copyFileSync(files.source, join(files.drop, "file"));
  const home = join(folder, "home");
  const server = await start(files.drop, home);
  const env = { ...process.env, SOCK_HOME: home };
  const got = spawnSync(
    "strace",
    ["-f", "-qq", "-o", "/dev/null", ...inject(calls, time), SOCK, "get", "local:file", name, "-q"],
    { env },
  );
  const killed = got.signal === "SIGKILL" || got.status === 137;
  if (!killed && got.status !== 0)
    finding(`client ${calls[0]} ${time}: status ${got.status} ${got.stderr.toString()}`);
  if (!killed && !readFileSync(name).equals(NEW))
    finding(`client ${calls[0]} ${time}: 0, but not the new file`);
  server.child.kill("SIGTERM");
  await server.gone;
  return killed;
}

/** The name is whole, old or new; of the rest nothing outlives its time. */
async function check(target: string, what: string): Promise<"old" | "new"> {
  const bytes = readFileSync(join(target, "file"));
  const which = bytes.equals(OLD) ? "old" : bytes.equals(NEW) ? "new" : undefined;
  if (which === undefined)
    finding(`${what}: the file is neither: ${createHash("sha256").update(bytes).digest("hex")}`);
  const others = readdirSync(target).filter((name) => name !== "file" && name !== PARTIAL_FOLDER);
  if (others.length > 0) finding(`${what}: left behind: ${others.join(" ")}`);
  using root = Root.open(target, { name: "", writable: true });
  await sweepPartials(root, Date.now() + PARTIAL_TTL_MS + 1000);
  const partials = join(target, PARTIAL_FOLDER);
  if (existsSync(partials) && readdirSync(partials).length > 0)
    finding(`${what}: partial files outlive their time`);
  return which ?? "old";
}

function inject(calls: readonly string[], time: number): string[] {
  const known = calls.filter((call) => spawnSync("strace", ["-e", `trace=${call}`, "true"]).status === 0);
  return ["-e", `trace=${known.join(",")}`, "-e", `inject=${known.join(",")}:signal=KILL:when=${time}`];
}

async function start(drop: string, home: string) {
  const child = spawn(SOCK, ["serve", drop, "--listen", "127.0.0.1:0", "--json"], {
    env: { ...process.env, SOCK_HOME: home },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const gone = new Promise<void>((done) => child.on("exit", () => done()));
  await new Promise<void>((done) => child.stdout.once("data", () => done()));
  child.stdout.resume();
  return { child, gone, pid: child.pid ?? 0 };
}

/** Until strace holds the process. */
async function traced(pid: number): Promise<void> {
  while (/^TracerPid:\t0$/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))) await Bun.sleep(5);
}

function alive(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

function finding(text: string): void {
  problems += 1;
  console.log(`FINDING ${text}`);
}
