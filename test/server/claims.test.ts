import { expect, test } from "bun:test";
import { Claims } from "../../src/server/claims.ts";

const idle = async (): Promise<void> => undefined;

test("who takes over waits until what is evicted has really let go, also where that has begun before", async () => {
  const claims = new Claims();
  const letGo = await claims.take("id", { run: "r", evict: idle });
  let taken = false;
  const second = claims.take("id", { run: "r", evict: idle }).then((release) => {
    taken = true;
    return release;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(taken).toBe(false);
  letGo();
  const release = await second;
  // it is held now: a third of another run gets it only when it is free again
  const third = claims.take("id", { run: "other", evict: idle });
  release();
  (await third)();
  (await claims.take("id", { run: "r", evict: idle }))();
});

test("another run that stays is left alone, after a moment", async () => {
  const claims = new Claims();
  let evicted = false;
  const release = await claims.take("id", {
    run: "r",
    evict: async () => {
      evicted = true;
    },
  });
  (await claims.take("id", { run: "other", evict: idle }))();
  expect(evicted).toBe(false);
  release();
});
