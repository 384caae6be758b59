import { describe, expect, test } from "bun:test";
import type { EchoLine, LoopOptions } from "../../src/client/echo-run.ts";
import { measureLines } from "../../src/client/measure.ts";
import { SockError } from "../../src/errors.ts";

/** A connection whose replies come in the next turn of the event loop; after `most` of them it breaks. */
class FakeLine implements EchoLine {
  readonly congested = false;
  sent = 0;
  isClosed = false;
  readonly #most: number;
  #back: number[] = [];
  #wake: () => void = () => undefined;

  constructor(most = Infinity) {
    this.#most = most;
  }

  send(seq: number): void {
    this.sent += 1;
    setImmediate(() => {
      this.#back.push(seq);
      this.#wake();
    });
  }

  async back(): Promise<number> {
    while (this.#back.length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    if (this.sent > this.#most) throw new SockError("lost", "broken");
    return this.#back.shift() ?? -1;
  }

  async close(): Promise<undefined> {
    this.isClosed = true;
  }
}

/** A run, and what its listeners heard. */
async function measured(lines: readonly FakeLine[], changes: Partial<LoopOptions>) {
  const sent: number[] = [];
  const at: number[] = [];
  const back: number[] = [];
  const options: LoopOptions = {
    count: 10,
    lastsMs: undefined,
    intervalNs: 0,
    warmup: 0,
    onSent: (number, micros) => {
      sent.push(number);
      at.push(micros);
    },
    onReply: (number) => void back.push(number),
  };
  const result = await measureLines(lines, { ...options, ...changes });
  const asked = lines.reduce((sum, line) => sum + line.sent, 0);
  return { ...result, sent, at, back, asked };
}

const TEN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

describe.each([
  ["in turns", 0],
  ["by a schedule", 2e6],
])("%s", (_name, intervalNs) => {
  for (const warmup of [0, 1, 4]) {
    test(`${warmup} go before, and are in no figure, listener or connection's account`, async () => {
      const lines = [new FakeLine(), new FakeLine(), new FakeLine()];
      const { part, failure, sent, back, asked } = await measured(lines, { intervalNs, warmup });
      expect(failure).toBeUndefined();
      expect(asked).toBe(10 + warmup);
      expect([part.sent, part.done, part.rtt.count]).toEqual([10, 10, 10]);
      expect(sent).toEqual(TEN);
      expect(back.toSorted((a, b) => a - b)).toEqual(TEN);
      expect(part.fromSchedule?.count).toBe(intervalNs === 0 ? undefined : 10);
      // the first one of each connection has no neighbour
      if (intervalNs > 0) expect(part.jitter.ipdv.count).toBe(7);
      expect(lines.every((line) => line.isClosed)).toBe(true);
    });
  }

  test("a failure before any that counts leaves an empty account", async () => {
    const { part, failure, sent, asked } = await measured([new FakeLine(2)], { intervalNs, warmup: 5 });
    expect(failure?.code).toBe("lost");
    expect([part.sent, part.done, part.rtt.count, sent.length, asked]).toEqual([0, 0, 0, 0, 3]);
  });

  test("a failure later leaves those that count", async () => {
    const { part, failure } = await measured([new FakeLine(8)], { intervalNs, warmup: 5 });
    expect(failure?.code).toBe("lost");
    expect([part.sent, part.done]).toEqual([4, 3]);
  });
});

test("the schedule begins when those before are back", async () => {
  const { part, at } = await measured([new FakeLine()], { intervalNs: 60e6, warmup: 5, count: 3 });
  // otherwise all of them would be due at once, 300 ms ago
  expect(part.fromSchedule?.max).toBeLessThan(200e6);
  expect(at[0]).toBeLessThan(60_000);
  expect(at[2]).toBeGreaterThanOrEqual(120_000);
});

test("by time alone: none is sent after it, and those on their way are waited for", async () => {
  const lines = [new FakeLine(), new FakeLine()];
  const { part, at, failure, seconds } = await measured(lines, { count: undefined, lastsMs: 50, warmup: 3 });
  expect(failure).toBeUndefined();
  expect(part.done).toBeGreaterThan(2);
  expect(part.done).toBe(part.sent);
  expect(Math.max(...at)).toBeLessThan(50_000);
  expect(seconds).toBeGreaterThanOrEqual(0.05);
});
