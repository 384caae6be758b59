/** A receiver, told what PROTOCOL.md's chapter Entries says that senders may say, and what they may not. */
import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { wireSegments } from "../../src/files/names.ts";
import type { SenderMessage } from "../../src/protocol/file-messages.ts";
import type { Header } from "../../src/protocol/frame.ts";
import type { ReceiverOptions } from "../../src/transfer/receiving-options.ts";
import { Playground } from "../files/playground.ts";
import { rejectionOf } from "../helpers/codes.ts";
import { data, end, file, MTIME, offer, sha256, Talk, text, there, whole } from "../helpers/receiving.ts";

describe("a file", () => {
  const bytes = text("some words");

  test("in one frame, or in pieces, with and without a length", async () => {
    using ground = new Playground();
    const talk = new Talk(ground);
    const done = { type: "done", bytes: bytes.length, digest: sha256(bytes), action: "new" };
    expect(await talk.says(whole(0, "a", bytes), bytes)).toEqual({ ...done, entry: 0, path: "a" });
    for (const [entry, length] of [bytes.length, null].entries()) {
      const path = `pieces-${entry}`;
      expect(await talk.says(file(entry + 1, path, length))).toBeUndefined();
      for (const byte of bytes) await talk.says(...data(entry + 1, Uint8Array.of(byte)));
      expect(await talk.says(end(entry + 1, bytes))).toEqual({ ...done, entry: entry + 1, path });
      expect(fs.readFileSync(ground.path(path))).toEqual(Buffer.from(bytes));
    }
    expect(fs.statSync(ground.path("a")).mtimeMs).toBe(MTIME / 1000);
    await talk.receiver.close();
    expect(ground.litter()).toEqual([]);
  });

  const wrongs: [string, string, (talk: Talk) => Promise<Header | undefined>][] = [
    [
      "another digest than its body's",
      "differs",
      (t) => t.says(whole(0, "a", bytes, { digest: sha256(text("x")) }), bytes),
    ],
    [
      "more bytes than it has",
      "changed",
      async (t) => {
        await t.says(file(0, "a", 9));
        return t.says(...data(0, bytes));
      },
    ],
    [
      "fewer bytes than it has",
      "cut",
      async (t) => {
        await t.says(file(0, "a", 11));
        await t.says(...data(0, bytes));
        return t.says(end(0, bytes));
      },
    ],
    [
      "another count at its end",
      "cut",
      async (t) => {
        await t.says(file(0, "a", null));
        await t.says(...data(0, bytes.subarray(1)));
        return t.says(end(0, bytes));
      },
    ],
    [
      "another digest at its end",
      "differs",
      async (t) => {
        await t.says(file(0, "a", bytes.length));
        await t.says(...data(0, text("other word")));
        return t.says(end(0, bytes));
      },
    ],
    [
      "a sender that gives up",
      "changed",
      async (t) => {
        await t.says(file(0, "a", bytes.length));
        await t.says(...data(0, bytes));
        return t.says({ type: "abort", entry: 0, code: "changed" });
      },
    ],
  ];
  test.each(wrongs)(
    "with %s is stopped: %s; the old one stays, and the next one comes",
    async (_name, code, say) => {
      using ground = new Playground();
      there(ground, "a", text("old"));
      const talk = new Talk(ground);
      expect(await say(talk)).toMatchObject({ type: "stop", entry: 0, code });
      expect(fs.readFileSync(ground.path("a"), "utf8")).toBe("old");
      // what was on its way is passed over
      expect(await talk.says(...data(0, bytes))).toBeUndefined();
      expect(await talk.says(end(0, bytes))).toBeUndefined();
      expect(await talk.says(whole(1, "b", bytes), bytes)).toMatchObject({ type: "done", action: "new" });
      await talk.receiver.close();
      expect(ground.litter()).toEqual([]);
    },
  );

  test("that begins inside another ends all", async () => {
    using ground = new Playground();
    const talk = new Talk(ground);
    await talk.says(file(0, "a", bytes.length));
    expect(talk.receiver.busy).toBe(true);
    expect(await rejectionOf(talk.says(whole(1, "b", bytes), bytes))).toBe("protocol");
    await talk.receiver.close();
  });
});

describe("an offer", () => {
  const bytes = text("twelve bytes");

  test("of what is not there, or differs in length, is wanted from its beginning", async () => {
    using ground = new Playground();
    there(ground, "b", text("short"));
    const talk = new Talk(ground);
    expect(await talk.says(offer(0, "a", 12))).toEqual({ type: "want", entry: 0, have: 0 });
    expect(await talk.says(offer(1, "b", 12))).toEqual({ type: "want", entry: 1, have: 0 });
    expect(await talk.says(whole(1, "b", bytes), bytes)).toMatchObject({ action: "replaced" });
    expect(await talk.says(whole(0, "a", bytes), bytes)).toMatchObject({ action: "new" });
  });

  test("of the same length and time is the same, but for its mode", async () => {
    using ground = new Playground();
    there(ground, "a", bytes);
    there(ground, "b", bytes, MTIME / 1e6, 0o640);
    const talk = new Talk(ground);
    // the time counts in ms
    expect(await talk.says(offer(0, "a", 12, { mtime: MTIME + 999 }))).toEqual({
      type: "done",
      entry: 0,
      bytes: 12,
      digest: "",
      action: "same",
      path: "a",
    });
    expect(await talk.says(offer(1, "b", 12))).toMatchObject({ action: "repaired", digest: "" });
    expect(fs.statSync(ground.path("b")).mode & 0o777).toBe(0o600);
  });

  test("of a small one with another time: its digest decides", async () => {
    using ground = new Playground();
    there(ground, "a", bytes, 1_600_000_000);
    there(ground, "b", text("other bytes!"), 1_600_000_000);
    const talk = new Talk(ground);
    for (const [entry, path] of ["a", "b"].entries())
      expect(await talk.says(offer(entry, path, 12))).toEqual({ type: "want", entry, have: 12 });
    const digest = sha256(bytes);
    expect(await talk.says(offer(0, "a", 12, { digest }))).toMatchObject({ action: "repaired", digest });
    expect(fs.statSync(ground.path("a")).mtimeMs).toBe(MTIME / 1000);
    expect(await talk.says(offer(1, "b", 12, { digest }))).toEqual({ type: "want", entry: 1, have: 0 });
    expect(await talk.says(whole(1, "b", bytes), bytes)).toMatchObject({ action: "replaced" });
  });

  const rules: [string, Partial<ReceiverOptions>, object][] = [
    ["a sender that may not read", { mayCompare: false }, { type: "want", have: 0 }],
    ["skip", { onExists: "skip" }, { type: "done", action: "skipped" }],
    ["refuse", { onExists: "refuse" }, { type: "stop", code: "exists" }],
    ["rename", { onExists: "rename" }, { type: "want", have: 0 }],
    ["all that may be compared", {}, { type: "want", have: 12 }],
  ];
  test.each(rules)("of one with another time, for %s", async (_name, options, answer) => {
    using ground = new Playground();
    there(ground, "a", bytes, 1_600_000_000);
    expect(await new Talk(ground, options).says(offer(0, "a", 12))).toMatchObject(answer);
  });

  test("with checksum the same time is not enough", async () => {
    using ground = new Playground();
    there(ground, "a", bytes);
    const talk = new Talk(ground, { checksum: true });
    expect(await talk.says(offer(0, "a", 12))).toMatchObject({ type: "want", have: 12 });
    const digest = sha256(bytes);
    expect(await talk.says(offer(0, "a", 12, { digest }))).toMatchObject({ action: "same", digest });
  });

  test("made again after a broken connection is known again, where nothing may be replaced", async () => {
    using ground = new Playground();
    there(ground, "a", bytes);
    const talk = new Talk(ground, { onExists: "refuse" });
    expect(await talk.says(offer(0, "a", 12, { again: true }))).toMatchObject({ action: "same" });
    expect(await talk.says(offer(1, "a", 12))).toMatchObject({ type: "stop", code: "exists" });
  });
});

describe("folders and links", () => {
  const folder = (entry: number, path: string): SenderMessage => ({
    type: "entry",
    entry,
    kind: "folder",
    path,
    mtime: MTIME,
    mode: 0o755,
  });
  const link = (entry: number, path: string, target: string): SenderMessage => ({
    type: "entry",
    entry,
    kind: "link",
    path,
    target,
    mtime: MTIME,
    mode: null,
  });

  test("a folder comes after what is in it, and is made without", async () => {
    using ground = new Playground();
    const talk = new Talk(ground);
    await talk.says(whole(0, "f/a", text("a")), text("a"));
    expect(await talk.says(folder(1, "f"))).toMatchObject({ type: "done", digest: "", bytes: 0, path: "f" });
    expect(await talk.says(folder(2, "g"))).toMatchObject({ action: "new" });
    expect(fs.statSync(ground.path("f")).mtimeMs).toBe(MTIME / 1000);
    expect(await talk.says(folder(3, "f/a"))).toMatchObject({ type: "stop" });
  });

  test("a link stays inside its tree", async () => {
    using ground = new Playground();
    const talk = new Talk(ground);
    const targets: [string, string, object][] = [
      ["f/l", "a", { type: "done", action: "new" }],
      ["f/m", "../a", { type: "done", action: "new" }],
      ["f/n", "../../a", { type: "stop", code: "outside" }],
      ["f/o", "a/../b", { type: "stop", code: "outside" }],
      ["f/p", "/etc/passwd", { type: "stop", code: "outside" }],
      ["f/q", "", { type: "stop", code: "bad-name" }],
      ["f/r", ".sock-partial/x", { type: "stop", code: "bad-name" }],
      ["q", "..", { type: "stop", code: "outside" }],
    ];
    for (const [entry, [path, target, answer]] of targets.entries())
      expect(await talk.says(link(entry, path, target))).toMatchObject(answer);
    expect(fs.readlinkSync(ground.path("f/m"))).toBe("../a");
    expect(fs.readdirSync(ground.path("f")).sort()).toEqual(["l", "m"]);
  });
});

test("what can't be asked whether it is left out is that entry's failure, and the others come", async () => {
  using ground = new Playground();
  const talk = new Talk(ground, {
    isLeftOut: (entry) => "path" in entry && wireSegments(entry.path).includes("unwanted"),
  });
  const bytes = text("some words");
  expect(await talk.says(whole(0, "../x", bytes), bytes)).toMatchObject({ type: "stop", code: "outside" });
  expect(await talk.says(whole(1, "unwanted", bytes), bytes)).toMatchObject({ action: "skipped" });
  expect(await talk.says(whole(2, "x", bytes), bytes)).toMatchObject({ action: "new" });
  await talk.receiver.close();
  expect(fs.readdirSync(ground.dir)).toEqual(["x"]);
});
