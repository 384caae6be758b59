/**
 * Two network namespaces and a wire of MTU 1500 between them; the server has two addresses and listens on all. Where the
 * kernel gives no namespaces, or `ip` and `tc` are missing, the tests are skipped by name.
 */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { childEnv, resultOf, SOCK } from "../helpers/run.ts";
import { temporaryFolder } from "../helpers/temp.ts";

// where ip and tc are on some systems
process.env["PATH"] += ":/usr/sbin:/sbin";
/** A network and processes of its own; all end with the first. */
const ALONE = ["-rnpf", "--mount-proc", "--kill-child"];

const wire =
  spawnSync("unshare", [...ALONE, "ip", "link", "add", "sock0", "type", "veth", "peer", "name", "sock1"])
    .status === 0 && spawnSync("tc", ["-V"]).status === 0;

const SETUP = `
set -e
unshare -n sh -c 'echo $$ > inner; exec sleep 60' &
until [ -s inner ]; do sleep 0.02; done
inner() { nsenter -t "$(cat inner)" -n "$@"; }
ip link add sock0 type veth peer name sock1 netns "$(cat inner)"
ip link set lo up
ip addr add 10.9.0.1/24 dev sock0
ip link set sock0 up
inner ip link set lo up
inner ip addr add 10.9.0.2/24 dev sock1
inner ip addr add 10.9.0.3/24 dev sock1
inner ip link set sock1 up
inner "$SOCK" serve served --listen 0.0.0.0:7625 --json > served.log &
until grep -q listening served.log; do sleep 0.02; done
code() { "$SOCK" invite --direct --host "$1:7625" --name "a$2"; }
export SOCK_JOIN="$(code 10.9.0.2 2)"
`;

async function inWire(script: string) {
  await using folder = await temporaryFolder();
  mkdirSync(folder.join("served"));
  writeFileSync(folder.join("script"), SETUP + script);
  const ran = spawnSync("unshare", [...ALONE, "bash", folder.join("script")], {
    cwd: folder.path,
    env: { ...childEnv(folder.path), PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`, SOCK },
    timeout: 30_000,
  });
  const text = ran.stdout.toString();
  if (ran.status !== 0) throw new Error(`status ${ran.status}: ${text}${ran.stderr.toString()}`);
  return text.trimEnd().split("\n");
}

test.skipIf(!wire)(
  "MTU-1, MTU, MTU+1, 9000 and 65507 under an MTU of 1500: echoes as long as they were",
  async () => {
    const sizes = [64, 1471, 1472, 1473, 1500, 9000, 65_507];
    const lines = await inWire(`
for size in ${sizes.join(" ")}; do
  "$SOCK" udp --count 20 --interval 5ms --size $size --fill random --json < /dev/null
done`);
    expect(lines).toHaveLength(sizes.length);
    for (const [at, line] of lines.entries()) {
      expect(resultOf(line)).toMatchObject({
        size: sizes[at],
        sent: 20,
        received: 20,
        up: { lost: 0, corrupt: 0 },
        down: { lost: 0, corrupt: 0 },
        seen_as: expect.stringMatching(/^10\.9\.0\.1:/),
      });
    }
  },
  30_000,
);

test.skipIf(!wire)(
  "two addresses behind one listener: the reply leaves from the one that was asked",
  async () => {
    const lines = await inWire(`
"$SOCK" udp --count 20 --interval 5ms --json < /dev/null
export SOCK_JOIN="$(code 10.9.0.3 3)"
"$SOCK" udp --count 20 --interval 5ms --json < /dev/null`);
    for (const [at, line] of lines.entries()) {
      expect(resultOf(line)).toMatchObject({ address: `10.9.0.${at + 2}`, received: 20, foreign: 0 });
    }
  },
  30_000,
);

test.skipIf(!wire)(
  "a queue of our own that is full is not the network: nothing is lost, and it is counted apart",
  async () => {
    const [line = "", dropped = ""] = await inWire(`
tc qdisc add dev sock0 root tbf rate 2mbit burst 10kb latency 30ms
"$SOCK" udp --count 500 --interval 2ms --size 1200 --json < /dev/null
tc -s qdisc show dev sock0 | grep -o 'dropped [0-9]*' | head -1 | grep -o '[0-9]*'`);
    const result = resultOf(line);
    expect(result).toMatchObject({ sent: 500, received: 500, up: { lost: 0 }, down: { lost: 0 } });
    expect(result["own_full"]).toBeGreaterThan(50);
    expect(result["schedule_kept_percent"]).toBeLessThan(50);
    // the kernel's own count; segments of TCP share the queue
    expect(Number(dropped) - Number(result["own_full"])).toBeWithin(0, 10);
  },
  30_000,
);
