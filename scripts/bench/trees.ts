/**
 * 10,000 files of 4 KiB in 100 folders, in memory, over loopback, by turns in one run: sock (encrypted, hashed on both
 * sides) and its peers over the same ssh; into nothing, and once more where nothing is to be done.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { has, machine, median, scratch, SOCK, sockServer, sshServer, timed } from "./lib/peers.ts";

const FOLDERS = 100;
const FILES = 100;
const BYTES = 4096;
const RUNS = Number(process.argv[2] ?? 5);

using folder = scratch();
const source = join(folder.path, "tree");
for (let at = 0; at < FOLDERS; at++) {
  mkdirSync(join(source, `d${at}`), { recursive: true });
  for (let file = 0; file < FILES; file++) {
    writeFileSync(join(source, `d${at}`, `f${file}`), randomBytes(BYTES));
  }
}
using sock = await sockServer(folder.path);
using ssh = await sshServer(folder.path);
const env = { SOCK_HOME: sock.home };
const served = join(folder.path, "served", "x");
const copy = join(folder.path, "copy");
const got = join(folder.path, "got");
const figures = new Map<string, number[]>();

function note(name: string, seconds: number): void {
  figures.set(name, [...(figures.get(name) ?? []), seconds]);
}

for (let run = 0; run < RUNS; run++) {
  for (const digest of ["sha256", "xxh3"]) {
    note(
      `sock put --digest ${digest}`,
      timed([SOCK, "put", source, "local:x", "--digest", digest, "-q"], env),
    );
    if (digest === "sha256") {
      note("sock put, nothing to do", timed([SOCK, "put", source, "local:x", "-q"], env));
      note("sock get", timed([SOCK, "get", "local:x", got, "-q"], env));
      note("sock get, nothing to do", timed([SOCK, "get", "local:x", got, "-q"], env));
      rmSync(got, { recursive: true });
    }
    rmSync(served, { recursive: true });
  }
  if (ssh === undefined) continue;
  const flags = [...ssh.options, "-c", "aes128-gcm@openssh.com"];
  const login = ["ssh", ...flags, "-p", String(ssh.port)];
  mkdirSync(copy);
  const line = login.map((word) => `'${word}'`).join(" ");
  note(
    "tar | ssh aes128-gcm | tar",
    timed(["sh", "-c", `tar cf - -C '${source}' . | ${line} 127.0.0.1 "tar xf - -C '${copy}'"`]),
  );
  rmSync(copy, { recursive: true });
  if (has("rsync")) {
    const rsync = ["rsync", "-a", "-e", login.join(" "), `${source}/`, `127.0.0.1:${copy}/`];
    note("rsync -a", timed(rsync));
    note("rsync -a, nothing to do", timed(rsync));
    rmSync(copy, { recursive: true });
  }
  note("scp -r", timed(["scp", "-q", "-r", ...flags, "-P", String(ssh.port), source, `127.0.0.1:${copy}`]));
  rmSync(copy, { recursive: true });
}

console.log(machine(["ssh", "rsync"]));
console.log(`${FOLDERS * FILES} files of ${BYTES} B, medians of ${RUNS}, seconds`);
for (const [name, seconds] of figures) console.log(`${name.padEnd(28)} ${median(seconds).toFixed(2)}`);
ratio("sock put --digest sha256", "tar | ssh aes128-gcm | tar");
ratio("sock put --digest sha256", "rsync -a");
ratio("sock put --digest sha256", "scp -r");
ratio("sock put, nothing to do", "rsync -a, nothing to do");

function ratio(own: string, peer: string): void {
  const [a, b] = [figures.get(own), figures.get(peer)];
  if (a !== undefined && b !== undefined)
    console.log(`${own} / ${peer}: ${(median(a) / median(b)).toFixed(2)}`);
}
