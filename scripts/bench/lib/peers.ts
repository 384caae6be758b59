/** What the benches share: peers that may be missing, servers on free loopback ports, medians, one line a figure. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism, tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";

export const SOCK = resolve(import.meta.dir, "../../../dist/sock");

/** A folder in memory where there is one, so that no disk is measured. */
export function scratch(): { path: string; [Symbol.dispose](): void } {
  let base = tmpdir();
  if (spawnSync("test", ["-w", "/dev/shm"]).status === 0) base = "/dev/shm";
  const path = mkdtempSync(join(base, "sock-bench-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export function has(program: string): boolean {
  return Bun.which(program, { PATH: searchPath() }) !== null;
}

/** sshd and iperf3 are in sbin on some systems. */
function searchPath(): string {
  return `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/local/sbin`;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error("no values");
  return middle;
}

/** Seconds of one run; throws with stderr where it fails. */
export function timed(command: readonly string[], env: Record<string, string> = {}): number {
  const [program = "", ...args] = command;
  const started = performance.now();
  const ran = spawnSync(program, args, {
    env: { ...process.env, PATH: searchPath(), ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const seconds = (performance.now() - started) / 1000;
  if (ran.status !== 0)
    throw new Error(`${command.join(" ")}: status ${ran.status}: ${ran.stderr.toString()}`);
  return seconds;
}

/** stdout of a run beside which the event loop goes on; throws with stderr where it fails. */
export async function run(command: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const child = Bun.spawn([...command], {
    env: { ...process.env, PATH: searchPath(), ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const status = await child.exited;
  if (status !== 0) throw new Error(`${command.join(" ")}: status ${status}: ${stderr}`);
  return stdout;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise<void>((done) => server.close(() => done()));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export interface Running extends Disposable {
  readonly pid: number;
}

/** Starts a program and waits until `ready` is true. */
export async function start(
  command: readonly string[],
  ready: () => Promise<boolean>,
  env: Record<string, string> = {},
): Promise<Running> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    env: { ...process.env, PATH: searchPath(), ...env },
    stdio: "ignore",
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} did not start`);
  const stop = (): void => {
    child.kill("SIGTERM");
  };
  const deadline = performance.now() + 10_000;
  while (!(await ready())) {
    if (performance.now() > deadline || child.exitCode !== null) {
      stop();
      throw new Error(`${command.join(" ")} is not ready`);
    }
    await Bun.sleep(20);
  }
  return { pid, [Symbol.dispose]: stop };
}

export async function answers(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    socket.terminate();
    return true;
  } catch {
    return false;
  }
}

/** sock serve with a state folder of its own, joined by a client state of its own. */
export async function sockServer(
  folder: string,
  env: Record<string, string> = {},
  flags: readonly string[] = [],
): Promise<Running & { home: string; port: number }> {
  const home = join(folder, "sock-home");
  const served = join(folder, "served");
  mkdirSync(served, { recursive: true });
  const port = await freePort();
  const own = { SOCK_HOME: home, ...env };
  const server = await start(
    [SOCK, "serve", served, "--listen", `127.0.0.1:${port}`, "-q", ...flags],
    () => answers(port),
    own,
  );
  return { ...server, home, port };
}

/** sshd on a free port for this user, with a key made for it; undefined where there is no sshd. */
export async function sshServer(
  folder: string,
): Promise<(Running & { port: number; options: string[] }) | undefined> {
  if (!has("sshd") || !has("ssh-keygen")) return undefined;
  const at = (name: string): string => join(folder, name);
  for (const key of ["host", "user"]) {
    timed(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", at(key)]);
  }
  timed(["cp", at("user.pub"), at("authorized")]);
  chmodSync(at("authorized"), 0o600);
  if (userInfo().uid === 0) mkdirSync("/run/sshd", { recursive: true });
  const port = await freePort();
  const config = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${at("host")}`,
    `AuthorizedKeysFile ${at("authorized")}`,
    `PidFile ${at("pid")}`,
    "StrictModes no",
    "UsePAM no",
    "PermitRootLogin yes",
    "MaxStartups 1000",
    "Subsystem sftp internal-sftp",
  ];
  writeFileSync(at("sshd_config"), `${config.join("\n")}\n`);
  const sshd = Bun.which("sshd", { PATH: searchPath() }) ?? "sshd";
  const server = await start([sshd, "-D", "-f", at("sshd_config")], () => answers(port));
  const options = ["-F", "none", "-i", at("user"), "-o", "StrictHostKeyChecking=no"];
  options.push("-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes");
  return { ...server, port, options };
}

/** The machine and the versions, for RESULTS.md. */
export function machine(programs: readonly string[]): string {
  const first = (command: string[]): string => {
    const [program = "", ...args] = command;
    const ran = spawnSync(program, args, { env: { ...process.env, PATH: searchPath() } });
    return `${ran.stdout?.toString() ?? ""}${ran.stderr?.toString() ?? ""}`.split("\n")[0] ?? "";
  };
  const cpu = first(["sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2"]).trim();
  const sha =
    first(["sh", "-c", "grep -c sha_ni /proc/cpuinfo"]) === "0" ? "no SHA instructions" : "SHA instructions";
  const lines = [`${availableParallelism()} cores, ${cpu}, ${sha}`, `sock ${first([SOCK, "--version"])}`];
  const flags: Record<string, string> = { ssh: "-V", socat: "-V", iperf3: "-v", rsync: "--version" };
  for (const program of programs) {
    lines.push(
      has(program)
        ? `${program}: ${first([program, flags[program] ?? "--version"])}`
        : `${program}: not here, skipped`,
    );
  }
  return lines.join("\n");
}
