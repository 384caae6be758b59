/**
 * The story of a CI job: server and client in roots of their own, read-only, without a home or a terminal, with the two
 * secrets of `invite --pair`. Needs user namespaces; where the kernel gives none, the tests are skipped by name.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Relay } from "../helpers/relay.ts";
import { resultOf, SOCK } from "../helpers/run.ts";
import { type TemporaryFolder, temporaryFolder } from "../helpers/temp.ts";
import { Listener } from "../helpers/udp-session.ts";

// some systems keep chroot where only root's own PATH looks
process.env["PATH"] += ":/usr/sbin:/sbin";
const namespaces = spawnSync("unshare", ["-r", "-m", "true"]).status === 0;
let folder: TemporaryFolder;
let roots: { server: string; client: string };

beforeAll(async () => {
  folder = await temporaryFolder();
  roots = { server: root("server"), client: root("client") };
});
afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

/** A root with the executable, the libraries that it is linked with, and two empty folders. */
function root(name: string): string {
  const path = folder.join(name);
  for (const each of ["dev", "proc", "data", "home"]) mkdirSync(join(path, each), { recursive: true });
  copyFileSync(SOCK, join(path, "sock"));
  const linked = spawnSync("ldd", [SOCK]).stdout.toString();
  for (const [library] of linked.matchAll(/\/\S+/g)) {
    mkdirSync(join(path, dirname(library)), { recursive: true });
    copyFileSync(library, join(path, library));
  }
  return path;
}

const INTO_ROOT =
  'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && mount --rbind /dev "$1/dev" && ' +
  'mount --rbind /proc "$1/proc" && r="$1" && shift && exec chroot "$r" /sock "$@"';

function inRoot(path: string, args: readonly string[], env: Record<string, string> = {}) {
  return Bun.spawn(["setsid", "unshare", "-r", "-m", "sh", "-c", INTO_ROOT, "sh", path, ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/home", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 20_000,
  });
}

async function story(impair: (relay: Awaited<ReturnType<typeof Relay.withDatagrams>>) => void) {
  const free = await Listener.open();
  const { port } = free.socket;
  free.socket.close();
  await using relay = await Relay.withDatagrams(port, 3);
  impair(relay);
  const invite = ["invite", "--pair", "--host", `127.0.0.1:${relay.port}`, "--allow", "udp"];
  const pair = inRoot(roots.server, invite);
  const secrets = Object.fromEntries(
    (await pair.stdout.text())
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  ) as Record<string, string>;
  const args = ["udp", "--ready", "15s", "--count", "200", "--interval", "5ms", "--json"];
  args.push("--max-loss", "0.5%", "--max-p50", "20ms");
  const client = inRoot(roots.client, args, { SOCK_JOIN: secrets["SOCK_JOIN"] ?? "" });
  const server = inRoot(roots.server, ["serve", "/data", "--listen", `127.0.0.1:${port}`, "--json"], {
    SOCK_SERVE: secrets["SOCK_SERVE"] ?? "",
  });
  const [stdout, stderr] = await Promise.all([client.stdout.text(), client.stderr.text()]);
  const status = await client.exited;
  server.kill("SIGTERM");
  await server.exited;
  return { status, stderr, result: resultOf(stdout) };
}

test.skipIf(!namespaces)(
  "thresholds pass: 0",
  async () => {
    const { status, result } = await story(() => undefined);
    expect(result).toMatchObject({ sent: 200, received: 200, verdict: { met: true } });
    expect(status).toBe(Number(result["schedule_kept_percent"]) < 99 ? 11 : 0);
  },
  30_000,
);

test.skipIf(!namespaces)(
  "under impairment: 3, and what was missed by its name",
  async () => {
    const { status, result } = await story(({ datagrams }) => {
      datagrams.faults.up.drop = 0.05;
      datagrams.faults.down.delayMs = 40;
    });
    expect(status).toBe(3);
    expect(result).toMatchObject({
      verdict: {
        met: false,
        missed: [
          { name: "max_loss", limit: 0.5 },
          { name: "max_p50", limit: 20_000 },
        ],
      },
    });
  },
  30_000,
);

test.skipIf(!namespaces)(
  "with UDP blocked: 6, and which way",
  async () => {
    const { status, result, stderr } = await story(({ datagrams }) => {
      datagrams.faults.up.drop = 1;
    });
    expect(status).toBe(6);
    expect(result).toMatchObject({ code: "silent", up: { lost: 200 } });
    expect(stderr).toMatch(/tcp to .* works, udp does not: .* saw 0 of 200 probes/);
    expect(stderr).toMatch(/blocked on the way there; open \d+\/udp/);
  },
  30_000,
);
