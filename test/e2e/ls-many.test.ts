import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { codeAt, start } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { scriptedClient } from "../helpers/scripted.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const FOLDERS = 100;
const FILES = 1000;
const ALL = FOLDERS * FILES + FOLDERS;
/** Clients that ask and do not read: what the kernel keeps for each is a part of its list only. */
const SLOW = 16;
const IDLE_MS = 300;
const MiB = 1024 * 1024;

let base: TemporaryFolder;
let server: Serving;

beforeAll(async () => {
  base = await temporaryFolder();
  for (let folder = 0; folder < FOLDERS; folder++) {
    const path = base.join("root", `folder-${folder}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < FILES; file++) closeSync(openSync(`${path}/file-${file}`, "w"));
  }
  server = await serve({ args: [base.join("root")] });
}, 60_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await base[Symbol.asyncDispose]();
}, 60_000);

/** Memory that the server holds now, and held at most, bytes. */
function memory(): { now: number; most: number } {
  const text = readFileSync(`/proc/${server.process.pid}/status`, "utf8");
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) * 1024;
  return { now: field("VmRSS"), most: field("VmHWM") };
}

test.skipIf(process.platform !== "linux")(
  "100,000 names: all of them, sorted; the server's memory stays where 1,000 left it",
  async () => {
    const env = { SOCK_JOIN: server.join };
    expect((await sock(["ls", ":folder-7"], { env })).stdout.split("\n")).toHaveLength(FILES + 1);
    const before = memory().most;
    for (let time = 0; time < 2; time++) {
      const { stdout, status } = await sock(["ls", "-R"], { env });
      expect(status).toBe(0);
      const names = stdout.split("\n").slice(0, -1);
      expect(names).toHaveLength(ALL);
      const bare = names.map((name) => name.replace(/\/$/, ""));
      expect(bare).toEqual(
        bare
          .map((name) => name.split("/"))
          .sort(bySegments)
          .map((parts) => parts.join("/")),
      );
    }
    const json = await sock(["ls", "-R", "--json"], { env });
    expect(resultOf(json.stdout)).toMatchObject({ status: 0, items: ALL });
    expect(memory().most - before).toBeLessThan(40 * MiB);
  },
  60_000,
);

function bySegments(a: string[], b: string[]): number {
  for (const [index, name] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (name !== other) return name < other ? -1 : 1;
  }
  return a.length - b.length;
}

/** Time of the processor that the server has used, ticks. */
function ticks(): number {
  const fields = readFileSync(`/proc/${server.process.pid}/stat`, "latin1").split(") ")[1]?.split(" ");
  return Number(fields?.[11]) + Number(fields?.[12]);
}

/** Until the server has had nothing to do for a while. */
async function idle(): Promise<void> {
  let [last, since] = [-1, 0];
  await until(
    () => {
      if (ticks() !== last) [last, since] = [ticks(), performance.now()];
      return performance.now() - since > IDLE_MS;
    },
    "an idle server",
    30_000,
  );
}

test.skipIf(process.platform !== "linux")(
  "clients that stop reading stop their lists; the server stays small, and serves others",
  async () => {
    const before = memory().now;
    const slow = await Promise.all(Array.from({ length: SLOW }, () => scriptedClient(server.join)));
    try {
      for (const client of slow) {
        client.channel.connection.pause();
        client.send({ type: "ls", path: "", recursive: true });
      }
      await idle();
      expect(memory().now - before).toBeLessThan(SLOW * 5 * MiB);
      expect((await sock(["ls", ":folder-1"], { env: { SOCK_JOIN: server.join } })).status).toBe(0);
      const [first] = slow;
      first?.channel.connection.resume();
      expect(await first?.until("result")).toHaveLength(ALL + 2);
    } finally {
      for (const client of slow) client[Symbol.dispose]();
    }
  },
  60_000,
);

test("others are answered while a long list runs", async () => {
  const env = { SOCK_JOIN: server.join };
  await using long = await start(["ls", "-R", "--json"], { env });
  await until(() => long.stdout().length > 1000, "the list's beginning");
  const ran = await sock(["echo", "--count", "50", "--max-rtt", "500ms", "--json"], { env });
  expect(resultOf(ran.stdout)).toMatchObject({ status: 0 });
  expect(await long.ended()).toBe(0);
}, 30_000);

test("a link that is cut in the middle of a list: 6", async () => {
  await using relay = await Relay.start(server.port);
  relay.faults.down.cutAfter = 1 * MiB;
  const ran = await sock(["ls", "-R", "--json"], { env: { SOCK_JOIN: codeAt(server.join, relay.port) } });
  expect(resultOf(ran.stdout)).toMatchObject({ status: 6, code: "lost" });
});

test("a reader that goes away ends it at once", async () => {
  const shell = Bun.spawn(["sh", "-c", `"$0" ls -R | head -1`, process.env["SOCK_BIN"] ?? "dist/sock"], {
    env: { PATH: process.env["PATH"] ?? "", SOCK_JOIN: server.join, SOCK_HOME: base.join("home") },
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(await shell.stdout.text()).toBe("folder-0/\n");
  expect(await shell.stderr.text()).toBe("");
});
