import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { codeAt } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { sock } from "../helpers/run.ts";
import { type Peer, scriptedClient } from "../helpers/scripted.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { treeOf } from "../helpers/tree.ts";
import { until } from "../helpers/until.ts";

const MiB = 1024 * 1024;
const OLD = "the old file";
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const FIVE = Buffer.from("12345");
const ENTRY = { type: "entry", entry: 0, kind: "file", path: "f", mtime: null, mode: null } as const;
const GET = { type: "get", digest: "sha256", links: "keep", compress: "never", fresh: true } as const;

let root: TemporaryFolder;
let server: Serving;
beforeAll(async () => {
  root = await temporaryFolder();
  server = await serve({ args: [root.path] });
  await writeFile(root.join("x"), OLD);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await root[Symbol.asyncDispose]();
});

const BODIES: Record<string, [length: number | null, bytes: number, code: string]> = {
  "more than declared": [4, 5, "changed"],
  "less than declared": [6, 5, "cut"],
  "more than the end says": [null, 4, "cut"],
  "less than the end says": [null, 6, "cut"],
  "a declared petabyte": [1e15, 5, "no-space"],
};
for (const [what, [length, bytes, code]] of Object.entries(BODIES)) {
  test(`a body of ${what} is never published`, async () => {
    const before = treeOf(root.path);
    using client = await scriptedClient(server.join);
    client.send({ type: "put", to: "x", digest: "sha256", on_exists: "replace" });
    client.send({ ...ENTRY, length });
    client.send({ type: "data", entry: 0 }, FIVE);
    client.send({ type: "end", entry: 0, bytes, digest: sha256(FIVE) });
    client.send({ type: "finish" });
    const answers = await client.until("result");
    expect(answers).toMatchObject([
      { type: "ready", fresh: false },
      { type: "stop", code },
      { type: "result", files: 0, failed: 1 },
    ]);
    await until(() => Object.keys(treeOf(root.path)).length === Object.keys(before).length, "no litter");
    expect(treeOf(root.path)).toEqual(before);
  });
}

for (const cut of ["end", "reset"] as const) {
  for (const verb of ["put", "get"]) {
    /** Noise to be moved by a line that ends after so many bytes, and what is left of it at the other end. */
    const cutLine = async (size = 3 * MiB) => {
      const stack = new AsyncDisposableStack();
      const client = stack.use(await temporaryFolder());
      const [from, to] = verb === "put" ? [client, root] : [root, client];
      const bytes = randomBytes(size);
      await writeFile(from.join("big"), bytes);
      await writeFile(to.join("x"), OLD);
      const relay = stack.use(await Relay.start(server.port));
      const faults = relay.faults[verb === "put" ? "up" : "down"];
      faults.cut = cut;
      const env = { SOCK_JOIN: codeAt(server.join, relay.port) };
      const args = verb === "put" ? ["put", "big", ":x"] : ["get", ":big", "x"];
      const run = (...more: string[]) =>
        sock([...args, "--json", "--connect-timeout", "3s", ...more], { env, cwd: client.path });
      const partials = () => Object.keys(treeOf(to.path)).filter((path) => path.startsWith(".sock-partial/"));
      const there = () => readFile(to.join("x"));
      const dispose = () => stack.disposeAsync();
      return { bytes, relay, faults, run, to, partials, there, [Symbol.asyncDispose]: dispose };
    };
    const POSITIONS = [1, 300, 3000, 20_000, MiB, 3 * MiB - 1];

    test(`${verb}: the line ends (${cut}) after a byte, in the handshake, the first and the last block: status 6`, async () => {
      await using line = await cutLine();
      for (const position of POSITIONS) {
        line.faults.cutAfter = position;
        const ran = await line.run("--retry", "0s");
        expect({ position, status: ran.status }).toEqual({ position, status: 6 });
        expect(sha256(await line.there())).toBe(sha256(Buffer.from(OLD)));
      }
      // what came of it is kept for the next run, for nobody else to see, and is gone with that run; a reset may take
      // with it what was not read yet
      if (cut === "end") {
        await until(() => line.partials().length === 1, "one partial file");
        expect((await stat(line.to.join(".sock-partial"))).mode & 0o777).toBe(0o700);
      }
      line.faults.cutAfter = Infinity;
      const before = line.relay.bytes.up + line.relay.bytes.down;
      expect(await line.run("--retry", "0s")).toMatchObject({ status: 0 });
      const moved = line.relay.bytes.up + line.relay.bytes.down - before;
      expect(moved).toBeLessThan(cut === "end" ? 2 * MiB : 4 * MiB);
      expect(sha256(await line.there())).toBe(sha256(line.bytes));
      await until(() => line.partials().length === 0, "no litter");
    }, 20_000);

    test(`${verb}: a line that ends (${cut}) once is taken up again by the same command`, async () => {
      await using line = await cutLine();
      // before a session there is nothing to go on with
      for (const position of POSITIONS.slice(2)) {
        await writeFile(line.to.join("x"), OLD);
        line.faults.cutAfter = position;
        const { accepted } = line.relay;
        const mended = until(() => line.relay.accepted > accepted + 1, "a second connection");
        const ran = line.run();
        await mended;
        line.faults.cutAfter = Infinity;
        const { status, stderr } = await ran;
        expect({ position, status, stderr }).toMatchObject({ position, status: 0 });
        expect(sha256(await line.there())).toBe(sha256(line.bytes));
      }
      expect(line.partials()).toEqual([]);
    }, 20_000);

    test(`${verb}: a line that ends (${cut}) again and again, and carries some of it each time, carries all of it`, async () => {
      // far above what is worth keeping: a reset takes with it what was not read yet
      await using line = await cutLine(6 * MiB);
      line.faults.cutAfter = 2.25 * MiB;
      expect(await line.run()).toMatchObject({ status: 0 });
      expect(sha256(await line.there())).toBe(sha256(line.bytes));
      expect(line.relay.accepted).toBeGreaterThan(2);
      expect(line.partials()).toEqual([]);
    });

    test(`${verb}: a line that always ends (${cut}) at one place is given up after --retry`, async () => {
      await using line = await cutLine();
      line.faults.cutAfter = 3000;
      const began = performance.now();
      expect(await line.run("--retry", "700ms")).toMatchObject({ status: 6 });
      expect(performance.now() - began).toBeLessThan(4000);
      expect(line.relay.accepted).toBeGreaterThan(2);
    });
  }
}

test("a client that stops reading a get: the server's memory is flat, others are served, the end frees it", async () => {
  const size = 300 * MiB;
  await writeFile(root.join("huge"), new Uint8Array(size));
  await writeFile(root.join("x"), OLD);
  const rss = async (): Promise<number> =>
    Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${server.process.pid}/status`, "utf8"))?.[1]) * 1024;
  const idle = await rss();
  const clients: Peer[] = [];
  for (let n = 0; n < 4; n++) {
    const client = await scriptedClient(server.join);
    client.channel.connection.pause();
    client.send({ ...GET, paths: [{ path: "huge" }] });
    clients.push(client);
  }
  let worst = 0;
  for (let n = 0; n < 10; n++) {
    const env = { SOCK_JOIN: server.join };
    expect(await sock(["get", ":x", "-"], { env })).toMatchObject({ status: 0, stdout: OLD });
    worst = Math.max(worst, await rss());
  }
  // blocks in flight and what is queued for a socket, of four; never a share of the files
  expect((worst - idle) / MiB).toBeLessThan(100);
  const cut = () => server.stdout().match(/"what":"huge".*"outcome":"cut"/g)?.length;
  expect(cut()).toBe(undefined);
  for (const client of clients) client[Symbol.dispose]();
  await until(() => cut() === 4, "the server's word of each");
}, 20_000);
