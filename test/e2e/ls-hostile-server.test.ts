import { describe, expect, test } from "bun:test";
import type { Header } from "../../src/protocol/frame.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { type Peer, scriptedServer } from "../helpers/scripted.ts";

const facts = { length: 0, mtime: null, mode: null };
const item = (path: string, kind = "file"): Header => ({ type: "item", path, kind, ...facts });
const TOP = item(".", "folder");
const result = (files: number): Header => ({ type: "result", files, bytes: 0, skipped: 0, failed: 0 });
const HOSTILE = "\x1b]52;c;b3du\x07\x1b[2J\r\n\x9b31m\u202e";
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/;

/** Runs `sock ls` against a server that answers each request by a script. */
async function against(args: string[], script: (peer: Peer, request: Header) => Promise<void> | void) {
  using server = scriptedServer(async (peer, first) => {
    for (let request: Header | undefined = first; request !== undefined; request = await peer.next()) {
      if (request.type === "ls") await script(peer, request);
    }
  });
  const ran = await sock(["ls", ...args], { env: { SOCK_JOIN: server.join } });
  expect(ran.stderr).not.toMatch(CONTROL);
  return ran;
}

describe("an answer that nobody asked for: refused, status 1", () => {
  const raw = (path64: string): Header => ({ type: "item", path64, kind: "file", ...facts });
  const LIES: Record<string, [flags: string[], answer: Header[]]> = {
    "a name with ..": [[], [TOP, item("../x")]],
    "a path with .. in its middle": [["-R"], [TOP, item("a", "folder"), item("a/../../x")]],
    "..": [[], [TOP, item("..")]],
    "an absolute path": [[], [TOP, item("/etc/passwd")]],
    "an empty name": [["-R"], [TOP, item("a", "folder"), item("a//b")]],
    "a NUL": [[], [TOP, item("a\0b")]],
    "the reserved folder": [[], [TOP, item(".sock-partial")]],
    "a slash in bytes": [[], [TOP, raw(Buffer.from([0xff, 0x2f, 0xfe]).toString("base64"))]],
    ".. in bytes": [[], [TOP, raw(Buffer.from("../\xff", "latin1").toString("base64"))]],
    "bytes that are UTF-8": [[], [TOP, raw("YQ==")]],
    "the same name twice": [[], [TOP, item("a"), item("a")]],
    "the same name later": [[], [TOP, item("a"), item("b"), item("a")]],
    "names out of order": [[], [TOP, item("b"), item("a")]],
    "what was asked for twice": [[], [TOP, TOP]],
    "what is in a folder without -R": [[], [TOP, item("a", "folder"), item("a/b")]],
    "what is in a file": [["-R"], [TOP, item("a"), item("a/b")]],
    "what is in a link": [["-R"], [TOP, item("a", "link"), item("a/b")]],
    "what is in a folder that was left": [["-R"], [TOP, item("a", "folder"), item("b"), item("a/b")]],
    "what is in a folder of another name": [["-R"], [TOP, item("a", "folder"), item("b/c")]],
    "names in a file": [[], [item("."), item("a")]],
    "a name before anything": [[], [item("a")]],
    "an unknown kind": [[], [TOP, item("a", "socket")]],
    "a length below 0": [[], [TOP, { ...item("a"), length: -1 }]],
    "a file": [
      [],
      [{ type: "entry", entry: 0, kind: "file", path: "f", length: 0, mtime: null, mode: null }],
    ],
    "no name and an end": [[], [result(0)]],
    "another count": [[], [TOP, item("a"), result(3)]],
  };
  for (const [what, [flags, answer]] of Object.entries(LIES)) {
    test(what, async () => {
      const ran = await against([...flags, "--json"], (peer) => {
        for (const header of answer) peer.send(header);
        if (answer.at(-1)?.type !== "result") peer.send(result(answer.length));
      });
      expect(ran.status).toBe(1);
      expect(resultOf(ran.stdout)).toMatchObject({ code: "protocol" });
    });
  }

  test("its twin: an answer in order is taken, with names that look bad and are none", async () => {
    const names = ["..a", "...", "C:\\x", "a", "a.b", "a\\..\\b", "con"].sort();
    const ran = await against(["-R"], (peer) => {
      peer.send(TOP);
      for (const name of names) peer.send(item(name, "folder"));
      peer.send(item("con/x"));
      peer.send(result(names.length + 2));
    });
    expect(ran).toMatchObject({
      status: 0,
      stdout: `${names.map((name) => `${name}/`).join("\n")}\ncon/x\n`,
    });
  });
});

test("an error with hostile text has its own status, and its text is escaped", async () => {
  const ran = await against([], (peer) => {
    peer.send({ type: "error", code: "policy", message: HOSTILE, hint: HOSTILE });
  });
  expect(ran).toMatchObject({ status: 4, stdout: "" });
});

test("hostile targets and error codes are escaped too", async () => {
  const ran = await against(["-l"], (peer) => {
    peer.send(TOP);
    peer.send({ ...item("a", "link"), target: HOSTILE });
    peer.send({ ...item(`b${HOSTILE}`, "folder"), error: HOSTILE });
    peer.send({ ...result(3), failed: 1 });
  });
  expect(ran.status).toBe(10);
  expect(ran.stdout).not.toMatch(CONTROL);
  expect(ran.stdout.split("\n")).toHaveLength(3);
});

test("what it could not name is counted: 10", async () => {
  const ran = await against([], (peer) => {
    peer.send(TOP);
    peer.send({ ...result(1), failed: 2 });
  });
  expect(ran.status).toBe(10);
});

test("a pattern takes only what it means, whatever the server lists", async () => {
  const asked: unknown[] = [];
  const ran = await against(["--json", ":*.txt"], (peer, request) => {
    asked.push(request["path"]);
    if (request["self"] === true) {
      peer.send({ type: "error", code: "not-found", message: "" });
      return;
    }
    for (const header of [TOP, item(".bashrc"), item("a.txt"), item("b.txt.exe"), result(4)])
      peer.send(header);
  });
  expect(asked).toEqual(["*.txt", ""]);
  expect(ran.stdout.split("\n")[0]).toContain(`"path":"a.txt"`);
  expect(resultOf(ran.stdout)).toMatchObject({ status: 0, items: 1 });
});

test("names that the pattern leads to are asked for below what was asked for", async () => {
  const asked: unknown[] = [];
  const ran = await against([":x/*/y*"], (peer, request) => {
    asked.push(request["path"]);
    if (request["self"] === true) peer.send({ type: "error", code: "not-found", message: "" });
    else
      for (const header of [TOP, item("y..", "folder"), item("y~", "folder"), result(3)]) peer.send(header);
  });
  expect(ran.status).toBe(0);
  expect(asked.slice(1)).toEqual(["x/", "x/y../", "x/y~/"]);
});

for (const cut of ["end", "terminate"] as const) {
  test(`the connection ends in the middle (${cut}): 6, and never 0`, async () => {
    const ran = await against(["--json"], (peer) => {
      peer.send(TOP);
      peer.send(item("a"));
      if (cut === "end") peer.channel.end();
      else void peer.channel.flushed().then(() => peer.channel.connection.terminate());
    });
    expect(ran.status).toBe(6);
    expect(resultOf(ran.stdout)).toMatchObject({ code: "lost" });
  });
}
