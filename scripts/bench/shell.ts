/**
 * Remote commands and keystrokes beside OpenSSH on one machine, by turns in one run: `true` as a whole process, cold and over a
 * live ControlMaster; 1 GiB of stdout with ssh's fastest cipher; 200 commands at once; the echo of a key in a terminal.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { machine, median, run, scratch, SOCK, sockServer, sshServer, timed } from "./lib/peers.ts";

const COLD_RUNS = 21;
const STREAM_RUNS = Number(process.argv[2] ?? 5);
const STREAM_BYTES = 1024 ** 3;
const AT_ONCE = Number(process.argv[3] ?? 200);
const KEYS = 300;

using folder = scratch();
const isRoot = process.geteuid?.() === 0;
using sock = await sockServer(folder.path, {}, ["--shell", ...(isRoot ? ["--allow-root"] : [])]);
using ssh = await sshServer(folder.path);
const env = { SOCK_HOME: sock.home };
const figures = new Map<string, number[]>();

function note(name: string, value: number): void {
  figures.set(name, [...(figures.get(name) ?? []), value]);
}

const sockShell = (...words: string[]): string[] => [SOCK, "shell", "local", "-n", "--", ...words];
const login = ssh === undefined ? [] : [...ssh.options, "-p", String(ssh.port), "127.0.0.1"];
const sshRun = (flags: string[], ...words: string[]): string[] => ["ssh", "-n", ...flags, ...login, ...words];
const master = ["-o", `ControlPath=${join(folder.path, "master")}`];

if (ssh !== undefined) spawnSync("ssh", ["-f", "-N", "-M", ...master, ...login], { stdio: "ignore" });
try {
  for (let round = 0; round < COLD_RUNS; round++) {
    note("sock shell -- true", timed(sockShell("true"), env) * 1000);
    if (ssh === undefined) continue;
    note("ssh true", timed(sshRun([], "true")) * 1000);
    note("ssh true, ControlMaster", timed(sshRun(master, "true")) * 1000);
  }
  const head = ["head", "-c", String(STREAM_BYTES), "/dev/zero"];
  for (let round = 0; round < STREAM_RUNS; round++) {
    note("sock, 1 GiB", STREAM_BYTES / 2 ** 20 / piped(sockShell(...head), env));
    if (ssh === undefined) continue;
    for (const cipher of ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"]) {
      note(`ssh ${cipher}, 1 GiB`, STREAM_BYTES / 2 ** 20 / piped(sshRun(["-c", cipher], ...head)));
    }
  }
  note(`sock, ${AT_ONCE} at once`, await atOnce(sockShell("true"), env));
  if (ssh !== undefined) note(`ssh, ${AT_ONCE} at once`, await atOnce(sshRun([], "true")));
  for (const [name, ms] of await keystrokes([SOCK, "shell", "local"], "sock", env)) note(name, ms);
  if (ssh !== undefined) {
    for (const [name, ms] of await keystrokes(["ssh", "-tt", ...login], "ssh")) note(name, ms);
  }
} finally {
  if (ssh !== undefined) spawnSync("ssh", ["-O", "exit", ...master, ...login], { stdio: "ignore" });
}

console.log(machine(["ssh"]));
for (const [name, values] of figures) {
  const unit = name.endsWith("GiB") ? "MiB/s" : name.endsWith("at once") ? "s" : "ms";
  console.log(`${name.padEnd(44)} ${median(values).toFixed(2)} ${unit}`);
}

/** Seconds of a run whose output goes through a pipe to a reader that drops it. */
function piped(command: readonly string[], more: Record<string, string> = {}): number {
  const line = command.map((word) => `'${word}'`).join(" ");
  return timed(["sh", "-c", `${line} | cat > /dev/null`], more);
}

async function atOnce(command: readonly string[], more: Record<string, string> = {}): Promise<number> {
  const started = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => run(command, more)));
  return (performance.now() - started) / 1000;
}

/** The time from a key to its echo by the terminal there, one after another. */
async function keystrokes(
  command: readonly string[],
  name: string,
  more: Record<string, string> = {},
): Promise<[string, number][]> {
  let seen = "";
  let heard: () => void = () => undefined;
  const child = Bun.spawn([...command], {
    env: { ...process.env, ...more, PS1: "$ " },
    terminal: {
      cols: 80,
      rows: 24,
      data: (_terminal, bytes) => {
        seen += Buffer.from(bytes).toString("latin1");
        heard();
      },
    },
  });
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) {
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    }
  };
  // cat in place of the shell: the echo is the terminal's alone
  child.terminal?.write("exec cat; echo\r");
  await until(() => seen.includes("exec cat"));
  child.terminal?.write("ready\r");
  await until(() => (seen.match(/ready/g) ?? []).length >= 2);
  const times: number[] = [];
  for (let key = 0; key < KEYS; key++) {
    seen = "";
    const started = performance.now();
    child.terminal?.write("x");
    await until(() => seen.includes("x"));
    times.push(performance.now() - started);
    if (key % 60 === 59) {
      seen = "";
      child.terminal?.write("\x15");
    }
  }
  child.kill("SIGKILL");
  await child.exited;
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return [
    [`${name}, echo of a key, p50`, at(0.5)],
    [`${name}, echo of a key, p99`, at(0.99)],
  ];
}
