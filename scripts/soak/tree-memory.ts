/**
 * The most memory that client and server have resident for a tree of 2,000 small files and for one of 200,000 (or
 * `bun scripts/soak/tree-memory.ts ENTRIES`), put and got back. A server for each, so that nothing is left of the other.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machine, SOCK, sockServer } from "../bench/lib/peers.ts";

const IN_FOLDER = 1000;
const BYTES = 200;
const sizes = process.argv[2] === undefined ? [2_000, 200_000] : [Number(process.argv[2])];
const rows: { put: number; get: number; server: number }[] = [];

console.log(machine([]));
for (const size of sizes) {
  const folder = mkdtempSync(join(tmpdir(), "sock-soak-"));
  try {
    const tree = join(folder, "tree");
    for (let at = 0; at < size; at++) {
      const holder = join(tree, `d${Math.floor(at / IN_FOLDER)}`);
      if (at % IN_FOLDER === 0) mkdirSync(holder, { recursive: true });
      writeFileSync(join(holder, `f${at}`), Buffer.alloc(BYTES, String(at)));
    }
    using server = await sockServer(folder);
    const put = await run(["put", tree, "local:x"], server.home);
    const again = await run(["put", tree, "local:x"], server.home);
    const get = await run(["get", "local:x", join(folder, "back")], server.home);
    const row = { put: Math.max(put.mb, again.mb), get: get.mb, server: resident(server.pid) };
    rows.push(row);
    console.log(
      `${size} files: put ${put.seconds.toFixed(1)} s, again ${again.seconds.toFixed(1)} s, get ${get.seconds.toFixed(1)} s;` +
        ` resident at most: put ${row.put} MB, get ${row.get} MB, server ${row.server} MB`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const [few, many] = rows;
if (few !== undefined && many !== undefined) {
  const ratio = (a: number, b: number): string => (b / a).toFixed(2);
  console.log(
    `many / few: put ${ratio(few.put, many.put)}, get ${ratio(few.get, many.get)}, server ${ratio(few.server, many.server)}`,
  );
}

async function run(args: string[], home: string): Promise<{ seconds: number; mb: number }> {
  const started = performance.now();
  const child = spawn(SOCK, [...args, "-q"], { env: { ...process.env, SOCK_HOME: home }, stdio: "inherit" });
  let mb = 0;
  const watch = setInterval(() => {
    if (child.pid !== undefined) mb = Math.max(mb, resident(child.pid));
  }, 20);
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
