import { describe, expect, test } from "bun:test";
import type { SockError } from "../../src/errors.ts";
import { HELD_MS, ImpairedDatagrams } from "../../src/measure/impaired-datagrams.ts";
import { ImpairedStream } from "../../src/measure/impaired-stream.ts";
import { parseImpairment } from "../../src/measure/impairment.ts";
import { randomFrom } from "../../src/measure/random.ts";

const COUNT = 10_000;

function datagrams(spec: string, seed = 7): ImpairedDatagrams<undefined> {
  return new ImpairedDatagrams(parseImpairment(spec, "datagrams"), seed);
}

/** Number n as four bytes. */
function numbered(n: number): Uint8Array {
  return new Uint8Array(new Uint32Array([n]).buffer);
}

interface Arrived {
  readonly at: number;
  readonly number: number;
}

/** Sends COUNT numbered datagrams, 1 ms apart, and gives them as they arrive. */
function arrivals(flow: ImpairedDatagrams<undefined>): Arrived[] {
  const out: { at: number; bytes: Uint8Array }[] = [];
  for (let n = 0; n < COUNT; n++) {
    out.push(...flow.late(n));
    out.push(...flow.send(numbered(n), n, undefined));
  }
  out.push(...flow.late(COUNT + 10 * HELD_MS));
  return out.map(({ at, bytes }) => ({ at, number: new DataView(bytes.buffer).getUint32(0, true) }));
}

/** How far a share of COUNT may be off by chance: five standard deviations. */
function bound(share: number): number {
  return 5 * Math.sqrt(COUNT * share * (1 - share));
}

describe("datagrams", () => {
  test("drop, dup and reorder come out at the stated figures", () => {
    const came = arrivals(datagrams("drop=1% dup=0.5% reorder=2% delay=20ms"));
    const distinct = new Set(came.map(({ number }) => number));
    expect(Math.abs(COUNT - distinct.size - COUNT * 0.01)).toBeLessThan(bound(0.01));
    expect(Math.abs(came.length - distinct.size - COUNT * 0.005)).toBeLessThan(bound(0.005));
    let highest = -1;
    let reordered = 0;
    for (const { number } of came) {
      if (number < highest && distinct.delete(number)) reordered += 1;
      highest = Math.max(highest, number);
    }
    expect(Math.abs(reordered - COUNT * 0.02)).toBeLessThan(bound(0.02) + 10);
  });

  test("all wait for the stated delay; jitter stays within its bounds and keeps their order", () => {
    for (const { at, number } of arrivals(datagrams("delay=20ms"))) expect(at).toBe(number + 20);
    let last = 0;
    const shifts: number[] = [];
    for (const { at, number } of arrivals(datagrams("delay=20ms jitter=5ms"))) {
      expect(at).toBeGreaterThanOrEqual(last);
      last = at;
      shifts.push(at - number - 20);
    }
    expect(Math.min(...shifts)).toBeGreaterThanOrEqual(-5);
    expect(Math.max(...shifts)).toBeLessThanOrEqual(5);
    expect(Math.max(...shifts) - Math.min(...shifts)).toBeGreaterThan(5);
  });

  test("the same seed has the same losses, another one others", () => {
    const spec = "drop=10% dup=5% reorder=5% jitter=3ms";
    expect(arrivals(datagrams(spec, 1))).toEqual(arrivals(datagrams(spec, 1)));
    expect(arrivals(datagrams(spec, 1))).not.toEqual(arrivals(datagrams(spec, 2)));
  });

  test("what is lost does not depend on what else is impaired", () => {
    const numbers = (spec: string): number[] => arrivals(datagrams(spec)).map(({ number }) => number);
    const alone = new Set(numbers("drop=10%"));
    expect(new Set(numbers("drop=10% dup=30% reorder=20%"))).toEqual(alone);
  });

  test("corrupt turns one bit round, in as many as stated", () => {
    const flow = datagrams("corrupt=10%");
    let damaged = 0;
    for (let n = 0; n < COUNT; n++) {
      const [{ bytes } = { bytes: new Uint8Array(0) }] = flow.send(new Uint8Array(64), n, undefined);
      const bits = bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
      expect(bits).toBeLessThanOrEqual(1);
      damaged += bits;
    }
    expect(Math.abs(damaged - COUNT * 0.1)).toBeLessThan(bound(0.1));
    expect(datagrams("corrupt=100%").send(new Uint8Array(0), 0, undefined)).toEqual([
      { at: 0, bytes: new Uint8Array(0), where: undefined },
    ]);
  });

  test("what was sent, or is held, is the sender's no more: a Buffer's slice is no copy", () => {
    const bytes = Buffer.alloc(64);
    datagrams("corrupt=100%").send(bytes, 0, undefined);
    expect(bytes).toEqual(Buffer.alloc(64));
    const flow = datagrams("reorder=100%");
    flow.send(bytes, 0, undefined);
    bytes.fill(1);
    expect(flow.late(HELD_MS)[0]?.bytes).toEqual(new Uint8Array(64));
  });

  test("rate: a datagram leaves when those before it have left", () => {
    const flow = datagrams("rate=80kbit"); // 10 bytes a ms
    const times = Array.from({ length: 5 }, () => flow.send(new Uint8Array(100), 0, undefined)[0]?.at);
    expect(times).toEqual([0, 10, 20, 30, 40]);
  });

  test("one that is held leaves by itself where none follows", () => {
    const flow = datagrams("reorder=100%");
    expect(flow.send(numbered(1), 0, undefined)).toEqual([]);
    expect(flow.due).toBe(HELD_MS);
    expect(flow.late(HELD_MS - 1)).toEqual([]);
    expect(flow.late(HELD_MS)).toEqual([{ at: HELD_MS, bytes: numbered(1), where: undefined }]);
    expect(flow.due).toBeUndefined();
  });
});

describe("streams", () => {
  const stream = (spec: string, seed = 7): ImpairedStream =>
    new ImpairedStream(parseImpairment(spec, "stream"), seed);

  test("delay, jitter and rate never change the order", () => {
    const line = stream("delay=20ms jitter=19ms rate=8mbit");
    let last = 0;
    for (let at = 0; at < 1000; at++) {
      for (const one of line.write(new Uint8Array(100), at)) {
        expect(one.at).toBeGreaterThanOrEqual(last);
        last = one.at;
      }
    }
    expect(last).toBeGreaterThan(1000);
  });

  test("coalesce: what comes within the time leaves together", () => {
    const line = stream("coalesce=50ms");
    const times = [0, 10, 49, 50, 60, 200].map((now) => line.write(new Uint8Array(1), now)[0]?.at);
    expect(times).toEqual([50, 50, 50, 100, 100, 250]);
  });

  test("stall: the first write stops in its middle, once", () => {
    const line = stream("stall=5s");
    const first = line.write(new Uint8Array(10), 0);
    expect(first.map(({ at, bytes }) => [at, bytes.length])).toEqual([
      [0, 5],
      [5000, 5],
    ]);
    expect(line.write(new Uint8Array(10), 5001).map(({ at }) => at)).toEqual([5001]);
  });

  test("reset: as many writes as stated break the connection", () => {
    const line = stream("reset=10%");
    let broken = 0;
    for (let at = 0; at < COUNT; at++) broken += line.write(new Uint8Array(1), at)[0]?.reset === true ? 1 : 0;
    expect(Math.abs(broken - COUNT * 0.1)).toBeLessThan(bound(0.1));
  });
});

describe("as people write it", () => {
  test("all keys, by blanks and commas", () => {
    const spec = "drop=1% dup=0.5%,reorder=2%  delay=20ms, jitter=5ms corrupt=0.1% rate=10mbit";
    const read = parseImpairment(spec, "datagrams");
    expect(read).toMatchObject({ drop: 0.01, dup: 0.005, reorder: 0.02, delay: 20, jitter: 5, rate: 1e7 });
    expect(read.corrupt).toBeCloseTo(0.001);
    expect(parseImpairment("split=2 coalesce=50ms reset=1% stall=5s", "stream")).toMatchObject({
      split: 2,
      coalesce: 50,
      reset: 0.01,
      stall: 5000,
    });
    expect(parseImpairment("drop=1% way=both stall=5s", "session")).toMatchObject({
      drop: 0.01,
      way: "both",
      stall: 5000,
    });
  });

  test.each([
    ["drop=1", "datagrams"],
    ["drop=101%", "datagrams"],
    ["drop", "datagrams"],
    ["drop=1% drop=2%", "datagrams"],
    ["split=2", "datagrams"],
    ["drop=1%", "stream"],
    ["split=0", "stream"],
    ["split=1.5", "stream"],
    ["rate=10", "stream"],
    ["rate=0mbit", "stream"],
    ["delay=20", "stream"],
    ["dorp=1%", "datagrams"],
    ["split=2", "session"],
    ["way=over", "session"],
    ["way=up", "datagrams"],
  ] as const)("%s is refused for %s", (spec, kind) => {
    expect(() => parseImpairment(spec, kind)).toThrow(
      expect.objectContaining({ code: "usage" }) as SockError,
    );
  });
});

test("the numbers are from 0 up to 1, spread evenly", () => {
  const random = randomFrom(1);
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let count = 0; count < 100_000; count++) {
    const at = Math.floor(random() * 10);
    tenths[at] = (tenths[at] ?? 0) + 1;
  }
  for (const count of tenths) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});
