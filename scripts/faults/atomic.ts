/**
 * `put --atomic` of a folder, 1,000 times, each time another version, while several readers loop over it: the name must never
 * be missing, and never two versions mixed.
 *
 *     bun scripts/faults/atomic.ts [CHANGES] [READERS]
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort } from "../bench/lib/peers.ts";

const SOCK = process.env["SOCK_BIN"] ?? resolve(import.meta.dir, "../../dist/sock");
const READER = resolve(import.meta.dir, "../../test/helpers/version-reader.ts");
const CHANGES = Number(process.argv[2] ?? 1000);
const READERS = Number(process.argv[3] ?? 2);

const folder = mkdtempSync(join(tmpdir(), "sock-atomic-"));
const at = (...names: string[]): string => join(folder, ...names);
const env = { PATH: process.env["PATH"] ?? "", HOME: folder, SOCK_HOME: at("home") };
let findings = 0;
mkdirSync(at("served"));
mkdirSync(at("v", "sub"), { recursive: true });
const port = await freePort();
const server = Bun.spawn([SOCK, "serve", at("served"), "--listen", `127.0.0.1:${port}`, "-q"], { env });
try {
  version(0);
  for (let tries = 0; put() !== 0; tries++) {
    if (tries === 100) throw new Error("the server does not answer");
    await Bun.sleep(50);
  }
  const readers = Array.from({ length: READERS }, () =>
    Bun.spawn([process.execPath, READER, at("served", "www"), at("stop")], { env, stdout: "pipe" }),
  );
  const began = performance.now();
  for (let number = 1; number <= CHANGES; number++) {
    version(number);
    const status = put();
    if (status !== 0) finding(`change ${number} ended with ${status}`);
  }
  const seconds = (performance.now() - began) / 1000;
  writeFileSync(at("stop"), "");
  for (const reader of readers) {
    const [, line = "{}"] = (await reader.stdout.text()).split("\n");
    console.log(`a reader: ${line}`);
    const { missing, mixed, versions } = Object(JSON.parse(line));
    if (missing !== 0) finding(`the name was missing ${missing} times`);
    if (mixed !== 0) finding(`two versions were mixed ${mixed} times`);
    if (!(versions > CHANGES / 2)) finding(`only ${versions} of ${CHANGES} versions were seen`);
  }
  const last = readFileSync(at("served", "www", "a"), "utf8");
  if (Number(last) !== CHANGES) finding(`the last version is ${last}`);
  server.kill("SIGTERM");
  await server.exited;
  const left = readdirSync(at("served")).filter((name) => name !== "www");
  if (left.length > 0) finding(`left over: ${left.join(" ")}`);
  console.log(`${CHANGES} changes in ${seconds.toFixed(1)} s, ${findings} findings`);
} finally {
  server.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
process.exit(findings === 0 ? 0 : 1);

/** Files that are as long as those of any other version. */
function version(number: number): void {
  for (const name of ["a", "b", "sub/c"]) {
    writeFileSync(at("v", name), String(number).padStart(6, "0"));
    utimesSync(at("v", name), 1_700_000_000 + number, 1_700_000_000 + number);
  }
}

function put(): number | null {
  return Bun.spawnSync([SOCK, "put", "--atomic", at("v"), "local:www", "-q"], { env }).exitCode;
}

function finding(what: string): void {
  findings += 1;
  console.log(`FINDING: ${what}`);
}
