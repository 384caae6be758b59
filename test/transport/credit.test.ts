import { describe, expect, test } from "bun:test";
import { Consumed, Credit } from "../../src/transport/credit.ts";

/** A turn of the event loop, in which everything that could go on has gone on. */
async function turn(): Promise<string> {
  await new Promise((resolve) => setImmediate(resolve));
  return "waits";
}

describe("credit", () => {
  test("is taken and granted; who wants more than there is waits for the next grant", async () => {
    const credit = new Credit(10);
    expect(await credit.some()).toBe(10);
    credit.take(10);
    expect(credit.spent).toBe(true);
    const waiting = credit.some();
    expect(await Promise.race([waiting, turn()])).toBe("waits");
    credit.grant(3);
    expect(await waiting).toBe(3);
    expect(credit.spent).toBe(false);
  });

  test("when it is closed nobody waits, and there is nothing", async () => {
    const credit = new Credit(5);
    credit.take(5);
    const waiting = credit.some();
    credit.close();
    expect(await waiting).toBe(0);
    expect(await credit.some()).toBe(0);
    expect(credit.spent).toBe(false);
    credit.grant(5);
    expect(await credit.some()).toBe(0);
  });
});

describe("what was consumed", () => {
  test("is told in steps of a quarter, and none of it is lost", () => {
    const grants: number[] = [];
    const consumed = new Consumed(100, (bytes) => grants.push(bytes));
    for (let at = 0; at < 10; at++) {
      expect(consumed.arrived(10)).toBe(true);
      consumed.used(10);
    }
    expect(grants).toEqual([30, 30, 30]);
    for (let at = 0; at < 20; at++) {
      expect(consumed.arrived(1)).toBe(true);
      consumed.used(1);
    }
    expect(grants.reduce((sum, grant) => sum + grant, 0)).toBe(30 * 3 + 25);
  });

  test("a sender without credit is found out, to the byte", () => {
    const consumed = new Consumed(100, () => undefined);
    expect(consumed.arrived(100)).toBe(true);
    expect(consumed.arrived(1)).toBe(false);
    const other = new Consumed(100, () => undefined);
    expect(other.arrived(100)).toBe(true);
    // used, but not granted yet: the sender can't know of it
    other.used(24);
    expect(other.arrived(1)).toBe(false);
    const third = new Consumed(100, () => undefined);
    expect(third.arrived(100)).toBe(true);
    third.used(25);
    expect(third.arrived(25)).toBe(true);
    expect(third.arrived(1)).toBe(false);
  });

  test("both ends together never stand still, whatever the sizes", async () => {
    for (const size of [1, 7, 24, 25, 26, 99, 100]) {
      const credit = new Credit(100);
      const consumed = new Consumed(100, (bytes) => credit.grant(bytes));
      let sent = 0;
      while (sent < 5000) {
        const room = Math.min(size, await credit.some());
        expect(room).toBeGreaterThan(0);
        credit.take(room);
        expect(consumed.arrived(room)).toBe(true);
        consumed.used(room);
        sent += room;
      }
    }
  });
});
