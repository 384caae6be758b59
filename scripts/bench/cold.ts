/** A whole process, cold: `sock echo local hi` beside `ssh 127.0.0.1 true` with a key, by turns, in one run. */
import { machine, median, scratch, SOCK, sockServer, sshServer, timed } from "./lib/peers.ts";

const RUNS = 21;

using folder = scratch();
using sock = await sockServer(folder.path);
using ssh = await sshServer(folder.path);
const ours: number[] = [];
const theirs: number[] = [];
const env = { SOCK_HOME: sock.home };
for (let run = 0; run < RUNS; run++) {
  ours.push(timed([SOCK, "echo", "local", "hi"], env));
  if (ssh !== undefined)
    theirs.push(timed(["ssh", ...ssh.options, "-p", String(ssh.port), "127.0.0.1", "true"]));
}
console.log(machine(["ssh"]));
console.log(`sock echo local hi   median ${(median(ours) * 1000).toFixed(0)} ms of ${RUNS}`);
if (theirs.length > 0) {
  console.log(`ssh 127.0.0.1 true   median ${(median(theirs) * 1000).toFixed(0)} ms of ${RUNS}`);
  console.log(`sock / ssh           ${(median(ours) / median(theirs)).toFixed(3)}`);
}
