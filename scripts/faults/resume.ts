/**
 * 100 kills at random bytes of a put and a get of one tree: of the client (the same command again), of the server (started
 * again on the same port; the client goes on by itself), of the line (reset, closed, or silent and then cut). Each ends
 * equal, by sha256sum of both trees, and the bytes that went over the line twice are counted.
 *
 *     bun scripts/faults/resume.ts [KILLS] [SEED]
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Relay } from "../../test/helpers/relay.ts";
import { answers, freePort } from "../bench/lib/peers.ts";

const SOCK = process.env["SOCK_BIN"] ?? resolve(import.meta.dir, "../../dist/sock");
const KILLS = Number(process.argv[2] ?? 100);
let seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
/** How much faster than this a transfer would be over before it is killed, bytes a second. */
const RATE = 60_000_000;
const TRIES = 5;
/** A run in which more than this share went over the line twice is named. */
const MOST_TWICE = 0.1;
const WAYS = ["client", "server", "reset", "close", "silence"] as const;

const folder = mkdtempSync(join(tmpdir(), "sock-resume-"));
const at = (...names: string[]): string => join(folder, ...names);
const home = at("home");
console.log(`seed ${seed}`);
const total = makeTree(at("tree"));
mkdirSync(at("served"));
const port = await freePort();
let server = await startServer();
await using relay = await Relay.start(port);
relay.faults.up.rate = RATE;
relay.faults.down.rate = RATE;
const code = must([
  "sock",
  "invite",
  "--direct",
  "--host",
  `127.0.0.1:${relay.port}`,
  "--name",
  "faults",
]).trim();
must(["sock", "put", at("tree"), `local:kept`, "-q"]);
const sums = sha256sums(at("tree"));
let twice = 0;
let worst = 0;
let moved = 0;
let findings = 0;

for (let kill = 0; kill < KILLS; kill++) {
  const verb = kill % 2 === 0 ? "put" : "get";
  const way = WAYS[Math.floor(kill / 2) % WAYS.length] ?? "client";
  const bytes = Math.floor(random() * total);
  const before = relay.bytes.up + relay.bytes.down;
  const words = verb === "put" ? ["put", at("tree"), ":copy"] : ["get", ":kept", at("copy")];
  const outcome = await once(words, verb === "put" ? "up" : "down", way, bytes);
  const copy = verb === "put" ? at("served", "copy") : at("copy");
  const again = relay.bytes.up + relay.bytes.down - before - total;
  const share = again / total;
  const equal = sha256sums(copy) === sums;
  moved += total;
  twice += again;
  worst = Math.max(worst, share);
  if (share > MOST_TWICE) {
    console.log(`${verb}, ${way} at ${bytes}: ${(share * 100).toFixed(1)} % went over the line twice`);
  }
  if (!equal || outcome !== 0) {
    findings += 1;
    console.log(`${verb}, ${way} at ${bytes}: status ${outcome}, ${equal ? "equal" : "NOT EQUAL"}`);
  }
  rmSync(copy, { recursive: true, force: true });
}
server.kill("SIGTERM");
await ended(server);
console.log(
  `${KILLS} kills, tree of ${(total / 1e6).toFixed(1)} MB: ${findings === 0 ? "no finding" : `${findings} FINDINGS`}`,
);
console.log(
  `beside the tree's bytes: ${((twice / moved) * 100).toFixed(1)} % overall, ${(worst * 100).toFixed(1)} % at worst (frames and TLS included)`,
);
rmSync(folder, { recursive: true, force: true });
process.exitCode = findings === 0 ? 0 : 1;

/** Runs until it ends by itself; the fault comes once, when so many bytes have passed. */
async function once(
  words: string[],
  direction: "up" | "down",
  way: (typeof WAYS)[number],
  bytes: number,
): Promise<number | null> {
  const start = relay.bytes[direction];
  let status: number | null = null;
  let faulted = false;
  for (let run = 0; run < TRIES; run++) {
    const client = spawn(SOCK, [...words, "-q", "--compress", "never"], {
      env: { ...process.env, SOCK_HOME: at("none"), SOCK_JOIN: code },
      stdio: ["ignore", "inherit", "pipe"],
    });
    const end = ended(client);
    if (!faulted) {
      while (relay.bytes[direction] - start < bytes && client.exitCode === null) await Bun.sleep(1);
      faulted = true;
      await fault(way, client);
    }
    status = await end;
    if (status === 0) return 0;
  }
  return status;
}

async function fault(way: (typeof WAYS)[number], client: ChildProcess): Promise<void> {
  if (way === "client") client.kill("SIGKILL");
  else if (way === "reset") relay.cutAll("reset");
  else if (way === "close") relay.cutAll("end");
  else if (way === "silence") {
    relay.faults.up.stalled = true;
    relay.faults.down.stalled = true;
    await Bun.sleep(300);
    relay.cutAll("reset");
    relay.faults.up.stalled = false;
    relay.faults.down.stalled = false;
  } else {
    server.kill("SIGKILL");
    await ended(server);
    server = await startServer();
  }
}

async function startServer(): Promise<ChildProcess> {
  const child = spawn(SOCK, ["serve", at("served"), "--listen", `127.0.0.1:${port}`, "-q"], {
    env: { ...process.env, SOCK_HOME: home },
    stdio: ["ignore", "inherit", "inherit"],
  });
  while (!(await answers(port))) await Bun.sleep(10);
  return child;
}

function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((done) => child.on("exit", (status) => done(status)));
}

/** One large file, some of a few megabytes, many small ones. Returns its bytes. */
function makeTree(path: string): number {
  let bytes = 0;
  const write = (name: string, size: number): void => {
    mkdirSync(join(path, name, ".."), { recursive: true });
    writeFileSync(join(path, name), randomBytes(size));
    bytes += size;
  };
  for (let at = 0; at < 500; at++) write(`small/d${at % 10}/f${at}`, Math.floor(random() * 20_000));
  for (let at = 0; at < 5; at++) write(`middle/f${at}`, 5_000_000);
  write("large", 60_000_000);
  return bytes;
}

function sha256sums(path: string): string {
  const ran = spawnSync("sh", ["-c", "find . -type f -print0 | sort -z | xargs -0 sha256sum"], {
    cwd: path,
    maxBuffer: 1e8,
  });
  return ran.stdout.toString();
}

function must([, ...words]: string[]): string {
  const ran = spawnSync(SOCK, words, { env: { ...process.env, SOCK_HOME: home } });
  if (ran.status !== 0) throw new Error(`sock ${words.join(" ")}: ${ran.stderr.toString()}`);
  return ran.stdout.toString();
}

/** mulberry32: the same numbers for the same seed. */
function random(): number {
  seed = (seed + 0x6d2b79f5) | 0;
  let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
  return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
}
