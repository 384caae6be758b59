/** 1 % of 10,000 files of 4 KiB changed: what goes over the line, counted by a relay, for sock and for rsync. */
import { mkdirSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Relay } from "../../test/helpers/relay.ts";
import { has, machine, run, scratch, SOCK, sockServer, sshServer } from "./lib/peers.ts";

const FOLDERS = 100;
const FILES = 100;
const BYTES = 4096;

using folder = scratch();
const source = join(folder.path, "tree");
for (let at = 0; at < FOLDERS; at++) {
  mkdirSync(join(source, `d${at}`), { recursive: true });
  for (let file = 0; file < FILES; file++) write(at, file);
}
using sock = await sockServer(folder.path);
using ssh = await sshServer(folder.path);
const env = { SOCK_HOME: sock.home };
await using relay = await Relay.start(sock.port);
const code = await run(
  [SOCK, "invite", "--direct", "--host", `127.0.0.1:${relay.port}`, "--name", "bench"],
  env,
);
const client = { SOCK_JOIN: code.trim(), SOCK_HOME: join(folder.path, "none") };
const put = [SOCK, "put", source, ":x", "-q"];
await run(put, client);
await using sshRelay = await Relay.start(ssh?.port ?? 0);
const login = ["ssh", ...(ssh?.options ?? []), "-c", "aes128-gcm@openssh.com", "-p", String(sshRelay.port)];
const rsync = ["rsync", "-a", "-e", login.join(" "), `${source}/`, `127.0.0.1:${join(folder.path, "copy")}/`];
const peers = ssh !== undefined && has("rsync");
if (peers) await run(rsync);

for (let at = 0; at < FOLDERS; at++) write(at, at);
const changed = FOLDERS * BYTES;
const before = { ...relay.bytes };
await run(put, client);
const sent = relay.bytes.up - before.up;
const came = relay.bytes.down - before.down;
console.log(machine(["ssh", "rsync"]));
console.log(`${FOLDERS * FILES} files of ${BYTES} B, ${FOLDERS} changed: ${changed} B`);
console.log(
  `sock put  ${sent} B up, ${came} B down: ${perFile(sent, changed)} a file beside the changed bytes`,
);
if (peers) {
  const start = { ...sshRelay.bytes };
  await run(rsync);
  const up = sshRelay.bytes.up - start.up;
  console.log(`rsync -a  ${up} B up, ${sshRelay.bytes.down - start.down} B down`);
}

function perFile(bytes: number, wanted: number): string {
  return `${((bytes - wanted) / (FOLDERS * FILES)).toFixed(0)} B`;
}

function write(at: number, file: number): void {
  writeFileSync(join(source, `d${at}`, `f${file}`), randomBytes(BYTES));
}
