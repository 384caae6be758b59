/**
 * A file of over 2^32 bytes (4.5 GB) put and got back: compared byte by byte, and the most memory that client and server
 * had resident (VmHWM) while they did it. Needs 14 GB of disk. `bun scripts/soak/huge-file.ts [sha256|xxh3]`
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machine, SOCK, sockServer } from "../bench/lib/peers.ts";

const BYTES = 4_500_000_000;
const MOST_RESIDENT_MB = 150;
const digest = process.argv[2] ?? "sha256";

const folder = mkdtempSync(join(tmpdir(), "sock-soak-"));
try {
  const source = join(folder, "source");
  const back = join(folder, "back");
  mkdirSync(join(folder, "served"));
  must(["sh", "-c", `head -c ${BYTES} /dev/urandom > '${source}'`]);
  using server = await sockServer(folder);
  const put = await run(["put", source, "local:copy", "--digest", digest], server.home);
  const get = await run(["get", "local:copy", back, "--digest", digest], server.home);
  must(["cmp", source, join(folder, "served", "copy")]);
  must(["cmp", source, back]);
  const serverMb = resident(server.pid);
  console.log(machine([]));
  console.log(`${BYTES} bytes, ${digest}: both copies are equal (cmp)`);
  console.log(`put  ${put.seconds.toFixed(1)} s, client ${put.mb} MB resident at most`);
  console.log(`get  ${get.seconds.toFixed(1)} s, client ${get.mb} MB resident at most`);
  console.log(`server ${serverMb} MB resident at most`);
  if (Math.max(put.mb, get.mb, serverMb) > MOST_RESIDENT_MB) {
    console.log(`over ${MOST_RESIDENT_MB} MB`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function run(args: string[], home: string): Promise<{ seconds: number; mb: number }> {
  const started = performance.now();
  const child = spawn(SOCK, [...args, "-q"], { env: { ...process.env, SOCK_HOME: home }, stdio: "inherit" });
  let mb = 0;
  const watch = setInterval(() => {
    if (child.pid !== undefined) mb = Math.max(mb, resident(child.pid));
  }, 50);
  const status = await new Promise<number | null>((done) => child.on("exit", (code) => done(code)));
  clearInterval(watch);
  if (status !== 0) throw new Error(`sock ${args[0]}: status ${status}`);
  return { seconds: (performance.now() - started) / 1000, mb };
}

/** The high-water mark of a process that runs, MB; 0 where it is gone. */
function resident(pid: number): number {
  try {
    const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return Math.round(Number(line?.[1] ?? 0) / 1000);
  } catch {
    return 0;
  }
}

function must(command: string[]): void {
  const [program = "", ...args] = command;
  const ran = spawnSync(program, args);
  if (ran.status !== 0) throw new Error(`${command.join(" ")}: ${ran.stderr.toString()}`);
}
