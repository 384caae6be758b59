import { describe, expect, test } from "bun:test";
import { sock } from "../helpers/run.ts";
import { type Peer, scriptedClient } from "../helpers/scripted.ts";
import type { Serving } from "../helpers/serve.ts";
import { childrenOf, residentMiB, shellServer } from "../helpers/shell.ts";
import { until } from "../helpers/until.ts";

const MIB = 1024 * 1024;
const SIZE = { cols: 80, rows: 24 };
const RUN = "0123456789abcdef".repeat(2);
const OTHER_RUN = "fedcba9876543210".repeat(2);

/** A client in a new terminal, and the terminal's id. */
async function opened(server: Serving): Promise<{ peer: Peer; id: string }> {
  const peer = await scriptedClient(server.join, RUN);
  peer.send({ type: "terminal", name: null, cwd: null, env: { TERM: "xterm" }, ...SIZE });
  const attached = await peer.next();
  const id = attached?.["id"];
  if (typeof id !== "string") throw new Error(`the server answered ${JSON.stringify(attached)}`);
  return { peer, id };
}

async function refusal(peer: Peer): Promise<unknown> {
  return (await peer.until("error", "attached", "over")).at(-1)?.["code"];
}

describe("a client that breaks the rules ends its session, and the terminal waits for its own run", () => {
  const WRONG: [string, (peer: Peer) => void][] = [
    ["a gap in the input", (peer) => peer.send({ type: "bytes", at: 5, size: 1 }, new Uint8Array(1))],
    [
      "an offset from the end of time",
      (peer) => peer.send({ type: "bytes", at: 2 ** 53 - 1, size: 1 }, new Uint8Array(1)),
    ],
    ["more used than was sent", (peer) => peer.send({ type: "ack", at: 10 * MIB })],
    ["no size at all", (peer) => peer.send({ type: "resize", cols: 0, rows: 0 })],
    [
      "a command in the terminal",
      (peer) =>
        peer.send({
          type: "exec",
          bytes: 5,
          cwd: null,
          env: {},
          stdin: false,
          detach: false,
          max_output: null,
        }),
    ],
    [
      "a terminal in the terminal",
      (peer) => peer.send({ type: "terminal", name: null, cwd: null, env: {}, ...SIZE }),
    ],
  ];
  for (const [what, send] of WRONG) {
    test(what, async () => {
      await using server = await shellServer();
      const { peer, id } = await opened(server);
      send(peer);
      expect(await refusal(peer)).toBe("protocol");
      expect(await peer.next()).toBeUndefined();
      using again = await scriptedClient(server.join, RUN);
      again.send({ type: "attach", id, name: null, at: 0, ...SIZE });
      expect(await again.next()).toMatchObject({ type: "attached", id, at: 0, taken: 0 });
    });
  }
});

test("input without end into what never reads: memory flat, the session ends, others are served", async () => {
  await using server = await shellServer();
  const { peer } = await opened(server);
  const line = new TextEncoder().encode("stty raw -echo; exec sleep 100\n");
  peer.send({ type: "bytes", at: 0, size: line.length }, line);
  const before = residentMiB(server.process.pid);
  let at = line.length;
  for (let round = 0; round < 50 && peer.channel.failure === undefined; round++) {
    peer.send({ type: "bytes", at, size: MIB }, new Uint8Array(MIB));
    at += MIB;
    await peer.channel.flushed().catch(() => undefined);
  }
  expect(await refusal(peer)).toBe("protocol");
  expect(residentMiB(server.process.pid) - before).toBeLessThan(40);
  using other = await scriptedClient(server.join, OTHER_RUN);
  other.send({ type: "terminals" });
  expect((await other.until("listed")).at(-1)).toMatchObject({ count: 1 });
});

describe("nobody else takes it over", () => {
  test("not another run of the same direct code, by its id or without it", async () => {
    await using server = await shellServer();
    const { peer, id } = await opened(server);
    peer[Symbol.dispose]();
    for (const [request, code] of [
      [{ id, name: null, at: 0 }, "not-found"],
      [{ name: null }, "capability"],
      [{ name: "1" }, "capability"],
    ] as const) {
      using other = await scriptedClient(server.join, OTHER_RUN);
      other.send({ type: "attach", ...request, ...SIZE });
      expect([request, await refusal(other)]).toEqual([request, code]);
    }
    using own = await scriptedClient(server.join, RUN);
    own.send({ type: "attach", id, name: null, at: 0, ...SIZE });
    expect(await own.next()).toMatchObject({ type: "attached", id });
  });

  test("not another key, even with id and run", async () => {
    await using server = await shellServer();
    const { peer, id } = await opened(server);
    using first = peer;
    const join = (
      await sock(["invite", "--direct", "--name", "eve", "--allow", "shell"], { home: server.home })
    ).stdout;
    using eve = await scriptedClient(join.trim(), RUN);
    eve.send({ type: "attach", id, name: null, at: 0, ...SIZE });
    expect(await refusal(eve)).toBe("not-found");
    eve.send({ type: "terminals" });
    expect((await eve.until("listed")).at(-1)).toMatchObject({ count: 0 });
    expect(first.channel.failure).toBeUndefined();
  });

  test("its own run takes it from its own connection, which is told", async () => {
    await using server = await shellServer();
    const { peer, id } = await opened(server);
    using again = await scriptedClient(server.join, RUN);
    again.send({ type: "attach", id, name: null, at: 0, ...SIZE });
    expect(await again.next()).toMatchObject({ type: "attached", id });
    expect((await peer.until("over")).at(-1)).toMatchObject({ type: "over", status: null, signal: null });
    // what the first one says now means nothing
    peer.send({ type: "bytes", at: 0, size: 5 }, new TextEncoder().encode("exit\n"));
    peer.send({ type: "ack", at: 0 });
    peer.send({ type: "leave", end: false });
    peer.send({ type: "leave", end: true });
    peer.send({ type: "finish" });
    peer.send({ type: "terminals" });
    expect((await peer.until("listed")).at(-1)).toMatchObject({ count: 1 });
  });
});

test("a key has 16 terminals at most, and a place is free again when one has ended", async () => {
  await using server = await shellServer();
  const peers = await Promise.all(Array.from({ length: 16 }, async () => opened(server)));
  using more = await scriptedClient(server.join, RUN);
  more.send({ type: "terminal", name: null, cwd: null, env: {}, ...SIZE });
  expect(await refusal(more)).toBe("busy");
  expect(childrenOf(server.process.pid)).toHaveLength(16);
  peers[0]?.peer.send({ type: "leave", end: true });
  await peers[0]?.peer.until("over");
  peers[0]?.peer.send({ type: "finish" });
  await until(() => childrenOf(server.process.pid).length === 15);
  using again = await scriptedClient(server.join, RUN);
  again.send({ type: "terminal", name: null, cwd: null, env: {}, ...SIZE });
  expect((await again.next())?.type).toBe("attached");
  for (const { peer } of peers) peer[Symbol.dispose]();
});
