import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
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
      { type: "stop", code },
      { type: "result", files: 0, failed: 1 },
    ]);
    await until(() => Object.keys(treeOf(root.path)).length === Object.keys(before).length, "no litter");
    expect(treeOf(root.path)).toEqual(before);
  });
}

for (const cut of ["end", "reset"] as const) {
  for (const verb of ["put", "get"]) {
    test(`${verb}: the line ends (${cut}) after a byte, in the handshake, the first and the last block: status 6`, async () => {
      await using client = await temporaryFolder();
      await writeFile(root.join("big"), Buffer.alloc(3 * MiB, "there"));
      await writeFile(client.join("big"), Buffer.alloc(3 * MiB, "here"));
      await writeFile(client.join("x"), OLD);
      await using relay = await Relay.start(server.port);
      const direction = verb === "put" ? "up" : "down";
      relay.faults[direction].cut = cut;
      const env = { SOCK_JOIN: codeAt(server.join, relay.port) };
      const args = verb === "put" ? ["put", "big", ":x"] : ["get", ":big", "x"];
      for (const position of [1, 300, 3000, 20_000, MiB, 3 * MiB - 1]) {
        relay.faults[direction].cutAfter = position;
        const ran = await sock([...args, "--json", "--connect-timeout", "3s"], { env, cwd: client.path });
        expect({ position, status: ran.status }).toEqual({ position, status: 6 });
        expect(await readFile((verb === "put" ? root : client).join("x"), "utf8")).toBe(OLD);
      }
      const littered = () =>
        Object.keys(treeOf((verb === "put" ? root : client).path)).some((path) => path.includes("partial"));
      await until(() => !littered(), "no litter");
    }, 20_000);
  }
}

test("a client that stops reading a get: the server's memory is flat, others are served, the end frees it", async () => {
  const size = 300 * MiB;
  await writeFile(root.join("huge"), new Uint8Array(size));
  const rss = async (): Promise<number> =>
    Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${server.process.pid}/status`, "utf8"))?.[1]) * 1024;
  const idle = await rss();
  const clients: Peer[] = [];
  for (let n = 0; n < 4; n++) {
    const client = await scriptedClient(server.join);
    client.channel.connection.pause();
    client.send({ type: "get", path: "huge", digest: "sha256" });
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
