import { expect, test } from "bun:test";
import fc from "fast-check";
import { Arrivals, Allowance } from "../../src/measure/arrivals.ts";
import { Order } from "../../src/measure/order.ts";
import { Window } from "../../src/measure/window.ts";

/** RFC 4737, sections 3.3 and 4.2.1, word by word. */
function byDefinition(numbers: readonly number[]): { reordered: number; extent: number } {
  let reordered = 0;
  let extent = 0;
  for (const [place, number] of numbers.entries()) {
    const first = numbers.findIndex((other) => other > number);
    if (first < 0 || first >= place) continue;
    reordered += 1;
    extent = Math.max(extent, place - first);
  }
  return { reordered, extent };
}

test("RFC 4737's own example: 1 2 3 7 8 9 10 4 5 6", () => {
  const order = new Order();
  for (const number of [1, 2, 3, 7, 8, 9, 10, 4, 5, 6]) order.arrive(number);
  expect(order).toMatchObject({ reordered: 3, extent: 6 });
});

test("any order of distinct numbers is counted as the definition says", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(500), { maxLength: 100 }), (numbers) => {
      const order = new Order();
      for (const number of numbers) order.arrive(number);
      expect({ reordered: order.reordered, extent: order.extent }).toEqual(byDefinition(numbers));
    }),
  );
});

test("a window remembers the last numbers, whatever comes in whatever order", () => {
  const step = fc.record({ number: fc.nat(200), fate: fc.constantFrom(1 as const, 2 as const, 3 as const) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const window = new Window(32);
      const known = new Map<number, number>();
      let highest = -1;
      for (const { number, fate } of steps) {
        window.set(number, fate);
        if (number > highest - 32) known.set(number, fate);
        highest = Math.max(highest, number);
        for (let at = 0; at <= 210; at++) {
          const forgotten = at <= highest - 32;
          expect(window.isForgotten(at)).toBe(forgotten);
          expect(window.get(at)).toBe((forgotten ? 0 : (known.get(at) ?? 0)) as 0);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test("each number is in one count, its best; copies are counted apart", () => {
  const copies = fc.array(fc.record({ number: fc.nat(20), intact: fc.boolean(), allowed: fc.boolean() }), {
    maxLength: 100,
  });
  fc.assert(
    fc.property(copies, (steps) => {
      const arrivals = new Arrivals(64);
      const best = new Map<number, number>();
      for (const { number, intact, allowed } of steps) {
        const before = best.get(number) ?? 0;
        const now = intact ? (allowed ? 3 : 2) : 1;
        expect(arrivals.arrive(number, intact, () => allowed)).toBe(now === 3 && before < 3);
        best.set(number, Math.max(before, now));
      }
      const of = (fate: number): number => [...best.values()].filter((each) => each === fate).length;
      expect(arrivals).toMatchObject({ corrupt: of(1), limited: of(2), answered: of(3) });
      expect(arrivals.duplicates).toBe(steps.length - best.size);
    }),
  );
});

test("an allowance gives its burst, then its rate", () => {
  const allowance = new Allowance(100, 5, 0);
  const takes = (now: number): number => {
    let count = 0;
    while (allowance.take(now)) count += 1;
    return count;
  };
  expect(takes(0)).toBe(5);
  expect(takes(9)).toBe(0);
  expect(takes(30)).toBe(3);
  expect(takes(10_000)).toBe(5);
});
