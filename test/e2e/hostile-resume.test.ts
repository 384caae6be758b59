import { describe, expect, test } from "bun:test";
import type { Header } from "../../src/protocol/frame.ts";
import {
  answering,
  CONTROL,
  CONTROLS,
  MiB,
  OLD,
  type Said,
  say,
  saying,
  type Script,
  sha256,
  survive,
  watched,
} from "../helpers/hostile.ts";

const FILE: Header = { type: "source", source: 0, kind: "file" };
const FOLDER: Header = { ...FILE, kind: "folder" };
const RESULT: Header = { type: "result", files: 0, bytes: 0, skipped: 0, failed: 0 };
const FIVE = Buffer.from("12345");
const BLOCKS = ["a", "b", "c"].map((text) => new Uint8Array(Buffer.alloc(MiB, text)));
const [A, B, C] = [0, 1, 2].map((index) => BLOCKS[index] ?? new Uint8Array(0));
const WHOLE = Buffer.concat(BLOCKS);

describe("a file that is gone on with", () => {
  const entry = (more: object = {}): Header => ({
    type: "entry",
    entry: 0,
    source: 0,
    kind: "file",
    path: ".",
    length: WHOLE.length,
    mtime: 1e15,
    mode: null,
    ...more,
  });
  const resume = entry({ resume: 2 * MiB });
  const data = (block = C): Said => [{ type: "data", entry: 0 }, block ?? FIVE];
  const end = (bytes: Uint8Array = WHOLE): Header => ({
    type: "end",
    entry: 0,
    bytes: bytes.length,
    digest: sha256(bytes),
  });
  const proof = (...blocks: readonly (Uint8Array | undefined)[]): Said => {
    const hashes = Buffer.alloc(blocks.length * 8);
    blocks.forEach((block, index) => hashes.writeBigUInt64BE(Bun.hash.xxHash3(block ?? FIVE, 0n), index * 8));
    return [{ type: "proof", entry: 0 }, hashes];
  };
  /** The first connection breaks after two blocks; what is said on the second is the trick. */
  const goingOn =
    (second: readonly Said[]): Script =>
    async (peer) => {
      say(peer, FILE, entry({ offer: true }));
      const want = (await peer.until("want")).at(-1);
      if (want?.["have"] === 0) {
        say(peer, entry(), data(A), data(B));
        await peer.channel.flushed();
        peer.channel.end();
      } else if (want?.["have"] === 2 * MiB) await saying([...second, RESULT])(peer, want);
    };

  const LIES: Record<string, [code: string, status: number, says: Said[]]> = {
    "other bytes follow what was proved": ["differs", 9, [resume, proof(A, B), data(A), end()]],
    "the digest is that of what follows alone": [
      "differs",
      9,
      [resume, proof(A, B), data(), { ...end(), digest: sha256(C ?? FIVE) }],
    ],
    "a proof that lies, and the rest all the same": ["cut", 1, [resume, proof(A, C), data(), end()]],
    "more is proved than is there": [
      "protocol",
      1,
      [entry({ resume: 3 * MiB }), proof(A, B, C), data(), end()],
    ],
    "more than the file is to be gone on with": [
      "protocol",
      1,
      [entry({ resume: 3 * MiB + 1 }), proof(A, B), data(), end()],
    ],
    "a proof that is no row of hashes": [
      "protocol",
      1,
      [resume, [{ type: "proof", entry: 0 }, FIVE], data(), end()],
    ],
    "an empty proof": [
      "protocol",
      1,
      [resume, [{ type: "proof", entry: 0 }, new Uint8Array(0)], data(), end()],
    ],
    "the rest before the proof": ["protocol", 1, [resume, data(), proof(A, B), end()]],
    "an end in the place of the proof": ["protocol", 1, [resume, end()]],
    "a result in the place of the proof": ["protocol", 1, [resume]],
    "a result in the place of all": ["protocol", 1, []],
    "more than the rest": ["changed", 1, [resume, proof(A, B), data(), data(), end()]],
    "less than the rest": ["cut", 1, [resume, proof(A, B), data(FIVE), end()]],
    "another offer of the same": ["protocol", 1, [entry({ offer: true })]],
  };
  for (const [what, [code, status, says]] of Object.entries(LIES)) {
    test(what, async () => {
      // a line that breaks keeps its part; a lie does not
      const mayChange = status === 1 && code === "protocol" ? /^work\/\.sock-partial\// : undefined;
      const survived = await survive({
        args: ["get", ":x", "x"],
        says: goingOn(says),
        retry: "3s",
        ...(mayChange === undefined ? {} : { mayChange }),
      });
      expect([survived.code, survived.status]).toEqual([code, status]);
    });
  }

  test("their twin: proved, and the rest", async () => {
    const says = goingOn([resume, proof(A, B), data(), end()]);
    const survived = await survive({ args: ["get", ":x", "x"], says, retry: "3s", mayChange: /^work\/x$/ });
    expect([survived.status, survived.landed]).toEqual([0, { "work/x": sha256(WHOLE) }]);
  });
});

describe("get to stdout: never 0, and no byte more than was declared", () => {
  const entry = (more: object = {}): Header => ({
    type: "entry",
    entry: 0,
    source: 0,
    kind: "file",
    path: ".",
    length: 5,
    mtime: null,
    mode: null,
    ...more,
  });
  const small: Said = [entry({ size: 5, digest: sha256(FIVE) }), FIVE];
  const data: Said = [{ type: "data", entry: 0 }, FIVE];
  const LIES: Record<string, [status: number, bytes: number, says: Said[]]> = {
    "its twin: the file": [0, 5, [FILE, small]],
    nothing: [1, 0, []],
    "a source alone": [1, 0, [FILE]],
    "a source twice": [1, 0, [FILE, FILE, small]],
    "a file before its source": [1, 0, [small]],
    "the file twice": [1, 5, [FILE, small, small]],
    "a folder": [1, 0, [FOLDER, small]],
    "an offer": [1, 0, [FILE, entry({ offer: true })]],
    "a wrong digest of a small one": [
      9,
      0,
      [FILE, [entry({ size: 5, digest: sha256(Buffer.from(OLD)) }), FIVE]],
    ],
    "a wrong digest at the end": [
      9,
      5,
      [FILE, entry(), data, { type: "end", entry: 0, bytes: 5, digest: "0".repeat(16) }],
    ],
    "less than declared": [
      1,
      5,
      [FILE, entry({ length: 6 }), data, { type: "end", entry: 0, bytes: 6, digest: sha256(FIVE) }],
    ],
    "more than declared": [1, 0, [FILE, entry({ length: 4 }), data]],
    "a result in the middle": [1, 5, [FILE, entry(), data]],
    "an end before the file": [1, 0, [FILE, { type: "end", entry: 0, bytes: 5, digest: sha256(FIVE) }]],
    "bytes of another entry": [1, 0, [FILE, entry(), [{ type: "data", entry: 1 }, FIVE]]],
    "an abort": [1, 5, [FILE, entry(), data, { type: "abort", entry: 0, code: "changed" }]],
    "a link": [1, 0, [FILE, { ...entry(), kind: "link", target: "x" }]],
    "a failure with control characters": [
      4,
      0,
      [{ ...FILE, kind: "failed", code: "policy", message: CONTROLS }],
    ],
    "a failure, and the file all the same": [
      7,
      5,
      [{ ...FILE, kind: "failed", code: "not-found", message: "" }, small],
    ],
  };
  for (const [what, [status, bytes, says]] of Object.entries(LIES)) {
    test(what, async () => {
      const ran = await watched(["get", ":x", "-", "-q"], saying([...says, RESULT]));
      expect([ran.status, ran.stdoutBytes]).toEqual([status, bytes]);
      expect(ran.stderr).not.toMatch(CONTROL);
      expect(Object.keys(ran.tree).sort()).toEqual(["sock", "x"]);
    });
  }
});

describe("lists", () => {
  const item = (path: string, kind = "file"): Header => ({
    type: "item",
    path,
    kind,
    length: 0,
    mtime: null,
    mode: null,
  });
  const listing = (items: readonly Said[], files: number): Script =>
    answering(({ type, self }) => {
      if (type !== "ls") return [];
      if (self === true) return [{ type: "error", code: "not-found", message: "" }];
      return [item(".", "folder"), ...items, { ...RESULT, files }];
    });
  for (const name of ["../a.txt", "/etc/a.txt", "b/a.txt", "a\0.txt", ".sock-partial"]) {
    test(`a pattern, and a list that has ${JSON.stringify(name)}: nothing is fetched`, async () => {
      const survived = await survive({ args: ["get", ":*.txt", "t"], says: listing([item(name)], 2) });
      expect([survived.code, survived.status]).toEqual(["protocol", 1]);
    });
  }

  test("a pattern, and a list that never ends: --timeout ends it, in flat memory", async () => {
    const script: Script = async (peer, request) => {
      say(peer, request["self"] === true ? { type: "error", code: "not-found", message: "" } : FILE);
      await peer.until("ls");
      say(peer, item(".", "folder"));
      for (let n = 1e9; peer.channel.failure === undefined; n++) {
        say(peer, item(`x${n}`));
        if (n % 100 === 0) {
          await peer.channel.ready();
          await Bun.sleep(0);
        }
      }
    };
    const ran = await watched(["get", ":*.txt", "t", "-q", "--timeout", "1s"], script);
    expect(ran.status).toBe(6);
    expect(ran.peak).toBeLessThan(300 * MiB);
    expect(Object.keys(ran.tree).sort()).toEqual(["sock", "x"]);
  });
});
