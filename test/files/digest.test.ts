import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { BlockPool } from "../../src/files/blocks.ts";
import { algorithmOf, createDigester, type Digester } from "../../src/files/digest.ts";
import {
  BLOCKS_IN_FLIGHT,
  DATA_BYTES,
  INLINE_HASH_BYTES,
  XXH3_BLOCK_BYTES,
} from "../../src/protocol/constants.ts";
import { temporaryFolder } from "../helpers/temp.ts";

function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = size + 1;
  for (let n = 0; n < size; n++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[n] = state >>> 24;
  }
  return bytes;
}

async function digestOf(digester: Digester, content: Uint8Array, piece: number): Promise<string> {
  const updates: Promise<void>[] = [];
  for (let at = 0; at < content.length; at += piece)
    updates.push(digester.update(content.subarray(at, at + piece)));
  await Promise.all(updates);
  return digester.digest();
}

/** The definition, written out. */
function chained(content: Uint8Array): string {
  let chain = Bun.hash.xxHash3(content.subarray(0, XXH3_BLOCK_BYTES), 0n);
  for (let at = XXH3_BLOCK_BYTES; at < content.length; at += XXH3_BLOCK_BYTES) {
    const block = Bun.hash.xxHash3(content.subarray(at, at + XXH3_BLOCK_BYTES), 0n);
    const hex = [chain, block].map((value) => value.toString(16).padStart(16, "0")).join("");
    chain = Bun.hash.xxHash3(Buffer.from(hex, "hex"), 0n);
  }
  return chain.toString(16).padStart(16, "0");
}

const SIZES = [
  0,
  1,
  500,
  XXH3_BLOCK_BYTES,
  XXH3_BLOCK_BYTES + 1,
  DATA_BYTES - 1,
  DATA_BYTES,
  DATA_BYTES + 1,
  3 * DATA_BYTES + 500,
];
const PIECES = [65_537, DATA_BYTES - 1, DATA_BYTES, DATA_BYTES + 1, 4 * DATA_BYTES];

describe("a digest is the same in whatever pieces the stream comes", () => {
  test.each(SIZES)("of %d bytes", async (size) => {
    const content = noise(size);
    const sha256 = new Bun.CryptoHasher("sha256").update(content).digest("hex");
    for (const piece of PIECES) {
      expect(await digestOf(createDigester("xxh3-64k", size), content, piece)).toBe(chained(content));
      // inline, where it is small; on a thread
      expect(
        await digestOf(createDigester("sha256", Math.min(size, INLINE_HASH_BYTES)), content, piece),
      ).toBe(sha256);
      expect(await digestOf(createDigester("sha256", null), content, piece)).toBe(sha256);
    }
  });

  test("known values", async () => {
    const none = new Uint8Array(0);
    // XXH3-64 of nothing, as in xxHash's own test vectors
    expect(await digestOf(createDigester("xxh3-64k", 0), none, 1)).toBe("2d06800538d394c2");
    expect(await digestOf(createDigester("sha256", null), Buffer.from("abc"), 1)).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    expect(algorithmOf("0".repeat(64))).toBe("sha256");
    expect(algorithmOf("0".repeat(16))).toBe("xxh3-64k");
  });

  test("each bit of each block counts", async () => {
    const content = noise(2 * DATA_BYTES + 10);
    const seen = new Set([await digestOf(createDigester("xxh3-64k", null), content, DATA_BYTES)]);
    const places = [0, DATA_BYTES - 1, DATA_BYTES, 2 * DATA_BYTES, 2 * DATA_BYTES + 9];
    for (const place of places) {
      content[place] = (content[place] ?? 0) ^ 0x80;
      seen.add(await digestOf(createDigester("xxh3-64k", null), content, DATA_BYTES));
      content[place] = (content[place] ?? 0) ^ 0x80;
    }
    expect(seen.size).toBe(places.length + 1);
  });
});

describe("threads", () => {
  test("hash several streams at once, without mixing them", async () => {
    const contents = Array.from({ length: 10 }, (_, n) => noise(DATA_BYTES + n));
    const digests = await Promise.all(
      contents.map((one) => digestOf(createDigester("sha256", null), one, 100_000)),
    );
    expect(digests).toEqual(contents.map((one) => new Bun.CryptoHasher("sha256").update(one).digest("hex")));
  });

  test("give a block back when it is read: it can be reused at once", async () => {
    const pool = new BlockPool();
    const hasher = new Bun.CryptoHasher("sha256");
    const digester = createDigester("sha256", null);
    const work: Promise<void>[] = [];
    for (let n = 0; n < 40; n++) {
      const block = pool.take().fill(n);
      hasher.update(block);
      work.push(digester.update(block).finally(() => pool.give(block)));
      if (work.length >= BLOCKS_IN_FLIGHT) await work.shift();
    }
    await Promise.all(work);
    expect(await digester.digest()).toBe(hasher.digest("hex"));
  });

  test("a digester that is closed early holds up nobody", async () => {
    for (let n = 0; n < 20; n++) {
      const digester = createDigester("sha256", null);
      const update = digester.update(noise(1_000));
      digester.close();
      digester.close();
      await update;
    }
    expect(await digestOf(createDigester("sha256", null), Buffer.from("abc"), 1)).toStartWith("ba7816bf");
  });

  const module = JSON.stringify(join(import.meta.dir, "../../src/files/digest.ts"));

  test("keep the process alive while they work, and not longer", async () => {
    await using folder = await temporaryFolder();
    const script = folder.join("run.ts");
    await Bun.write(
      script,
      `import { createDigester } from ${module};
       const digester = createDigester("sha256", null);
       await digester.update(new Uint8Array(${DATA_BYTES}));
       console.log(await digester.digest());
       createDigester("sha256", null);`,
    );
    const child = Bun.spawn([process.execPath, script], {
      stdout: "pipe",
      stderr: "inherit",
      timeout: 20_000,
    });
    expect((await child.stdout.text()).trim()).toBe(
      new Bun.CryptoHasher("sha256").update(new Uint8Array(DATA_BYTES)).digest("hex"),
    );
    expect(await child.exited).toBe(0);
    expect(child.signalCode).toBeNull();
  });

  test("that fail are an error of every stream on them, and the next one gets a new thread", async () => {
    const digesters = Array.from({ length: 8 }, () => createDigester("sha256", null));
    // a block that the thread can't hash
    const failing = digesters.map((one) =>
      one.update("x".repeat(3) as never).then(() => one.update({} as never)),
    );
    const results = await Promise.allSettled(failing);
    expect(new Set(results.map((result) => result.status))).toEqual(new Set(["rejected"]));
    for (const result of results) expect(result).toMatchObject({ reason: { code: "internal" } });
    expect(await digestOf(createDigester("sha256", null), Buffer.from("abc"), 1)).toStartWith("ba7816bf");
  });
});
