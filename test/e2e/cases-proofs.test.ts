/** A transfer that is stopped or breaks while what is kept of its file is compared: the part stays, and that is said. */
import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Header } from "../../src/protocol/frame.ts";
import { start } from "../helpers/child.ts";
import { MiB, say, sha256 } from "../helpers/hostile.ts";
import { pair } from "../helpers/pair.ts";
import { sock } from "../helpers/run.ts";
import { scriptedClient, scriptedServer } from "../helpers/scripted.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const WHOLE = Buffer.concat(["a", "b", "c"].map((text) => Buffer.alloc(MiB, text)));
const HALF = 2 * MiB;
const SAID = /^sock: stopped while 2\.\d MB that are there were compared; the same command goes on\n$/;

const parts = (folder: string): string[] =>
  existsSync(join(folder, ".sock-partial")) ? readdirSync(join(folder, ".sock-partial")) : [];

/** Bytes of the only part, or none. */
const kept = (folder: string): number | undefined => {
  const [name, ...others] = parts(folder);
  return name === undefined || others.length > 0
    ? undefined
    : statSync(join(folder, ".sock-partial", name)).size;
};

const entry = (more: object = {}): Header => ({
  type: "entry",
  entry: 0,
  kind: "file",
  path: "x",
  length: WHOLE.length,
  mtime: 1e15,
  mode: null,
  ...more,
});

const data = (from: number, to: number): [Header, Uint8Array][] => {
  const blocks: [Header, Uint8Array][] = [];
  for (let at = from; at < to; at += MiB) {
    blocks.push([{ type: "data", entry: 0 }, new Uint8Array(WHOLE.subarray(at, at + MiB))]);
  }
  return blocks;
};

test("put: the server keeps the part of a client that goes before it has proved anything", async () => {
  await using ends = await pair();
  const offer = async (): Promise<{ have: unknown } & Disposable> => {
    const peer = await scriptedClient(ends.server.join);
    peer.send({ type: "put", to: "x", digest: "sha256", on_exists: "replace" });
    await peer.until("ready");
    peer.send(entry({ offer: true }));
    const have = (await peer.until("want")).at(-1)?.["have"];
    say(peer, entry(have === 0 ? {} : { resume: have }), ...(have === 0 ? data(0, HALF) : []));
    await peer.channel.flushed();
    peer.channel.end();
    await peer.until();
    return { have, [Symbol.dispose]: () => peer[Symbol.dispose]() };
  };
  for (const wanted of [0, HALF, HALF, HALF]) {
    using said = await offer();
    expect(said.have).toBe(wanted);
    await until(() => kept(ends.root()) === HALF, "the part");
  }
});

/** A server whose first connection breaks after two blocks; on the others it does `then`, and says when it was there. */
function breaking(then: (count: number) => readonly Header[] | undefined) {
  const came = { connections: 0, haves: new Array<unknown>() };
  const server = scriptedServer(async (peer) => {
    say(peer, { type: "source", source: 0, kind: "file" }, entry({ path: ".", source: 0, offer: true }));
    const have = (await peer.until("want")).at(-1)?.["have"];
    came.connections += 1;
    came.haves.push(have);
    const says = have === 0 ? undefined : then(came.connections);
    if (have === 0) say(peer, entry({ path: ".", source: 0 }), ...data(0, HALF));
    else say(peer, entry({ path: ".", source: 0, resume: have }), ...(says ?? []));
    await peer.channel.flushed();
    if (have === 0 || says !== undefined) peer.channel.end();
    else await peer.until();
  });
  return { came, server };
}

describe("get", () => {
  test("a line that breaks before anything was proved: the part is still there for the next one", async () => {
    await using here = await temporaryFolder();
    const { came, server } = breaking(() => []);
    using held = server;
    const ran = await sock(["get", ":x", "x", "--retry", "2s"], {
      env: { SOCK_JOIN: held.join },
      cwd: here.path,
      home: here.path,
    });
    expect(ran.status).toBe(6);
    expect(came.connections).toBeGreaterThan(2);
    expect(came.haves.slice(1).every((have) => have === HALF)).toBe(true);
    expect(kept(here.path)).toBe(HALF);
  }, 20_000);

  test("Ctrl-C: it says so, and the part stays", async () => {
    await using here = await temporaryFolder();
    const { came, server } = breaking(() => undefined);
    using held = server;
    const more = { env: { SOCK_JOIN: held.join }, cwd: here.path, home: here.path };
    expect(await sock(["get", ":x", "x", "--retry", "0s"], more)).toMatchObject({ status: 6 });
    await using child = await start(["get", ":x", "x"], more);
    await until(() => came.connections === 2 && opened(child.process.pid), "a look at the part");
    child.process.kill("SIGINT");
    expect(await child.ended()).toBe(130);
    expect(child.stderr()).toMatch(SAID);
    expect(kept(here.path)).toBe(HALF);
  }, 20_000);
});

/** It has opened a part. */
function opened(pid: number): boolean {
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return /\.sock-partial\/./.test(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false;
    }
  });
}

test("put, Ctrl-C: it says so", async () => {
  await using base = await temporaryFolder();
  mkdirSync(base.join("here"));
  writeFileSync(base.join("here", "x"), WHOLE);
  let proofs = 0;
  using server = scriptedServer(async (peer) => {
    say(peer, { type: "ready", fresh: false });
    await peer.until("entry");
    say(peer, { type: "want", entry: 0, have: HALF });
    await peer.until("proof");
    proofs += 1;
    await peer.until();
  });
  await using child = await start(["put", "x", ":x"], {
    env: { SOCK_JOIN: server.join },
    cwd: base.join("here"),
    home: base.join("home"),
  });
  await until(() => proofs === 1, "the proof");
  child.process.kill("SIGINT");
  expect(await child.ended()).toBe(130);
  expect(child.stderr()).toMatch(SAID);
  expect(sha256(readFileSync(base.join("here", "x")))).toBe(sha256(WHOLE));
});
