/** A sender, told what PROTOCOL.md's chapter Entries says that receivers may answer, and what they may not. */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { type ErrorCode, SockError } from "../../src/errors.ts";
import { BlockPool } from "../../src/files/blocks.ts";
import { digestOf } from "../../src/files/digest.ts";
import { Outgoing } from "../../src/files/outgoing.ts";
import type { Action, ReceiverMessage } from "../../src/protocol/file-messages.ts";
import type { FileItem, Item } from "../../src/transfer/items.ts";
import type { Outcome } from "../../src/transfer/outcome.ts";
import type { SenderOptions } from "../../src/transfer/pending.ts";
import { Sender } from "../../src/transfer/sender.ts";
import { codeOf, rejectionOf } from "../helpers/codes.ts";
import { type TemporaryFolder, temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";
import { RecordedWire } from "../helpers/wire.ts";

const MiB = 1024 * 1024;
const pool = new BlockPool();
const sha256 = (bytes: Uint8Array): string => digestOf("sha256", bytes);

/** The file of that name, made with these bytes. */
function fileItem(folder: TemporaryFolder, name: string, bytes: Uint8Array): FileItem {
  const path = folder.join(name);
  fs.writeFileSync(path, bytes, { mode: 0o600 });
  const { size: length, mtimeMs, mode } = fs.statSync(path);
  const open = (): Outgoing => Outgoing.open(path);
  const mtimeUs = Math.floor(mtimeMs * 1000);
  return { kind: "file", path: { path: name }, shown: name, length, mtimeUs, mode: mode & 0o777, open };
}

async function* listed(items: readonly Item[]): AsyncGenerator<Item> {
  await Promise.resolve();
  yield* items;
}

/** A sender at work; `run` is over when all has its answer. */
class Talk {
  readonly wire = new RecordedWire();
  readonly outcomes: Outcome[] = [];
  readonly sender: Sender;
  readonly run: Promise<void>;

  constructor(items: readonly Item[], options: Partial<SenderOptions> & { fresh?: boolean } = {}) {
    this.sender = new Sender(listed(items), {
      digest: "sha256",
      onExists: "replace",
      dry: false,
      pool,
      onOutcome: (outcome) => this.outcomes.push(outcome),
      ...options,
    });
    this.run = this.sender.run(this.wire, options.fresh ?? false);
    // awaited by the tests
    this.run.catch(() => undefined);
  }

  /** The frames so far, when there are so many. */
  async sent(count: number) {
    await until(() => this.wire.sent.length >= count, `${count} frames`);
    expect(this.wire.sent.length).toBe(count);
    return this.wire.sent;
  }

  answer(message: ReceiverMessage): void {
    this.sender.take(message);
  }

  /** The code that the answer is refused with. */
  refusal(message: ReceiverMessage): ErrorCode | undefined {
    return codeOf(() => this.answer(message));
  }

  /** The other side is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.wire.failure ??= new SockError("lost", "over");
    this.sender.wake();
    await this.run.catch(() => undefined);
    await this.sender.close();
  }
}

const want = (entry: number, have = 0): ReceiverMessage => ({ type: "want", entry, have });
const from = (entry: number, at: number): ReceiverMessage => ({ type: "from", entry, at });
const stop = (entry: number, code: ErrorCode): ReceiverMessage => ({
  type: "stop",
  entry,
  code,
  message: "no",
});
function done(
  entry: number,
  bytes: Uint8Array,
  action: Action = "new",
  digest = sha256(bytes),
): ReceiverMessage {
  return { type: "done", entry, bytes: bytes.length, digest, action, path: "there" };
}

describe("a small file", () => {
  const bytes = Buffer.from("some words");

  test("is offered, wanted, sent in one frame, and done", async () => {
    await using folder = await temporaryFolder();
    await using talk = new Talk([fileItem(folder, "a", bytes)]);
    const [offer] = await talk.sent(1);
    expect(offer).toMatchObject({
      type: "entry",
      entry: 0,
      path: "a",
      kind: "file",
      length: 10,
      offer: true,
    });
    talk.answer(want(0));
    const [, frame] = await talk.sent(2);
    expect(frame).toMatchObject({ type: "entry", entry: 0, length: 10, digest: sha256(bytes), size: 10 });
    expect(frame?.["offer"]).toBeUndefined();
    expect(talk.wire.bodies[1]).toEqual(new Uint8Array(bytes));
    talk.answer(done(0, bytes));
    await talk.run;
    expect(talk.outcomes).toMatchObject([{ action: "new", bytes: 10, shown: "there" }]);
    expect(talk.sender.counts).toEqual({ files: 1, bytes: 10, skipped: 0, failed: 0 });
  });

  test("that may be there is offered with its digest, then sent", async () => {
    await using folder = await temporaryFolder();
    await using talk = new Talk([fileItem(folder, "a", bytes)]);
    await talk.sent(1);
    talk.answer(want(0, 10));
    const [, second] = await talk.sent(2);
    expect(second).toMatchObject({ type: "entry", entry: 0, offer: true, digest: sha256(bytes) });
    talk.answer(want(0));
    const [, , third] = await talk.sent(3);
    expect(third).toMatchObject({ digest: sha256(bytes), size: 10 });
    talk.answer(done(0, bytes, "replaced"));
    await talk.run;
  });

  test("comes without an offer to a fresh place", async () => {
    await using folder = await temporaryFolder();
    await using talk = new Talk([fileItem(folder, "a", bytes)], { fresh: true });
    const [frame] = await talk.sent(1);
    expect(frame).toMatchObject({ digest: sha256(bytes), size: 10 });
    talk.answer(done(0, bytes));
    await talk.run;
  });

  test("that is there, skipped or stopped is not sent", async () => {
    await using folder = await temporaryFolder();
    const items = ["a", "b", "c"].map((name) => fileItem(folder, name, bytes));
    await using talk = new Talk(items, { onExists: "skip" });
    await talk.sent(3);
    talk.answer(done(2, bytes, "same", ""));
    talk.answer(done(1, bytes, "skipped", ""));
    talk.answer(stop(0, "no-space"));
    await talk.run;
    expect(talk.wire.sent.length).toBe(3);
    expect(talk.sender.counts).toEqual({ files: 0, bytes: 0, skipped: 2, failed: 1 });
  });

  const wrongs: [string, ReceiverMessage][] = [
    ["an answer to what was never sent", done(1, bytes)],
    ["more wanted than there is", want(0, 11)],
    ["a proof of nothing", from(0, 0)],
    ["all there before it was sent", done(0, bytes)],
    ["skipped, and not asked to", done(0, bytes, "skipped", "")],
    ["renamed, and not asked to", done(0, bytes, "renamed", "")],
  ];
  test.each(wrongs)("%s: protocol", async (_name, answer) => {
    await using folder = await temporaryFolder();
    await using talk = new Talk([fileItem(folder, "a", bytes)]);
    await talk.sent(1);
    expect(talk.refusal(answer)).toBe("protocol");
  });

  test.each([
    ["skip", "skipped"],
    ["rename", "renamed"],
    ["any", "skipped"],
    ["any", "renamed"],
  ] as const)("with %s it may be %s", async (onExists, action) => {
    await using folder = await temporaryFolder();
    await using talk = new Talk([fileItem(folder, "a", bytes)], { onExists, fresh: true });
    await talk.sent(1);
    talk.answer(done(0, bytes, action));
    await talk.run;
  });

  test("is not what was sent, by its digest or length: differs", async () => {
    await using folder = await temporaryFolder();
    await using talk = new Talk([fileItem(folder, "a", bytes)], { fresh: true });
    await talk.sent(1);
    expect(talk.refusal(done(0, bytes, "new", sha256(Buffer.from("x"))))).toBe("differs");
    expect(talk.refusal(done(0, bytes.subarray(1), "new", sha256(bytes)))).toBe("differs");
    expect(talk.refusal(want(0))).toBe("protocol");
    expect(talk.refusal(done(0, bytes))).toBeUndefined();
    // each entry has one answer
    expect(talk.refusal(stop(0, "io"))).toBe("protocol");
    await talk.run;
    expect(talk.sender.counts).toEqual({ files: 1, bytes: 10, skipped: 0, failed: 0 });
  });
});

describe("a large file", () => {
  const bytes = randomBytes(2.5 * MiB);

  test("is proved as far as the receiver has it, and sent from there", async () => {
    await using folder = await temporaryFolder();
    await using talk = new Talk([fileItem(folder, "a", bytes)]);
    await talk.sent(1);
    talk.answer(want(0, 1.5 * MiB));
    const [, entry, proof] = await talk.sent(3);
    expect(entry).toMatchObject({ type: "entry", entry: 0, length: bytes.length, resume: 1.5 * MiB });
    expect(proof).toEqual({ type: "proof", entry: 0, size: 16 });
    const hashes = Buffer.from(talk.wire.bodies[2] ?? []);
    expect(hashes.readBigUInt64BE(0)).toBe(Bun.hash.xxHash3(bytes.subarray(0, MiB), 0n));
    expect(hashes.readBigUInt64BE(8)).toBe(Bun.hash.xxHash3(bytes.subarray(MiB, 1.5 * MiB), 0n));
    expect(talk.refusal(from(0, 1.5 * MiB + 1))).toBe("protocol");
    talk.answer(from(0, MiB));
    const frames = await talk.sent(6);
    expect(frames.slice(3)).toEqual([
      { type: "data", entry: 0, size: MiB },
      { type: "data", entry: 0, size: 0.5 * MiB },
      { type: "end", entry: 0, bytes: bytes.length, digest: sha256(bytes) },
    ]);
    const sent = Buffer.concat(talk.wire.bodies.slice(3, 5).map((body) => body ?? Buffer.of()));
    expect(Buffer.compare(sent, bytes.subarray(MiB))).toBe(0);
    talk.answer(done(0, bytes));
    await talk.run;
  });

  test("that is all there is ended without data", async () => {
    await using folder = await temporaryFolder();
    await using talk = new Talk([fileItem(folder, "a", bytes)]);
    await talk.sent(1);
    talk.answer(want(0, bytes.length));
    await talk.sent(3);
    talk.answer(from(0, bytes.length));
    const [, , , end] = await talk.sent(4);
    expect(end).toEqual({ type: "end", entry: 0, bytes: bytes.length, digest: sha256(bytes) });
    expect(talk.refusal(done(0, bytes, "same", sha256(Buffer.of())))).toBe("differs");
    talk.answer(done(0, bytes, "repaired"));
    await talk.run;
    expect(talk.sender.counts).toEqual({ files: 1, bytes: 0, skipped: 0, failed: 0 });
  });

  test("that is stopped on its way is aborted, and the next one comes", async () => {
    await using folder = await temporaryFolder();
    const items = [fileItem(folder, "a", bytes), fileItem(folder, "b", Buffer.from("b"))];
    await using talk = new Talk(items, { fresh: true });
    await until(() => talk.wire.sent.some(({ type }) => type === "data"), "data");
    talk.answer(stop(0, "no-space"));
    await until(() => talk.wire.sent.at(-1)?.["path"] === "b", "the next one");
    const types = talk.wire.sent.map(({ type }) => type);
    // the end may have been out already
    expect(["abort", "end"]).toContain(types.at(-2) ?? "");
    talk.answer(done(1, Buffer.from("b")));
    await talk.run;
    expect(talk.sender.counts).toEqual({ files: 1, bytes: 1, skipped: 0, failed: 1 });
  });

  test("that vanished after it was offered is aborted, without an answer", async () => {
    await using folder = await temporaryFolder();
    await using talk = new Talk([fileItem(folder, "a", bytes)]);
    await talk.sent(1);
    fs.rmSync(folder.join("a"));
    talk.answer(want(0));
    const [, abort] = await talk.sent(2);
    expect(abort).toEqual({ type: "abort", entry: 0, code: "not-found" });
    await talk.run;
    expect(talk.sender.counts.failed).toBe(1);
    // an answer that was on its way then; but not one after another
    expect(talk.refusal(stop(0, "io"))).toBeUndefined();
    const more = Array.from({ length: 5 }, () => talk.refusal(stop(0, "io")));
    expect(more.at(-1)).toBe("protocol");
  });
});

describe("a broken connection", () => {
  test("what has no answer is offered again, as such, and nothing else", async () => {
    await using folder = await temporaryFolder();
    const bytes = Buffer.from("some words");
    await using talk = new Talk(["a", "b"].map((name) => fileItem(folder, name, bytes)));
    await talk.sent(2);
    talk.answer(done(0, bytes, "same", ""));
    talk.answer(want(1));
    await talk.sent(3);
    talk.wire.failure = new SockError("lost", "broken");
    talk.sender.wake();
    expect(await rejectionOf(talk.run)).toBe("lost");
    const second = new RecordedWire();
    const run = talk.sender.run(second, false);
    await until(() => second.sent.length === 1, "the offer");
    expect(second.sent[0]).toMatchObject({ type: "entry", entry: 1, path: "b", offer: true, again: true });
    talk.answer(done(1, bytes, "same", ""));
    await run;
    expect(talk.sender.counts).toEqual({ files: 0, bytes: 0, skipped: 2, failed: 0 });
  });

  test("a stream is never sent twice, and never the same", async () => {
    const read = (): Promise<number> => new Promise(() => undefined);
    const item: Item = { kind: "stream", path: { path: "s" }, shown: "s", mode: null, read };
    const talk = new Talk([item], { fresh: true });
    const [entry] = await talk.sent(1);
    expect(entry).toMatchObject({ type: "entry", length: null, mtime: null });
    expect(talk.refusal(done(0, Buffer.of(), "same", ""))).toBe("protocol");
    expect(talk.refusal(want(0))).toBe("protocol");
    expect(await rejectionOf(talk.sender.run(new RecordedWire(), false))).toBe("lost");
  });
});

describe("a tree", () => {
  test("a folder goes out when all in it has its answer", async () => {
    await using folder = await temporaryFolder();
    const bytes = Buffer.from("some words");
    const item = { shown: "f", mtimeUs: 0, mode: 0o755, silent: false } as const;
    const items: Item[] = [
      { kind: "enter", path: { path: "." }, ...item },
      { kind: "enter", path: { path: "f" }, ...item },
      fileItem(folder, "a", bytes),
      { kind: "leave" },
      { kind: "link", path: { path: "l" }, shown: "l", target: { target: "f" }, mtimeUs: 0 },
      { kind: "leave" },
    ];
    await using talk = new Talk(items);
    await talk.sent(2);
    expect(talk.wire.sent.map((header) => header["kind"])).toEqual(["file", "link"]);
    talk.answer(done(0, bytes, "same", ""));
    const [, , inner] = await talk.sent(3);
    expect(inner).toEqual({ type: "entry", entry: 2, path: "f", kind: "folder", mtime: 0, mode: 0o755 });
    talk.answer(done(2, Buffer.of(), "new", ""));
    talk.answer(stop(1, "outside"));
    const [, , , top] = await talk.sent(4);
    expect(top).toMatchObject({ entry: 3, path: ".", kind: "folder" });
    talk.answer(done(3, Buffer.of(), "same", ""));
    await talk.run;
    expect(talk.sender.counts).toEqual({ files: 0, bytes: 0, skipped: 1, failed: 1 });
  });
});
