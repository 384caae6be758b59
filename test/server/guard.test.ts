import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  AUTHORISE_DEADLINE_MS,
  KNOWN_ADDRESS_MS,
  MAX_KNOWN_ADDRESSES,
  MAX_UNAUTHORISED,
  MAX_UNAUTHORISED_PER_ADDRESS,
  MAX_UNAUTHORISED_PER_KNOWN_ADDRESS,
  MAX_WAITING,
  MIN_TLS_TURN_MS,
  TLS_TURN_MS,
} from "../../src/protocol/constants.ts";
import { Guard } from "../../src/server/guard.ts";
import type { Candidate } from "../../src/transport/listen.ts";

interface Stub extends Candidate {
  started: number;
  closed: boolean;
}

/** A guard with a clock of its own; its candidates leave when they are closed, as sockets do. */
function setUp() {
  const clock = { now: 1_000_000 };
  const guard = new Guard(() => clock.now);
  const arrive = (address = "192.0.2.1") => {
    const candidate: Stub = {
      address,
      started: 0,
      closed: false,
      start: () => void (candidate.started += 1),
      close: () => {
        if (candidate.closed) return;
        candidate.closed = true;
        guard.leave(candidate, false);
      },
    };
    guard.arrive(candidate);
    return candidate;
  };
  const pass = (ms: number): void => {
    clock.now += ms;
    guard.sweep();
  };
  return { clock, guard, arrive, pass, [Symbol.dispose]: () => guard.stop() };
}

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));
const started = (candidates: { started: number }[]): number =>
  candidates.filter(({ started: count }) => count > 0).length;

describe("guard", () => {
  test("an address has its number, others have theirs, the rest waits", () => {
    using all = setUp();
    const many = times(MAX_UNAUTHORISED_PER_ADDRESS + 5, () => all.arrive());
    expect(started(many)).toBe(MAX_UNAUTHORISED_PER_ADDRESS);
    expect(all.guard.counts).toEqual({ started: MAX_UNAUTHORISED_PER_ADDRESS, waiting: 5 });
    expect(all.arrive("192.0.2.2").started).toBe(1);
    expect(many.some(({ closed }) => closed)).toBe(false);
  });

  test("there is a number for all addresses together", () => {
    using all = setUp();
    const many = times(MAX_UNAUTHORISED + 1, (n) => all.arrive(`192.0.2.${n}`));
    expect(started(many)).toBe(MAX_UNAUTHORISED);
    many[7]?.close();
    expect(many.at(-1)?.started).toBe(1);
  });

  test("an address with a good session gets more, for an hour after it", () => {
    using all = setUp();
    all.guard.leave(all.arrive(), true);
    const many = times(MAX_UNAUTHORISED_PER_KNOWN_ADDRESS + 1, () => all.arrive());
    expect(started(many)).toBe(MAX_UNAUTHORISED_PER_KNOWN_ADDRESS);
    for (const candidate of many) all.guard.leave(candidate, false);
    all.clock.now += KNOWN_ADDRESS_MS;
    expect(started(times(MAX_UNAUTHORISED_PER_ADDRESS + 1, () => all.arrive()))).toBe(
      MAX_UNAUTHORISED_PER_ADDRESS,
    );
  });

  test("remembers the latest addresses only", () => {
    using all = setUp();
    for (let n = 0; n <= MAX_KNOWN_ADDRESSES; n++) all.guard.leave(all.arrive(`a${n}`), true);
    expect(started(times(9, () => all.arrive("a0")))).toBe(MAX_UNAUTHORISED_PER_ADDRESS);
    expect(started(times(9, () => all.arrive(`a${MAX_KNOWN_ADDRESSES}`)))).toBe(9);
  });

  test("the newest of those who wait comes first, then the oldest, in turn", () => {
    using all = setUp();
    const active = times(MAX_UNAUTHORISED_PER_ADDRESS, () => all.arrive());
    const waiting = times(5, () => all.arrive());
    const order = active.slice(0, 5).map((candidate) => {
      const before = waiting.map(({ started: count }) => count);
      candidate.close();
      return waiting.findIndex(({ started: count }, n) => count !== before[n]);
    });
    expect(order).toEqual([4, 0, 3, 1, 2]);
  });

  test("a place goes to an address that has room, not to the newest that has none", () => {
    using all = setUp();
    const others = times(MAX_UNAUTHORISED - MAX_UNAUTHORISED_PER_ADDRESS, (n) => all.arrive(`192.0.2.${n}`));
    times(MAX_UNAUTHORISED_PER_ADDRESS, () => all.arrive("x"));
    const [other, own] = [all.arrive("y"), all.arrive("x")];
    others[0]?.close();
    expect([other.started, own.started]).toEqual([1, 0]);
  });

  test("nobody lasts beyond the deadline: silent, waiting, or proved and without a session", () => {
    using all = setUp();
    const many = times(MAX_UNAUTHORISED_PER_ADDRESS, () => all.arrive());
    const [proved] = many;
    if (proved !== undefined) all.guard.proved(proved);
    const waiting = times(3, () => all.arrive());
    for (const candidate of many) all.guard.proved(candidate);
    all.pass(AUTHORISE_DEADLINE_MS - 1);
    expect([...many, ...waiting].some(({ closed }) => closed)).toBe(false);
    all.pass(1);
    expect([...many, ...waiting].every(({ closed }) => closed)).toBe(true);
    expect(all.guard.counts).toEqual({ started: 0, waiting: 0 });
  });

  test("a session is not closed, whatever the time", () => {
    using all = setUp();
    const candidate = all.arrive();
    all.guard.leave(candidate, true);
    all.guard.leave(candidate, false);
    all.pass(AUTHORISE_DEADLINE_MS * 2);
    expect(candidate.closed).toBe(false);
    expect(all.guard.counts).toEqual({ started: 0, waiting: 0 });
  });

  test("alone, a slow handshake has its ten seconds; while another waits it has a turn; proved it has no turn", () => {
    using all = setUp();
    const many = times(MAX_UNAUTHORISED_PER_ADDRESS, () => all.arrive());
    all.pass(AUTHORISE_DEADLINE_MS / 2);
    expect(many.some(({ closed }) => closed)).toBe(false);
    const [proved, slow, ...rest] = many;
    if (proved !== undefined) all.guard.proved(proved);
    const waiting = all.arrive();
    all.pass(0);
    expect([proved?.closed, slow?.closed, waiting.started]).toEqual([false, true, 1]);
    // that was place enough
    expect(rest.some(({ closed }) => closed)).toBe(false);
  });

  test("a turn is shorter the more wait, down to the least", () => {
    using all = setUp();
    const few = times(MAX_UNAUTHORISED_PER_ADDRESS, () => all.arrive());
    times(3, () => all.arrive());
    all.pass(TLS_TURN_MS / 4 - 1);
    expect(few.some(({ closed }) => closed)).toBe(false);
    all.pass(1);
    expect(few.filter(({ closed }) => closed)).toHaveLength(3);

    using crowd = setUp();
    const many = times(MAX_UNAUTHORISED_PER_ADDRESS, () => crowd.arrive());
    times(200, () => crowd.arrive());
    crowd.pass(MIN_TLS_TURN_MS - 1);
    expect(many.some(({ closed }) => closed)).toBe(false);
    crowd.pass(1);
    expect(many.every(({ closed }) => closed)).toBe(true);
  });

  test("a crowd from one address does not hurry the others", () => {
    using all = setUp();
    times(200, () => all.arrive());
    const far = all.arrive("192.0.2.2");
    all.pass(TLS_TURN_MS * 5);
    expect(far.closed).toBe(false);
    // unless there is no place left for anybody
    times(MAX_UNAUTHORISED, (n) => all.arrive(`198.51.100.${n}`));
    all.pass(0);
    expect(far.closed).toBe(true);
  });

  test("forty silent ones a second, and an honest one from the same address: served within a second", () => {
    fc.assert(
      fc.property(
        fc.nat(49),
        fc.array(fc.integer({ min: 5, max: 45 }), { minLength: 150, maxLength: 150 }),
        (phase, gaps) => {
          using all = setUp();
          let next = 0;
          let honest: ReturnType<typeof all.arrive> | undefined;
          let since = 0;
          let came = 0;
          for (let ms = 0; ms < 3_000 && (since === 0 || ms - since < 20); ms++) {
            if (ms === next) {
              all.arrive();
              next += gaps.shift() ?? 25;
            }
            if (ms === 1_500 + phase) {
              honest = all.arrive();
              came = ms;
            }
            all.clock.now += 1;
            if (ms % 50 === 0) all.guard.sweep();
            if (since === 0 && honest?.started === 1) since = ms;
          }
          expect(honest?.closed).toBe(false);
          expect(since - came).toBeGreaterThanOrEqual(0);
          expect(since - came).toBeLessThan(900);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("with one more than may wait, the oldest is closed", () => {
    using all = setUp();
    times(MAX_UNAUTHORISED_PER_ADDRESS, () => all.arrive());
    const waiting = times(MAX_WAITING, () => all.arrive());
    expect(waiting.some(({ closed }) => closed)).toBe(false);
    const newest = all.arrive();
    expect(waiting.map(({ closed }) => closed).indexOf(false)).toBe(1);
    expect(newest.closed).toBe(false);
    expect(all.guard.counts.waiting).toBe(MAX_WAITING);
  });

  test("its timer runs only while there is anybody", () => {
    const before = Reflect.get(globalThis, "setInterval");
    let running = 0;
    const clear = globalThis.clearInterval;
    Reflect.set(globalThis, "setInterval", (...given: Parameters<typeof setInterval>) => {
      running += 1;
      return before(...given);
    });
    Reflect.set(globalThis, "clearInterval", (timer?: ReturnType<typeof setInterval>) => {
      if (timer !== undefined) running -= 1;
      clear(timer);
    });
    try {
      using all = setUp();
      expect(running).toBe(0);
      const [one, two] = [all.arrive(), all.arrive()];
      expect(running).toBe(1);
      one.close();
      expect(running).toBe(1);
      all.guard.leave(two, true);
      expect(running).toBe(0);
      all.arrive().close();
      expect(running).toBe(0);
    } finally {
      Reflect.set(globalThis, "setInterval", before);
      Reflect.set(globalThis, "clearInterval", clear);
    }
  });

  test("whatever happens, in any order: within the limits, and empty at the end", () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant("arrive" as const), n: fc.nat(3) }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constantFrom("proved", "session", "gone", "twice"), n: fc.nat(400) }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("pass" as const), n: fc.nat(12_000) }) },
    );
    const steps = fc.array(step, { minLength: 20, maxLength: 400, size: "max" });
    fc.assert(
      fc.property(steps, (all) => {
        using world = setUp();
        const candidates: ReturnType<typeof world.arrive>[] = [];
        const sessions = new Set<(typeof candidates)[number]>();
        const known = new Set<string>();
        for (const { do: what, n } of all) {
          const candidate = candidates[n % Math.max(1, candidates.length)];
          if (what === "arrive") candidates.push(world.arrive(`192.0.2.${n}`));
          else if (what === "pass") world.pass(n);
          else if (candidate === undefined) continue;
          else if (what === "gone") candidate.close();
          else if (what === "twice") {
            candidate.close();
            world.guard.leave(candidate, false);
          } else if (!candidate.closed && candidate.started > 0) {
            world.guard.proved(candidate);
            if (what === "session") {
              world.guard.leave(candidate, true);
              sessions.add(candidate);
              known.add(candidate.address);
            }
          }
          const open = candidates.filter((each) => !each.closed && !sessions.has(each));
          const { started: active, waiting } = world.guard.counts;
          expect(active).toBe(started(open));
          expect(waiting).toBe(open.length - active);
          expect(active).toBeLessThanOrEqual(MAX_UNAUTHORISED);
          expect(waiting).toBeLessThanOrEqual(MAX_WAITING);
          for (const address of new Set(open.map((each) => each.address))) {
            const own = open.filter((each) => each.address === address);
            const limit = known.has(address)
              ? MAX_UNAUTHORISED_PER_KNOWN_ADDRESS
              : MAX_UNAUTHORISED_PER_ADDRESS;
            expect(started(own)).toBeLessThanOrEqual(limit);
            // nobody waits beside a free place of its own
            if (active < MAX_UNAUTHORISED && started(own) < MAX_UNAUTHORISED_PER_ADDRESS) {
              expect(started(own)).toBe(own.length);
            }
          }
          expect(candidates.every((each) => each.started <= 1)).toBe(true);
        }
        world.pass(AUTHORISE_DEADLINE_MS);
        expect(world.guard.counts).toEqual({ started: 0, waiting: 0 });
        expect(candidates.every((each) => each.closed || sessions.has(each))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
