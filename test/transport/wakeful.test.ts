import { expect, test } from "bun:test";
import { Wakeful } from "../../src/transport/wakeful.ts";

/** Turns of the event loop while one sleeps: a loop that is awake has many. */
async function turns(wakeful: Wakeful, gapsMs: readonly number[]): Promise<number> {
  for (const gap of gapsMs) {
    Bun.sleepSync(gap);
    wakeful.came();
  }
  let count = 0;
  const immediate = setImmediate;
  const counting = (callback: (...args: unknown[]) => void): NodeJS.Immediate => {
    count += 1;
    return immediate(callback);
  };
  Object.assign(globalThis, { setImmediate: counting });
  await Bun.sleep(30);
  Object.assign(globalThis, { setImmediate: immediate });
  return count;
}

test("frames in quick succession keep the loop awake, for the moment and no longer", async () => {
  expect(await turns(new Wakeful(10), [0, 0])).toBeGreaterThan(20);
  const short = new Wakeful(5);
  await turns(short, [0, 0]);
  expect(await turns(short, [])).toBe(0);
});

test("a single frame, and frames far from each other, let it sleep", async () => {
  expect(await turns(new Wakeful(1), [0])).toBe(0);
  expect(await turns(new Wakeful(1), [0, 5, 5])).toBe(0);
});
