import { expect, test } from "bun:test";
import { LOOP_BUDGET, MAX_LOOP_SOURCES } from "../../src/plain/limits.ts";
import { LoopGuard } from "../../src/plain/loop-guard.ts";

const LAN = "192.0.2.7";

test("a datagram that goes round between two servers dies within 100, whatever else is on the way", () => {
  const guard = new LoopGuard();
  const alive = new Map(["one", "two", "three"].map((text) => [text, Buffer.from(text)]));
  let passed = 0;
  for (let now = 0; alive.size > 0 && passed < 10_000; now += 0.1) {
    for (const [text, bytes] of alive) {
      // here, and there by one that answers all
      passed += 2;
      if (guard.admits(LAN, 4000, bytes, now) === "loop") alive.delete(text);
    }
  }
  expect(alive.size).toBe(0);
  expect(passed).toBeLessThanOrEqual(300);
});

test("one that is started again after it died, dies again", () => {
  const guard = new LoopGuard();
  const bytes = Buffer.from("again");
  for (const start of [0, 5000, 10_000]) {
    let times = 0;
    while (guard.admits(LAN, 4000, bytes, start + times) === "yes" && times < 1000) times += 1;
    expect(times).toBeLessThan(50);
  }
});

test("datagrams that differ, other ports, and this machine itself are answered, each", () => {
  const guard = new LoopGuard();
  for (let number = 0; number < 5000; number++) {
    expect(guard.admits(LAN, 4000, Buffer.from(`ping ${number}`), number)).toBe("yes");
    expect(guard.admits(LAN, 10_000 + number, Buffer.from("same"), number)).toBe("yes");
    expect(guard.admits("127.0.0.1", 4000, Buffer.from("same"), number)).toBe("yes");
    expect(guard.admits("::1", 4000, Buffer.from("same"), number)).toBe("yes");
  }
});

test("a client that sends the same 10,000 times loses three", () => {
  const guard = new LoopGuard();
  const answers = Array.from({ length: 10_000 }, (_, number) =>
    guard.admits(LAN, 4000, Buffer.from("hello"), number),
  );
  expect(answers.filter((answer) => answer !== "yes")).toHaveLength(3);
});

test("a source has a budget, others have theirs, and what is remembered is bounded", () => {
  const guard = new LoopGuard();
  let answered = 0;
  for (let number = 0; number < 2 * LOOP_BUDGET; number++) {
    if (guard.admits(LAN, 4000, Buffer.from(`${number}`), 0) === "yes") answered += 1;
  }
  expect(answered).toBe(LOOP_BUDGET);
  expect(guard.admits("192.0.2.8", 4000, Buffer.from("x"), 0)).toBe("yes");
  expect(guard.admits(LAN, 4000, Buffer.from("y"), 1000)).toBe("yes");
  for (let number = 0; number < 2 * MAX_LOOP_SOURCES; number++)
    guard.admits(`10.0.${number >> 8}.${number & 255}`, 1, Buffer.of(), 0);
  expect(guard.admits(LAN, 4000, Buffer.from("z"), 2000)).toBe("yes");
});
