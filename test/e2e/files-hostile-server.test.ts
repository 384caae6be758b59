import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import type { Header } from "../../src/protocol/frame.ts";
import { start } from "../helpers/child.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { type Peer, scriptedServer } from "../helpers/scripted.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { treeOf } from "../helpers/tree.ts";

const MiB = 1024 * 1024;
const OLD = "the old file";
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const FIVE = Buffer.from("12345");
const SOURCE = { type: "source", source: 0, kind: "file" } as const;
const ENTRY = {
  type: "entry",
  entry: 0,
  source: 0,
  kind: "file",
  path: ".",
  mtime: null,
  mode: null,
} as const;
const OLD_BYTES = Buffer.from(OLD);
const DONE = {
  type: "done",
  entry: 0,
  bytes: OLD.length,
  digest: sha256(OLD_BYTES),
  action: "new",
  path: "x",
} as const;
const RESULT = { type: "result", files: 1, bytes: 5, skipped: 0, failed: 0 } as const;
const HOSTILE = "\x1b]52;c;b3du\x07\x1b[2J\r\n\x9b31m\u202e";
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/;

/** A frame whose header is longer than any may be. */
function tooLong(): Buffer {
  const text = Buffer.from(JSON.stringify({ type: "error", code: "failed", message: "x".repeat(10 * MiB) }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text]);
}

/** Runs a client against a scripted server beside an old file; nothing but its status and words may come of it. */
async function against(args: string[], script: (peer: Peer, request: Header) => Promise<void> | void) {
  await using client = await temporaryFolder();
  await mkdir(client.join("work", "sock"), { recursive: true });
  await writeFile(client.join("work", "x"), OLD);
  await writeFile(client.join("victim"), OLD);
  using server = scriptedServer(script);
  const before = treeOf(client.path);
  const options = { env: { SOCK_JOIN: server.join }, cwd: client.join("work"), home: client.join("work") };
  const ran = await sock([...args, "--json"], options);
  const words = await sock(args, options);
  expect(treeOf(client.path)).toEqual(before);
  expect(words.status).toBe(ran.status);
  expect(words.stderr.length).toBeLessThan(2000);
  expect(words.stderr).not.toMatch(CONTROL);
  return { ...ran, code: resultOf(ran.stdout)["code"] };
}

describe("a server that lies", () => {
  const data = { type: "data", entry: 0 };
  const end = { type: "end", entry: 0, bytes: 5, digest: sha256(FIVE) };
  const five = { ...ENTRY, length: 5 };
  const stray = { ...ENTRY, entry: 1, path: "../victim", length: 5 };
  const folder = { ...SOURCE, kind: "folder" };
  const problem = { type: "error", code: "policy", message: HOSTILE, hint: HOSTILE };
  const LIES: Record<
    string,
    [code: string, status: number, lie: Header[] | ((peer: Peer) => void), ...more: string[]]
  > = {
    "a wrong digest": ["differs", 9, [SOURCE, five, data, { ...end, digest: sha256(OLD_BYTES) }]],
    "fewer bytes than it says at the end": [
      "cut",
      1,
      [SOURCE, { ...five, length: 6 }, data, { ...end, bytes: 6 }],
    ],
    "an end of another length than the entry's": ["cut", 1, [SOURCE, { ...five, length: 9 }, data, end]],
    "an entry before its source": ["protocol", 1, [five]],
    "an end before the entry": ["protocol", 1, [SOURCE, end]],
    "data before the entry": ["protocol", 1, [SOURCE, data]],
    "a proof before the entry": ["protocol", 1, [SOURCE, { type: "proof", entry: 0 }]],
    "a file that nobody asked for": ["protocol", 1, [SOURCE, stray]],
    "one in the middle of the one that was": ["protocol", 1, [SOURCE, five, stray, data, end]],
    "an entry of a source that nobody asked for": ["protocol", 1, [SOURCE, { ...five, source: 1 }]],
    "a second source": ["protocol", 1, [SOURCE, { ...SOURCE, source: 1 }]],
    "the same source twice": ["protocol", 1, [SOURCE, SOURCE]],
    "a folder where it said a file": ["protocol", 1, [SOURCE, { ...ENTRY, kind: "folder" }]],
    "a folder, where a file is here": ["not-folder", 1, [folder, { ...RESULT, files: 0 }]],
    "data of another entry": ["protocol", 1, [SOURCE, five, { ...data, entry: 7 }, end]],
    "a declared petabyte": ["no-space", 8, [SOURCE, { ...five, length: 1e15 }]],
    "an abort": ["changed", 1, [SOURCE, five, data, { type: "abort", entry: 0, code: "changed" }]],
    "a result without a source": ["protocol", 1, [RESULT]],
    "a result in the middle of the file": ["protocol", 1, [SOURCE, five, data, RESULT]],
    "a done": ["protocol", 1, [DONE]],
    "a request of its own": ["protocol", 1, [{ type: "get", paths: [{ path: ".ssh/id" }] }]],
    "an error with hostile text": ["policy", 4, [problem]],
    "an error with a code of its own": ["failed", 1, [{ ...problem, code: HOSTILE }]],
    "an error text as long as a header": [
      "failed",
      1,
      [{ ...problem, code: "failed", message: "x".repeat(65_000) }],
    ],
    "an error text of 10 MB": ["protocol", 1, (peer) => peer.channel.connection.write(tooLong())],
    "HTTP instead of a frame": [
      "protocol",
      1,
      (peer) => peer.channel.connection.write(Buffer.from("HTTP/1.1 200 OK\r\n")),
    ],
    "the end of the connection": ["lost", 6, (peer) => peer.channel.end(), "--retry", "0s"],
  };
  for (const [what, [code, status, lie, ...more]] of Object.entries(LIES)) {
    test(`get: ${what}`, async () => {
      const ran = await against(["get", ":x", "x", ...more], (peer) => {
        if (typeof lie === "function") lie(peer);
        else
          for (const frame of lie)
            peer.send(frame, ["data", "proof"].includes(frame.type) ? FIVE : undefined);
        // a client that wants no more of it waits for this word
        peer.until("stop").then(
          () => peer.send({ ...RESULT, files: 0, failed: 1 }),
          () => undefined,
        );
      });
      expect([ran.code, ran.status]).toEqual([code, status]);
    });
  }

  for (const dest of ["x", "-"]) {
    test(`get to ${dest}: more bytes than declared, and no end of them: given up within a stated time`, async () => {
      await using client = await temporaryFolder();
      await writeFile(client.join("x"), OLD);
      const block = new Uint8Array(MiB);
      using server = scriptedServer(async (peer) => {
        peer.send(SOURCE);
        peer.send(five);
        while (peer.channel.failure === undefined) {
          peer.send(data, block);
          await peer.channel.ready();
        }
      });
      const began = performance.now();
      await using get = await start(["get", ":x", dest, "-q"], {
        env: { SOCK_JOIN: server.join },
        home: client.path,
      });
      expect(await get.ended()).toBe(1);
      expect(performance.now() - began).toBeLessThan(9000);
      expect(get.bytes().length).toBeLessThan(3 * MiB);
      expect(treeOf(client.path)).toEqual({ x: sha256(Buffer.from(OLD)) });
    }, 12_000);
  }

  const ANSWERS: Record<string, [code: string, status: number, Header[]]> = {
    "another digest": ["differs", 9, [{ ...DONE, digest: sha256(FIVE) }, RESULT]],
    "another length": ["differs", 9, [{ ...DONE, bytes: 5 }, RESULT]],
    "no answer, only a result": ["protocol", 1, [RESULT]],
    "that it is there, with another digest": [
      "differs",
      9,
      [{ ...DONE, action: "same", digest: sha256(FIVE) }],
    ],
    "that it wants what it has": ["protocol", 1, [{ type: "want", entry: 0, have: 0 }]],
    "an answer to what was never sent": ["protocol", 1, [{ ...DONE, entry: 1 }]],
    "a skip that nobody allowed": [
      "protocol",
      1,
      [{ ...DONE, digest: "", bytes: 0, action: "skipped" }, RESULT],
    ],
    "a stop with hostile text": [
      "policy",
      4,
      [{ type: "stop", entry: 0, code: "policy", message: HOSTILE, hint: HOSTILE }, RESULT],
    ],
    "a file": ["protocol", 1, [{ ...ENTRY, length: 5 }]],
  };
  for (const [what, [code, status, answers]] of Object.entries(ANSWERS)) {
    test(`put: ${what}`, async () => {
      const ran = await against(["put", "x", ":x"], async (peer) => {
        // small enough to come in one frame
        await peer.until("entry");
        for (const answer of answers) peer.send(answer);
      });
      expect([ran.code, ran.status]).toEqual([code, status]);
    });
  }

  for (const early of [
    DONE,
    { ...DONE, digest: "", bytes: 0 },
    { ...DONE, digest: "", action: "replaced" },
  ]) {
    test(`put: a done ${early.digest === "" ? `(${early.action}) without a digest ` : ""}before the bytes were sent is no success`, async () => {
      await using client = await temporaryFolder();
      await writeFile(client.join("big"), new Uint8Array(20 * MiB));
      using server = scriptedServer(async (peer) => {
        peer.send({ type: "ready", fresh: false });
        await peer.until("entry");
        peer.send(early);
        await peer.until("finish");
        peer.send(RESULT);
      });
      const ran = await sock(["put", "big", ":x", "--json"], {
        env: { SOCK_JOIN: server.join },
        cwd: client.path,
      });
      expect(resultOf(ran.stdout)).toMatchObject({ status: 1, code: "protocol", files: 0 });
    });
  }

  test("put: a path with control characters is escaped for people, and exact in --json", async () => {
    await using client = await temporaryFolder();
    await writeFile(client.join("x"), OLD);
    using server = scriptedServer(async (peer) => {
      await peer.until("entry");
      peer.send({ ...DONE, path: HOSTILE });
      await peer.until("finish");
      peer.send(RESULT);
    });
    const options = { env: { SOCK_JOIN: server.join }, cwd: client.path };
    const words = await sock(["put", "x", ":x"], options);
    expect(words.status).toBe(0);
    expect(words.stderr).not.toMatch(CONTROL);
    const { stdout } = await sock(["put", "x", ":x", "--json"], options);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.length).toBe(2);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ path: `127.0.0.1:${HOSTILE}` });
  });
});
