import { expect, test } from "bun:test";
import { Pace, type PaceOptions } from "../../src/client/pace.ts";

/** Numbers as they were sent, and how late each was, ms. */
async function paced(changes: Partial<PaceOptions>) {
  const sent: number[] = [];
  const late: number[] = [];
  const pace = new Pace({
    count: 50,
    intervalMs: 2,
    start: performance.now(),
    send: (number, due) => {
      sent.push(number);
      late.push(performance.now() - due);
      return true;
    },
    isOver: () => false,
    isQuiet: () => false,
    ...changes,
  });
  await pace.run();
  return { sent, late };
}

const ALL = Array.from({ length: 50 }, (_, index) => index);

for (const quiet of [false, true]) {
  for (const intervalMs of [0.05, 0.5, 1, 2, 7]) {
    test(`every ${intervalMs} ms, ${quiet ? "nothing" : "something"} awaited: each once, in order, never early`, async () => {
      const { sent, late } = await paced({ intervalMs, isQuiet: () => quiet });
      expect(sent).toEqual(ALL);
      expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
    });
  }
}

test("after a stop the missed ones go at once, the next ones at their own times, and the loop turns in between", async () => {
  let turns = 0;
  const counting = setInterval(() => (turns += 1), 0);
  const late: number[] = [];
  await paced({
    send: (number, due) => {
      late.push(performance.now() - due);
      if (number === 10) Bun.sleepSync(40);
      return true;
    },
  });
  clearInterval(counting);
  expect(late[11]).toBeGreaterThan(30);
  expect(late[20]).toBeLessThan(30);
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  expect(turns).toBeGreaterThan(5);
});

test("what finds no room is tried again, and keeps its number", async () => {
  const tries: number[] = [];
  await paced({
    count: 3,
    send: (number) => {
      tries.push(number);
      return tries.length % 3 === 0;
    },
  });
  expect(tries).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
});

test("it ends when it is over, and with what sending throws", async () => {
  let over = false;
  const { sent } = await paced({
    isOver: () => over,
    send: (number) => {
      over = number === 5;
      return true;
    },
  });
  expect(sent).toEqual([]);
  expect(over).toBe(true);
  const failing = paced({
    send: () => {
      throw new Error("no way");
    },
  });
  expect(await failing.catch((error: unknown) => String(error))).toBe("Error: no way");
});

test("a word that nothing is awaited any more ends a timer's sleep", async () => {
  let quiet = false;
  const late: number[] = [];
  const pace = new Pace({
    count: 20,
    intervalMs: 3,
    start: performance.now(),
    send: (_number, due) => {
      late.push(performance.now() - due);
      quiet = false;
      setTimeout(() => {
        quiet = true;
        pace.quiet();
      }, 1);
      return true;
    },
    isOver: () => false,
    isQuiet: () => quiet,
  });
  await pace.run();
  expect(late).toHaveLength(20);
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
});
