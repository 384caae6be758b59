import { describe, expect, test } from "bun:test";
import type { Header } from "../../src/protocol/frame.ts";
import { answering, CONTROLS, MiB, OLD, type Said, sha256, survive, watched } from "../helpers/hostile.ts";

const RESULT: Header = { type: "result", files: 1, bytes: 12, skipped: 0, failed: 0 };
const READY: Header = { type: "ready", fresh: false };
const SHA = sha256(Buffer.from(OLD));
const ZEROS = sha256(new Uint8Array(2 * MiB));
const done = (more: object = {}): Header => ({
  type: "done",
  entry: 0,
  bytes: 12,
  digest: SHA,
  action: "new",
  path: "x",
  ...more,
});
const stop = (more: object = {}): Header => ({
  type: "stop",
  entry: 0,
  code: "policy",
  message: "no",
  ...more,
});
const want = (have = 0, entry = 0): Header => ({ type: "want", entry, have });
const from = (at: number): Header => ({ type: "from", entry: 0, at });
/** What is said to the first message of each type; to `finish` a result, unless said otherwise. */
type Answers = { readonly [type: string]: readonly Said[] };
type Lies = Record<string, [code: string | undefined, status: number, answers: Answers]>;

/** Answers only the first message of a type. */
function once(answers: Answers): ReturnType<typeof answering> {
  return async (peer, request) => {
    const seen = new Set<string>();
    await answering((header) => {
      if (seen.has(header.type)) return [];
      seen.add(header.type);
      return answers[header.type] ?? (header.type === "finish" ? [RESULT] : []);
    })(peer, request);
  };
}

function surviving(args: readonly string[], lies: Lies): void {
  for (const [what, [code, status, answers]] of Object.entries(lies)) {
    test(what, async () => {
      const survived = await survive({ args, says: once(answers) });
      expect([survived.code, survived.status]).toEqual([code, status]);
    });
  }
}

describe("put of a small file, which goes out at once", () => {
  surviving(["put", "x", ":x"], {
    "its twin: done, and counted": [undefined, 0, { entry: [done()] }],
    "a success before anything was sent": ["protocol", 1, { put: [RESULT] }],
    "a success without an answer": ["protocol", 1, { put: [READY], finish: [RESULT], entry: [RESULT] }],
    "a want of what was sent already": ["protocol", 1, { put: [READY], entry: [want()] }],
    "a proof of what nobody has": ["protocol", 1, { entry: [from(5)] }],
    "an answer to nothing that was sent": ["protocol", 1, { put: [done({ entry: 7 })] }],
    "another digest": ["differs", 9, { entry: [done({ digest: ZEROS })] }],
    "a digest of another kind": ["differs", 9, { entry: [done({ digest: "0".repeat(16) })] }],
    "another length": ["differs", 9, { entry: [done({ bytes: 11 })] }],
    "no digest": ["differs", 9, { entry: [done({ digest: "" })] }],
    "the same, with another digest": ["differs", 9, { entry: [done({ action: "same", digest: ZEROS })] }],
    "skipped, and nobody allowed it": ["protocol", 1, { entry: [done({ action: "skipped", digest: "" })] }],
    "renamed, and nobody allowed it": ["protocol", 1, { entry: [done({ action: "renamed" })] }],
    "an action that is none": ["protocol", 1, { entry: [done({ action: "kept" })] }],
    "done twice": ["protocol", 1, { entry: [done(), done()], finish: [] }],
    "done, and then stopped": ["protocol", 1, { entry: [done(), stop()], finish: [] }],
    "done, and an error at the end": [
      "no-space",
      8,
      { entry: [done()], finish: [{ type: "error", code: "no-space", message: "" }] },
    ],
    "failures that it does not name": [
      "protocol",
      1,
      { entry: [done()], finish: [{ ...RESULT, failed: 3 }] },
    ],
    "counts below 0": ["protocol", 1, { entry: [done()], finish: [{ ...RESULT, files: -1 }] }],
    "a file of its own": [
      "protocol",
      1,
      { put: [{ type: "entry", entry: 0, kind: "file", path: "../x", length: 5, mtime: null, mode: null }] },
    ],
    "bytes of its own": ["protocol", 1, { put: [[{ type: "data", entry: 0 }, Buffer.from("12345")]] }],
    "a source of its own": ["protocol", 1, { put: [{ type: "source", source: 0, kind: "file" }] }],
    "a name of a listing": [
      "protocol",
      1,
      { put: [{ type: "item", path: ".", kind: "file", length: 1, mtime: null, mode: null }] },
    ],
    "a stop with control characters": ["policy", 4, { entry: [stop({ message: CONTROLS, hint: CONTROLS })] }],
    "a stop with a code of its own": ["failed", 1, { entry: [stop({ code: CONTROLS })] }],
    "an error in the place of the answer": [
      "quota",
      8,
      { entry: [{ type: "error", code: "quota", message: CONTROLS }] },
    ],
    "an error that says to come again": ["busy", 6, { put: [{ type: "error", code: "busy", message: "" }] }],
  });
});

describe("put of a large file, which is offered first", () => {
  surviving(["put", "big", ":big"], {
    "new, and not a byte was sent": [
      "protocol",
      1,
      { put: [READY], entry: [done({ bytes: 2 * MiB, digest: ZEROS })] },
    ],
    "new without a digest, and not a byte was sent": [
      "protocol",
      1,
      { put: [READY], entry: [done({ bytes: 0, digest: "" })] },
    ],
    "replaced, and not a byte was sent": [
      "protocol",
      1,
      { put: [READY], entry: [done({ bytes: 2 * MiB, digest: "", action: "replaced" })] },
    ],
    "done in the middle": [
      "protocol",
      1,
      { put: [READY], entry: [want(), done({ bytes: 2 * MiB, digest: ZEROS })] },
    ],
    "wanted twice": ["protocol", 1, { put: [READY], entry: [want(), want()] }],
    "wanted again in the middle": ["protocol", 1, { put: [READY], entry: [want()], data: [want()] }],
    "wanted after its end": ["protocol", 1, { put: [READY], entry: [want()], end: [want()] }],
    "more is there than the file has": ["protocol", 1, { put: [READY], entry: [want(2 * MiB + 1)] }],
    "a want before anything was offered": ["protocol", 1, { put: [want(), READY] }],
    "a want of another entry": ["protocol", 1, { put: [READY], entry: [want(0, 1)] }],
    "proved, where nothing was to be": ["protocol", 1, { put: [READY], entry: [want(), from(0)] }],
    "more is proved than was said to be there": [
      "protocol",
      1,
      { put: [READY], entry: [want(MiB)], proof: [from(MiB + 1)] },
    ],
    "proved twice: back to the beginning": [
      "protocol",
      1,
      { put: [READY], entry: [want(MiB)], proof: [from(MiB)], data: [from(0)] },
    ],
    "a prefix that lies: other bytes were there": [
      "differs",
      9,
      { put: [READY], entry: [want(MiB)], proof: [from(MiB)], end: [done({ bytes: 2 * MiB })] },
    ],
    "a success in the middle": ["protocol", 1, { put: [READY], entry: [want(), RESULT] }],
    "a success in the middle of a proof": [
      "protocol",
      1,
      { put: [READY], entry: [want(MiB)], proof: [RESULT] },
    ],
    "a stop in the middle": [
      "no-space",
      8,
      { put: [READY], entry: [want()], data: [stop({ code: "no-space" })] },
    ],
    "an error in the middle": [
      "no-space",
      8,
      { put: [READY], entry: [want()], data: [{ type: "error", code: "no-space", message: "" }] },
    ],
    "nothing is ready, and yet a success": ["protocol", 1, { put: [RESULT] }],
    "ready is neither": ["protocol", 1, { put: [{ type: "ready", fresh: "yes" }] }],
    "its twin: taken from the middle": [
      undefined,
      0,
      {
        put: [READY],
        entry: [want(MiB)],
        proof: [from(MiB)],
        end: [done({ bytes: 2 * MiB, digest: ZEROS })],
      },
    ],
  });
});

describe("put of a tree", () => {
  const each = (answer: (header: Header) => readonly Said[]) =>
    answering((header) => {
      if (header.type === "put") return [READY];
      if (header.type === "finish") return [RESULT];
      return header.type === "entry" ? answer(header) : [];
    });
  const TREES: Record<
    string,
    [code: string | undefined, status: number, answer: (header: Header) => readonly Said[]]
  > = {
    "a stop for all": ["policy", 4, ({ entry }) => [stop({ entry: Number(entry) })]],
    "a stop for one": [
      "some-failed",
      10,
      ({ entry, path }) => [
        path === "a"
          ? stop({ entry: Number(entry) })
          : done({ entry: Number(entry), action: "same", digest: "" }),
      ],
    ],
    "a want of the folder": [
      "protocol",
      1,
      ({ entry, kind }) => [
        kind === "file" ? done({ entry: Number(entry), action: "same", digest: "" }) : want(0, Number(entry)),
      ],
    ],
    "an answer to the folder before it was sent": [
      "protocol",
      1,
      ({ entry }) => [done({ entry: Number(entry) + 1 })],
    ],
  };
  for (const [what, [code, status, answer]] of Object.entries(TREES)) {
    test(what, async () => {
      const survived = await survive({ args: ["put", "d", ":d"], says: each(answer) });
      expect([survived.code, survived.status]).toEqual([code, status]);
    });
  }

  test("nothing is there, it says, and then it wants what was not offered", async () => {
    const says = answering(({ type }) =>
      type === "put" ? [{ ...READY, fresh: true }] : type === "entry" ? [want()] : [],
    );
    const { code, status } = await survive({ args: ["put", "d", ":d"], says });
    expect([code, status]).toEqual(["protocol", 1]);
  });

  test("--atomic: a stop, and a success all the same", async () => {
    const { status } = await survive({
      args: ["put", "d", ":d", "--atomic"],
      says: each(({ entry }) => [stop({ entry: Number(entry) })]),
    });
    expect(status).not.toBe(0);
  });

  test("--dry-run: what would be done, and a want", async () => {
    const args = ["put", "d", ":d", "--dry-run"];
    const { status } = await survive({ args, says: each(({ entry }) => [want(0, Number(entry))]) });
    expect(status).toBe(1);
  });
});

test("answers without end to what was answered: given up at once, in flat memory", async () => {
  const ran = await watched(["put", "x", ":x", "-q"], async (peer) => {
    peer.send(done());
    while (peer.channel.failure === undefined) {
      for (let n = 0; n < 1000; n++) peer.send(done());
      await peer.channel.ready();
      await Bun.sleep(0);
    }
  });
  expect(ran.status).toBe(1);
  expect(ran.ms).toBeLessThan(3000);
  expect(ran.peak).toBeLessThan(200 * MiB);
});

test("a path with control characters is escaped for people, exact in --json, and one line in a receipt", async () => {
  const args = ["put", "x", ":x", "--receipt", "r"];
  const survived = await survive({
    args,
    says: once({ entry: [done({ path: `x${CONTROLS}` })] }),
    mayChange: /^work\/r$/,
  });
  expect(survived.status).toBe(0);
  expect(survived.events.length).toBe(2);
  expect(survived.events[0]).toMatchObject({ path: `127.0.0.1:x${CONTROLS}` });
});
