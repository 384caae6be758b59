/**
 * The main job on real input, on loopback, in folders of its own: a server starts, a client joins it, echoes, puts a
 * file of over 100 MB (this program itself), gets it back, and both copies are compared with the source by a digest that
 * is computed here, apart from sock's own.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const SOCK = resolve(import.meta.dir, "../dist/sock");
const LEAST_BYTES = 100_000_000;

if (!existsSync(SOCK) || statSync(SOCK).size < LEAST_BYTES) fail("dist/sock is missing: npm run build");

const folder = mkdtempSync(join(tmpdir(), "sock-demo-"));
const drop = join(folder, "drop");
mkdirSync(drop);
const serverEnv = { ...process.env, SOCK_HOME: join(folder, "server-state") };
const clientEnv = { ...process.env, SOCK_HOME: join(folder, "client-state") };
let server: ChildProcess | undefined;

try {
  server = spawn(SOCK, ["serve", drop, "--listen", "127.0.0.1:0", "--json", "-q"], {
    env: serverEnv,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const port = await listening(server);
  console.log(`server   sock serve drop --listen 127.0.0.1:${port}`);

  const code = sock(["invite", "--host", `127.0.0.1:${port}`], serverEnv).trim();
  console.log(
    `server   sock invite             a code of ${code.length} characters, for one machine, 1 hour`,
  );
  sock(["join", "--as", "demo"], clientEnv, code);
  console.log("client   sock join               has a key of its own now");

  const text = "hello, 你好";
  const back = sock(["echo", "demo", text], clientEnv).trim();
  if (back !== text) fail(`echo gave ${back}`);
  console.log(`client   sock echo demo          ${back}`);

  const copy = join(folder, "copy");
  const putMs = timed(() => sock(["put", SOCK, "demo:releases/sock.bin", "-q"], clientEnv));
  const getMs = timed(() => sock(["get", "demo:releases/sock.bin", copy, "-q"], clientEnv));

  const rows: string[][] = [["", "bytes", "seconds", "MB/s", "sha256"]];
  const landed = join(drop, "releases", "sock.bin");
  for (const [name, path, ms] of [
    ["source", SOCK, 0],
    ["after put", landed, putMs],
    ["after get", copy, getMs],
  ] as const) {
    const { size } = statSync(path);
    const seconds = ms === 0 ? "" : (ms / 1000).toFixed(2);
    const rate = ms === 0 ? "" : (size / 1000 / ms).toFixed(0);
    rows.push([name, String(size), seconds, rate, await sha256(path)]);
  }
  console.log();
  for (const row of rows) {
    console.log(row.map((cell, index) => cell.padEnd([11, 11, 9, 6, 0][index] ?? 0)).join(""));
  }
  const digests = new Set(rows.slice(1).map((row) => row[4]));
  if (digests.size !== 1) fail("the copies differ");

  server.kill("SIGTERM");
  const status = await ended(server);
  if (status !== 0) fail(`the server ended with ${status}`);
  server = undefined;
  console.log("\nall three are equal; the server has stopped");
} finally {
  server?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

function sock(args: string[], env: NodeJS.ProcessEnv, input = ""): string {
  const ran = spawnSync(SOCK, args, { env, input, encoding: "utf8" });
  if (ran.status !== 0) fail(`sock ${args[0]}: status ${ran.status}\n${ran.stderr}`);
  return ran.stdout;
}

function timed(action: () => unknown): number {
  const started = performance.now();
  action();
  return performance.now() - started;
}

/** The port of the `listening` event that has the join line, which is the last of them. */
async function listening(child: ChildProcess): Promise<number> {
  if (child.stdout === null) return fail("no stdout");
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const event: unknown = JSON.parse(line);
    if (typeof event !== "object" || event === null || !("join" in event) || !("port" in event)) continue;
    if (typeof event.port !== "number") break;
    // the rest is the server's log: read and forgotten, so that it never waits for us
    child.stdout.resume();
    return event.port;
  }
  return fail("the server did not start");
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((done) => child.on("exit", (code) => done(code)));
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

function fail(message: string): never {
  throw new Error(message);
}
