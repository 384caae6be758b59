import { describe, expect, test } from "bun:test";
import type { Header } from "../../src/protocol/frame.ts";
import { CONTROLS, type Said, sha256, survive } from "../helpers/hostile.ts";

const FIVE = Buffer.from("12345");
const X = Buffer.from("x");
const ONE = { entry: 0, length: 1 };
const RESULT: Header = { type: "result", files: 0, bytes: 0, skipped: 0, failed: 0 };
const FILE: Header = { type: "source", source: 0, kind: "file" };
const FOLDER: Header = { type: "source", source: 0, kind: "folder" };
const facts = { mtime: null, mode: null };
const entry = (path: string, more: object = {}): Header => ({
  type: "entry",
  entry: 0,
  source: 0,
  kind: "file",
  path,
  length: 5,
  ...facts,
  ...more,
});
const five = { digest: sha256(FIVE), size: 5 };
/** A whole small file of five bytes. */
const small = (path: string, more: object = {}): Said => [entry(path, { ...five, ...more }), FIVE];
const folder = (path: string): Header => ({
  type: "entry",
  entry: 0,
  source: 0,
  kind: "folder",
  path,
  ...facts,
});
const link = (path: string, target: string): Header => ({ ...folder(path), kind: "link", target });
const data = { type: "data", entry: 0 };
const end = (more: object = {}): Header => ({
  type: "end",
  entry: 0,
  bytes: 5,
  digest: sha256(FIVE),
  ...more,
});
const missed = (path: string, more: object = {}): Header => ({
  type: "missed",
  source: 0,
  path,
  code: "permission",
  message: CONTROLS,
  hint: CONTROLS,
  ...more,
});
const IN_TREE = /^work\/t(\/|$)/;
const b64 = (text: string): string => Buffer.from(text, "latin1").toString("base64");
const raw64 = (text: string): Header => {
  const { path: _, ...rest } = entry("");
  return { ...rest, path64: b64(text) };
};

type Lies = Record<string, [code: string, status: number, says: Said[]]>;

describe("get of a tree: what must never land", () => {
  const LIES: Lies = {
    "a source that nobody asked for": ["protocol", 1, [FOLDER, { ...FOLDER, source: 1 }]],
    "the same source twice": ["protocol", 1, [FOLDER, FOLDER]],
    "an entry of another source": ["protocol", 1, [FOLDER, small("f", { source: 1 })]],
    "an entry before its source": ["protocol", 1, [small("f")]],
    "a file in the place of the folder": ["protocol", 1, [FOLDER, small(".")]],
    "a path up": ["outside", 4, [FOLDER, small("../x")]],
    "a path down and up": ["outside", 4, [FOLDER, small("a/../../x")]],
    "..": ["outside", 4, [FOLDER, small("..")]],
    "an absolute path": ["outside", 4, [FOLDER, small("/etc/x")]],
    "a path up in bytes": ["outside", 4, [FOLDER, raw64("../\xff")]],
    "a path with an empty part": ["bad-name", 4, [FOLDER, small("a//b")]],
    "a path with a dot": ["bad-name", 4, [FOLDER, small("a/./b")]],
    "no name at all": ["bad-name", 4, [FOLDER, small("")]],
    "a NUL in a name": ["bad-name", 4, [FOLDER, small("a\0b")]],
    "a name of 256 bytes": ["bad-name", 4, [FOLDER, small("n".repeat(256))]],
    "a path longer than any": ["protocol", 1, [FOLDER, small("a/".repeat(2500))]],
    "the reserved folder": ["bad-name", 4, [FOLDER, small(".sock-partial/f")]],
    "the reserved folder in capitals": ["bad-name", 4, [FOLDER, folder(".SOCK-Partial")]],
    "a lone surrogate": ["protocol", 1, [FOLDER, JSON.stringify(entry("\ud800"))]],
    "bytes that are UTF-8": ["protocol", 1, [FOLDER, raw64("abc")]],
    "a path as text and as bytes": ["protocol", 1, [FOLDER, { ...raw64("a\xff"), path: "a" }]],
    "an entry without a path": ["protocol", 1, [FOLDER, entry("", { path: null })]],
    "a link to outside": ["outside", 4, [FOLDER, link("l", "../outside/victim")]],
    "a link that is absolute": ["outside", 4, [FOLDER, link("l", "/etc/passwd")]],
    "a link up behind a name": ["outside", 4, [FOLDER, link("l", "a/../../x")]],
    "a link to nothing": ["bad-name", 4, [FOLDER, link("l", "")]],
    "a length of 2^53": [
      "protocol",
      1,
      [FOLDER, JSON.stringify(entry("f")).replace(`"length":5`, `"length":9007199254740992`)],
    ],
    "a length below 0": ["protocol", 1, [FOLDER, entry("f", { length: -1 })]],
    "a declared petabyte": ["no-space", 8, [FOLDER, entry("f", { length: 1e15 })]],
    "a mode of 5 digits": ["protocol", 1, [FOLDER, small("f", { mode: 0o10644 })]],
    "a time after all times": [
      "protocol",
      1,
      [FOLDER, JSON.stringify(entry("f")).replace(`"mtime":null`, `"mtime":1e18`)],
    ],
    "an offer with bytes": ["protocol", 1, [FOLDER, small("f", { offer: true })]],
    "bytes without a digest": ["protocol", 1, [FOLDER, [entry("f", { size: 5 }), FIVE]]],
    "bytes of another length": ["protocol", 1, [FOLDER, small("f", { length: 6 })]],
    "a wrong digest": ["differs", 9, [FOLDER, small("f", { digest: sha256(X) })]],
    "a digest of another kind": ["differs", 9, [FOLDER, small("f", { digest: "0".repeat(16) })]],
    "a digest of a length that none has": ["protocol", 1, [FOLDER, small("f", { digest: "0".repeat(40) })]],
    "an entry of an unknown kind": ["protocol", 1, [FOLDER, entry("f", { kind: "device" })]],
    "an entry in the middle of another": ["protocol", 1, [FOLDER, entry("f"), small("g")]],
    "a result in the middle of a file": ["protocol", 1, [FOLDER, entry("f"), [data, FIVE], RESULT]],
    "a result before the source": ["protocol", 1, [RESULT]],
    "a miss of another source": ["protocol", 1, [FOLDER, missed("f", { source: 1 })]],
    "a miss up": ["outside", 4, [FOLDER, missed("../x")]],
    "a miss before its source": ["protocol", 1, [missed("f")]],
    "all is skipped": ["protocol", 1, [FOLDER, missed(".", { skipped: true })]],
    "an abort": ["changed", 1, [FOLDER, entry("f"), { type: "abort", entry: 0, code: "changed" }]],
  };
  for (const [what, [code, status, says]] of Object.entries(LIES)) {
    test(what, async () => {
      const survived = await survive({
        args: ["get", ":d", "t"],
        says: [...says, RESULT],
        mayChange: IN_TREE,
      });
      expect([survived.code, survived.status]).toEqual([code, status]);
      expect(Object.keys(survived.landed)).toEqual(survived.landed["work/t"] === undefined ? [] : ["work/t"]);
    });
  }

  test("its twin: names that look bad and are none, and modes and times at their ends", async () => {
    const says = [
      FOLDER,
      small("..a", { entry: 1, mode: 0o7755, mtime: -1 }),
      small("a..b/...", { entry: 2, mtime: Number.MAX_SAFE_INTEGER }),
      small("a\\..\\b", { entry: 3, mtime: -Number.MAX_SAFE_INTEGER }),
      { ...link("l", "a..b/..."), entry: 4 },
      { ...folder("."), entry: 5 },
      RESULT,
    ];
    const { status, landed } = await survive({ args: ["get", ":d", "t"], says, mayChange: IN_TREE });
    expect(status).toBe(0);
    expect(Object.keys(landed).sort()).toEqual(
      ["", "/..a", "/a..b", "/a..b/...", "/a\\..\\b", "/l"].map((path) => `work/t${path}`),
    );
  });
});

describe("get of a tree: the rest lands, and the lie is counted", () => {
  const LIES: Record<string, [code: string, status: number, landed: Record<string, string>, says: Said[]]> = {
    "the same path twice": [
      "some-failed",
      10,
      { f: sha256(FIVE) },
      [small("f"), [entry("f", { ...ONE, size: 1, digest: sha256(X) }), X]],
    ],
    "the same path twice, in blocks": [
      "some-failed",
      10,
      { f: sha256(FIVE) },
      [entry("f"), [data, FIVE], end(), entry("f", ONE), [data, X], end({ bytes: 1, digest: sha256(X) })],
    ],
    "a file, and a file below it": ["some-failed", 10, { f: sha256(FIVE) }, [small("f"), small("f/g")]],
    "a link to outside, and a file below it": [
      "some-failed",
      10,
      { l: "folder", "l/victim": sha256(FIVE) },
      [link("l", "../../outside"), small("l/victim")],
    ],
    "a link that leads on to what leads outside": [
      "some-failed",
      10,
      { sub: "folder", l: "-> sub" },
      [folder("sub"), link("l", "sub"), link("l/up", "../..")],
    ],
  };
  for (const [what, [code, status, below, says]] of Object.entries(LIES)) {
    test(what, async () => {
      const landed: Record<string, string> = { "work/t": "folder" };
      for (const [path, is] of Object.entries(below)) landed[`work/t/${path}`] = is;
      const survived = await survive({
        args: ["get", ":d", "t"],
        says: [FOLDER, ...says, RESULT],
        mayChange: IN_TREE,
      });
      expect([survived.code, survived.status, survived.landed]).toEqual([code, status, landed]);
    });
  }

  test("a file below a link of the user's own that leads outside", async () => {
    const says = [FOLDER, small("out/victim"), link("out/l", "x"), folder("out"), RESULT];
    const { status, landed } = await survive({ args: ["get", ":d", "own"], says, mayChange: /^work\/own/ });
    expect([status, landed]).toEqual([4, {}]);
  });
});

describe("get of a file: the old one stays", () => {
  const LIES: Lies = {
    "a path below it": ["protocol", 1, [FILE, small("f")]],
    "a folder": ["protocol", 1, [FILE, folder(".")]],
    "a link": ["protocol", 1, [FILE, link(".", "x")]],
    "another source": ["protocol", 1, [FILE, { ...FILE, source: 1 }]],
    "a wrong digest": ["differs", 9, [FILE, entry("."), [data, FIVE], end({ digest: sha256(X) })]],
    "fewer bytes than declared": ["cut", 1, [FILE, entry(".", { length: 9 }), [data, FIVE], end()]],
    "fewer bytes than its end says": [
      "cut",
      1,
      [FILE, entry(".", { length: 6 }), [data, FIVE], end({ bytes: 6 })],
    ],
    "more bytes than declared": [
      "changed",
      1,
      [FILE, entry(".", { length: 4 }), [data, FIVE], end({ bytes: 4 })],
    ],
    "an end before the bytes": ["cut", 1, [FILE, entry("."), end()]],
    "a success without the file": ["protocol", 1, [FILE, { ...RESULT, files: 1, bytes: 5 }]],
    "a success without the offered file": [
      "protocol",
      1,
      [FILE, entry(".", { offer: true }), { ...RESULT, files: 1 }],
    ],
    "an end without a beginning": ["protocol", 1, [FILE, end()]],
    "bytes without a beginning": ["protocol", 1, [FILE, [data, FIVE]]],
    "a result twice": ["protocol", 1, [FILE, RESULT, RESULT]],
    "a miss": ["permission", 1, [FILE, missed(".")]],
    "a miss by another name": ["protocol", 1, [FILE, missed("f")]],
    "skipped, though it was asked for": ["protocol", 1, [FILE, missed(".", { skipped: true })]],
    "an error in the middle": [
      "policy",
      4,
      [FILE, entry("."), [data, FIVE], { type: "error", code: "policy", message: "" }],
    ],
    "a failure of its own": ["not-found", 7, [{ ...FILE, kind: "failed", code: "not-found", message: "no" }]],
    "a failure, and the file all the same": [
      "not-found",
      7,
      [{ ...FILE, kind: "failed", code: "not-found", message: "no" }, small(".")],
    ],
    "failures that it does not name": ["protocol", 1, [FILE, small("."), { ...RESULT, failed: 3 }]],
  };
  for (const [what, [code, status, says]] of Object.entries(LIES)) {
    test(what, async () => {
      const mayChange = what.startsWith("failures") ? /^work\/x$/ : undefined;
      const survived = await survive({
        args: ["get", ":x", "x"],
        says: [...says, RESULT],
        ...(mayChange === undefined ? {} : { mayChange }),
      });
      expect([survived.code, survived.status]).toEqual([code, status]);
    });
  }

  for (const type of [
    "done",
    "want",
    "from",
    "stop",
    "ready",
    "item",
    "put",
    "get",
    "echo",
    "hello",
    "enrolled",
    "nonsense",
  ]) {
    test(`a ${type} in its answer`, async () => {
      const fields = {
        entry: 0,
        bytes: 0,
        digest: "",
        action: "new",
        path: "x",
        have: 0,
        at: 0,
        fresh: true,
      };
      const more = { code: "failed", message: "", kind: "file", length: 0, mtime: null, mode: null, seq: 0 };
      const survived = await survive({
        args: ["get", ":x", "x"],
        says: [FILE, { type, ...fields, ...more }, RESULT],
      });
      expect([survived.code, survived.status]).toEqual(["protocol", 1]);
    });
  }

  test("links that were to be skipped", async () => {
    const args = ["get", ":d", "t", "--links", "skip"];
    const survived = await survive({ args, says: [FOLDER, link("l", "f"), RESULT], mayChange: IN_TREE });
    expect([survived.code, survived.status]).toEqual(["protocol", 1]);
  });

  test("bytes where nothing is to be changed", async () => {
    const args = ["get", ":x", "x", "--dry-run"];
    const survived = await survive({ args, says: [FILE, small("."), RESULT] });
    expect([survived.code, survived.status]).toEqual(["protocol", 1]);
  });
});
