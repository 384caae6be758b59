/** Puts and gets as PROTOCOL.md's Dialogues have them, where something is refused: what ends the request, and what the session. */
import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { digestOf } from "../../src/files/digest.ts";
import type { Header } from "../../src/protocol/frame.ts";
import { serveHere } from "../helpers/in-process.ts";
import { type Peer, scriptedClient } from "../helpers/scripted.ts";

const words = new TextEncoder().encode("some words");
const digest = digestOf("sha256", words);
const PUT = { type: "put", to: "in/", digest: "sha256", on_exists: "replace" } as const;
const GET = { type: "get", digest: "sha256", links: "keep", compress: "auto", fresh: true } as const;
const base = { type: "entry", mtime: 0, mode: 0o644 } as const;
const small = (entry: number, path: string): Header => ({
  ...base,
  entry,
  path,
  kind: "file",
  length: words.length,
  digest,
  size: words.length,
});
const link = (entry: number, path: string, target: string): Header => ({
  ...base,
  entry,
  path,
  kind: "link",
  target,
});

/** The session goes on. */
async function expectEcho(peer: Peer): Promise<void> {
  peer.send({ type: "echo", seq: 7 }, words);
  expect(await peer.next()).toMatchObject({ type: "echo", seq: 7 });
}

describe("a put that is refused as a whole", () => {
  const cases: [string, readonly string[], object, string][] = [
    ["for want of a capability", ["echo", "get"], {}, "capability"],
    ["for where it goes", ["echo", "put"], { to: "../x/" }, "outside"],
    ["for a folder that can't change as one", ["echo", "put"], { atomic: true, to: "" }, "outside"],
    ["for no folder, which can't either", ["echo", "put"], { atomic: true, to: "x" }, "policy"],
    [
      "for nothing that may be replaced as one",
      ["echo", "put"],
      { atomic: true, on_exists: "skip" },
      "policy",
    ],
  ];
  test.each(cases)("%s gets one error, is read to its finish, and the session goes on", async (...given) => {
    const [, allow, more, code] = given;
    await using server = await serveHere(allow);
    using peer = await scriptedClient(server.join);
    peer.send({ ...PUT, ...more });
    peer.send(small(0, "a"), words);
    peer.send({ ...base, entry: 1, path: "b", kind: "file", length: null });
    peer.send({ type: "data", entry: 1 }, words);
    peer.send({ type: "finish" });
    expect(await peer.next()).toMatchObject({ type: "error", code });
    await expectEcho(peer);
    expect(fs.readdirSync(server.dir)).toEqual([]);
  });
});

describe("a put", () => {
  test("says what is fresh, and a refused entry does not keep the others", async () => {
    await using server = await serveHere();
    using peer = await scriptedClient(server.join);
    peer.send(PUT);
    expect(await peer.next()).toEqual({ type: "ready", fresh: true });
    peer.send(small(0, "x/a"), words);
    peer.send(small(1, "../b"), words);
    peer.send({ ...base, entry: 2, path: "x", kind: "folder" });
    peer.send({ ...base, entry: 3, path: ".", kind: "folder" });
    peer.send({ type: "finish" });
    expect((await peer.until("result")).map(({ type, path, code }) => [type, path ?? code])).toEqual([
      ["done", "in/x/a"],
      ["stop", "outside"],
      ["done", "in/x"],
      ["done", "in"],
      ["result", undefined],
    ]);
    peer.send(PUT);
    expect(await peer.next()).toEqual({ type: "ready", fresh: false });
    peer.send({ type: "finish" });
    expect(await peer.next()).toEqual({ type: "result", files: 0, bytes: 0, skipped: 0, failed: 0 });
    await expectEcho(peer);
  });

  test("without a slash has one name, and the root is no folder of a put", async () => {
    await using server = await serveHere();
    using peer = await scriptedClient(server.join);
    for (const [to, entry, code] of [
      ["x", small(0, "a/b"), "bad-name"],
      ["", { ...base, entry: 0, path: ".", kind: "folder" }, "bad-name"],
    ] as const) {
      peer.send({ ...PUT, to });
      peer.send(entry, "size" in entry ? words : undefined);
      peer.send({ type: "finish" });
      const [, answer, result] = await peer.until("result");
      expect(answer).toMatchObject({ type: "stop", code });
      expect(result).toMatchObject({ type: "result", failed: 1 });
    }
  });

  test("that changes a folder as one changes nothing where an entry has failed", async () => {
    await using server = await serveHere();
    using peer = await scriptedClient(server.join);
    fs.mkdirSync(join(server.dir, "in"));
    fs.writeFileSync(join(server.dir, "in", "old"), "old");
    for (const target of ["../../out", "a"]) {
      peer.send({ ...PUT, atomic: true });
      expect(await peer.next()).toEqual({ type: "ready", fresh: false });
      peer.send(small(0, "a"), words);
      peer.send(link(1, "l", target));
      peer.send({ type: "finish" });
      const seen = await peer.until("result", "error");
      const isBad = target !== "a";
      expect(seen.map(({ type }) => type)).toEqual(
        isBad ? ["done", "stop", "error"] : ["done", "done", "result"],
      );
      expect(fs.readdirSync(join(server.dir, "in")).sort()).toEqual(isBad ? ["old"] : ["a", "l", "old"]);
    }
    await expectEcho(peer);
  });

  const ends: [string, (peer: Peer) => void][] = [
    ["finish inside an entry", (peer) => peer.send({ type: "finish" })],
    ["an entry inside another", (peer) => peer.send(small(1, "b"), words)],
    ["a request inside an entry", (peer) => peer.send(PUT)],
    ["an answer of a receiver", (peer) => peer.send({ type: "want", entry: 0, have: 0 })],
  ];
  test.each(ends)("%s ends the session", async (_name, say) => {
    await using server = await serveHere();
    using peer = await scriptedClient(server.join);
    peer.send(PUT);
    peer.send({ ...base, entry: 0, path: "a", kind: "file", length: 10 });
    say(peer);
    const seen = await peer.until("nothing");
    expect(seen.at(-1)).toMatchObject({ type: "error", code: "protocol" });
    expect(fs.existsSync(join(server.dir, "in", "a"))).toBe(false);
  });
});

describe("a get", () => {
  test("tells of each path in order, and one that fails does not keep the others", async () => {
    await using server = await serveHere();
    using peer = await scriptedClient(server.join);
    fs.mkdirSync(join(server.dir, "f"));
    fs.writeFileSync(join(server.dir, "f", "a"), words);
    peer.send({ ...GET, paths: [{ path: "none" }, { path: "../x" }, { path: "f/" }, { path: "f/a" }] });
    expect(await peer.until("entry")).toMatchObject([
      { type: "source", source: 0, kind: "failed", code: "not-found" },
      { type: "source", source: 1, kind: "failed", code: "outside" },
      { type: "source", source: 2, kind: "folder" },
      { entry: 0, source: 2, path: "a", kind: "file", digest },
    ]);
    const done = { type: "done", bytes: words.length, digest, action: "new", path: "" };
    peer.send({ ...done, entry: 0 });
    expect(await peer.next()).toMatchObject({ entry: 1, source: 2, path: ".", kind: "folder" });
    peer.send({ ...done, entry: 1, digest: "" });
    expect(await peer.until("entry")).toMatchObject([
      { type: "source", source: 3, kind: "file" },
      { entry: 2, source: 3, path: ".", kind: "file", size: words.length },
    ]);
    peer.send({ ...done, entry: 2 });
    expect(await peer.next()).toMatchObject({ type: "result", files: 2, failed: 0 });
    peer.send({ type: "finish" });
    await expectEcho(peer);
  });

  test("without fresh is offered first; what does not travel is told of, and counted", async () => {
    await using server = await serveHere();
    using peer = await scriptedClient(server.join);
    fs.mkdirSync(join(server.dir, "f"));
    fs.symlinkSync("../..", join(server.dir, "f", "out"));
    fs.writeFileSync(join(server.dir, "f", "a"), words);
    peer.send({ ...GET, fresh: false, paths: [{ path: "f" }] });
    const [, offer] = await peer.until("entry");
    expect(offer).toMatchObject({ path: "a", offer: true, length: words.length });
    peer.send({ type: "stop", entry: 0, code: "exists", message: "it stays" });
    expect(await peer.next()).toMatchObject({
      type: "missed",
      source: 0,
      path: "out",
      skipped: true,
      code: "outside",
    });
    expect(await peer.next()).toMatchObject({ entry: 1, kind: "folder" });
    peer.send({ type: "done", entry: 1, bytes: 0, digest: "", action: "same", path: "" });
    expect(await peer.next()).toEqual({ type: "result", files: 0, bytes: 0, skipped: 1, failed: 1 });
    peer.send({ type: "finish" });
    await expectEcho(peer);
  });

  const ends: [string, Header][] = [
    ["finish before the result", { type: "finish" }],
    ["an answer to nothing", { type: "want", entry: 9, have: 0 }],
    ["more wanted than there is", { type: "want", entry: 0, have: 11 }],
    ["a proof of nothing", { type: "from", entry: 0, at: 0 }],
    ["another request", { type: "ls", path: "" }],
  ];
  test.each(ends)("%s ends the session", async (_name, message) => {
    await using server = await serveHere();
    using peer = await scriptedClient(server.join);
    fs.writeFileSync(join(server.dir, "a"), words);
    peer.send({ ...GET, fresh: false, paths: [{ path: "a" }] });
    await peer.until("entry");
    peer.send(message);
    expect(await peer.next()).toMatchObject({ type: "error", code: "protocol" });
    expect(await peer.next()).toBeUndefined();
  });

  test("without its capability is refused, and the session goes on", async () => {
    await using server = await serveHere(["echo", "put"]);
    using peer = await scriptedClient(server.join);
    peer.send({ ...GET, paths: [{ path: "a" }] });
    expect(await peer.next()).toMatchObject({ type: "error", code: "capability" });
    await expectEcho(peer);
  });
});
