import { expect, test } from "bun:test";
import { BlockPool } from "../../src/files/blocks.ts";
import { DATA_BYTES, MAX_FREE_BLOCKS } from "../../src/protocol/constants.ts";

test("blocks are whole, shared, and used again", () => {
  const pool = new BlockPool();
  const first = pool.take();
  expect(first.length).toBe(DATA_BYTES);
  expect(first.buffer).toBeInstanceOf(SharedArrayBuffer);
  const second = pool.take();
  expect(second.buffer).not.toBe(first.buffer);
  pool.give(first.subarray(10, 20));
  pool.give(first);
  const again = pool.take();
  expect(again.buffer).toBe(first.buffer);
  expect(again.length).toBe(DATA_BYTES);
  expect(pool.take().buffer).not.toBe(first.buffer);
});

test("not more than a bounded number is kept", () => {
  const pool = new BlockPool();
  const out = Array.from({ length: MAX_FREE_BLOCKS + 5 }, () => pool.take());
  const buffers = new Set(out.map((block) => block.buffer));
  for (const block of out) pool.give(block);
  const kept = Array.from({ length: MAX_FREE_BLOCKS + 5 }, () => pool.take().buffer).filter((one) =>
    buffers.has(one),
  );
  expect(kept.length).toBe(MAX_FREE_BLOCKS);
});
