/** What a receiver has already, proved block by block (PROTOCOL.md, Entries). */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import type { Header } from "../../src/protocol/frame.ts";
import { Playground } from "../files/playground.ts";
import { data, end, file, offer, proof, sha256, Talk, text, there, whole } from "../helpers/receiving.ts";

const MiB = 1024 * 1024;

describe("proofs", () => {
  const old = randomBytes(5 * MiB + 1);
  const same = { type: "done", bytes: old.length, digest: sha256(old), action: "repaired" };

  test("of a file that is there: all of it, and nothing is sent", async () => {
    using ground = new Playground();
    there(ground, "a", old, 1_600_000_000);
    const talk = new Talk(ground);
    expect(await talk.says(offer(0, "a", old.length))).toMatchObject({ type: "want", have: old.length });
    expect(await talk.says(file(0, "a", old.length, { resume: old.length }))).toBeUndefined();
    const [message, hashes] = proof(0, old);
    expect(hashes.length).toBe(6 * 8);
    expect(await talk.says(message, hashes.subarray(0, 40))).toBeUndefined();
    expect(await talk.says(message, hashes.subarray(40))).toEqual({ type: "from", entry: 0, at: old.length });
    expect(await talk.says(end(0, old))).toMatchObject(same);
    await talk.receiver.close();
    expect(ground.litter()).toEqual([]);
  });

  test("of a file that somebody replaces after it was proved: it was there, and theirs came later", async () => {
    using ground = new Playground();
    there(ground, "a", old, 1_600_000_000);
    const talk = new Talk(ground);
    await talk.says(offer(0, "a", old.length));
    await talk.says(file(0, "a", old.length, { resume: old.length }));
    expect(await talk.says(...proof(0, old))).toMatchObject({ type: "from", at: old.length });
    fs.writeFileSync(ground.path("theirs"), "theirs", { mode: 0o644 });
    fs.renameSync(ground.path("theirs"), ground.path("a"));
    expect(await talk.says(end(0, old))).toMatchObject({ ...same, action: "same" });
    expect(fs.readFileSync(ground.path("a"), "utf8")).toBe("theirs");
    expect(fs.statSync(ground.path("a")).mode & 0o777).toBe(0o644);
    await talk.receiver.close();
  });

  test("of a file that somebody writes to after it was proved: it is refused", async () => {
    using ground = new Playground();
    there(ground, "a", old, 1_600_000_000);
    const talk = new Talk(ground);
    await talk.says(offer(0, "a", old.length));
    await talk.says(file(0, "a", old.length, { resume: old.length }));
    expect(await talk.says(...proof(0, old))).toMatchObject({ type: "from", at: old.length });
    fs.appendFileSync(ground.path("a"), "theirs");
    expect(await talk.says(end(0, old))).toMatchObject({ type: "stop", code: "changed" });
    await talk.receiver.close();
  });

  test("of a file that is there and differs in its last byte: it is sent from its beginning", async () => {
    using ground = new Playground();
    there(ground, "a", old, 1_600_000_000);
    const fresh = Buffer.from(old);
    fresh[fresh.length - 1] = (fresh.at(-1) ?? 0) ^ 1;
    const talk = new Talk(ground);
    await talk.says(offer(0, "a", old.length));
    await talk.says(file(0, "a", old.length, { resume: old.length }));
    expect(await talk.says(...proof(0, fresh))).toEqual({ type: "from", entry: 0, at: 0 });
    for (let at = 0; at < fresh.length; at += MiB) await talk.says(...data(0, fresh.subarray(at, at + MiB)));
    expect(await talk.says(end(0, fresh))).toMatchObject({ action: "replaced", digest: sha256(fresh) });
    expect(Buffer.compare(fs.readFileSync(ground.path("a")), fresh)).toBe(0);
  });

  /** A transfer of `old` that breaks after 3 MiB and a half. */
  async function broken(ground: Playground): Promise<void> {
    const talk = new Talk(ground);
    await talk.says(file(0, "a", old.length));
    await talk.says(...data(0, old.subarray(0, 3.5 * MiB)));
    await talk.receiver.close();
    expect(fs.existsSync(ground.path("a"))).toBe(false);
  }

  test("of what a broken transfer left: it goes on there", async () => {
    using ground = new Playground();
    await broken(ground);
    const talk = new Talk(ground);
    const have = 3.5 * MiB;
    expect(await talk.says(offer(0, "a", old.length))).toEqual({ type: "want", entry: 0, have });
    await talk.says(file(0, "a", old.length, { resume: have }));
    expect(await talk.says(...proof(0, old, have))).toEqual({ type: "from", entry: 0, at: have });
    await talk.says(...data(0, old.subarray(have)));
    expect(await talk.says(end(0, old))).toMatchObject({ action: "new", digest: sha256(old) });
    expect(Buffer.compare(fs.readFileSync(ground.path("a")), old)).toBe(0);
  });

  test("of a source that is another one by now: it goes on at the first block that differs", async () => {
    using ground = new Playground();
    await broken(ground);
    const fresh = Buffer.from(old);
    fresh[2 * MiB] = (fresh[2 * MiB] ?? 0) ^ 1;
    const talk = new Talk(ground);
    await talk.says(offer(0, "a", old.length));
    await talk.says(file(0, "a", old.length, { resume: 3.5 * MiB }));
    expect(await talk.says(...proof(0, fresh, 3.5 * MiB))).toEqual({ type: "from", entry: 0, at: 2 * MiB });
    // another one was on its way
    expect(await talk.says(...proof(0, fresh, MiB))).toBeUndefined();
    for (let at = 2 * MiB; at < fresh.length; at += MiB)
      await talk.says(...data(0, fresh.subarray(at, at + MiB)));
    expect(await talk.says(end(0, fresh))).toMatchObject({ action: "new", digest: sha256(fresh) });
  });

  test("are not waited for where nothing is left", async () => {
    using ground = new Playground();
    const talk = new Talk(ground);
    expect(await talk.says(file(0, "a", old.length, { resume: MiB }))).toEqual({
      type: "from",
      entry: 0,
      at: 0,
    });
    await talk.receiver.close();
  });

  const wrongs: [string, (talk: Talk) => Promise<Header | undefined>][] = [
    ["no row of hashes", (t) => t.says({ type: "proof", entry: 0, size: 7 }, new Uint8Array(7))],
    [
      "more hashes than blocks",
      (t) => {
        const [, hashes] = proof(0, old, 3.5 * MiB);
        return t.says({ type: "proof", entry: 0, size: 40 }, Buffer.concat([hashes, new Uint8Array(8)]));
      },
    ],
    ["nothing", (t) => t.says({ type: "proof", entry: 0, size: 0 }, new Uint8Array(0))],
    ["data before the answer", (t) => t.says(...data(0, old.subarray(0, MiB)))],
    ["the end before the answer", (t) => t.says(end(0, old))],
  ];
  test.each(wrongs)("%s in their place stops the file, not the transfer", async (_name, say) => {
    using ground = new Playground();
    await broken(ground);
    const talk = new Talk(ground);
    await talk.says(file(0, "a", old.length, { resume: 3.5 * MiB }));
    expect(await say(talk)).toMatchObject({ type: "stop", entry: 0, code: "protocol" });
    const bytes = text("next");
    expect(await talk.says(whole(1, "b", bytes), bytes)).toMatchObject({ action: "new" });
    expect(fs.existsSync(ground.path("a"))).toBe(false);
  });
});
