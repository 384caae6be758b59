import { expect, test } from "bun:test";
import { SockError } from "../../src/errors.ts";
import { ImpairedStream } from "../../src/measure/impaired-stream.ts";
import { parseImpairment } from "../../src/measure/impairment.ts";
import { Outbox, type Sink } from "../../src/plain/outbox.ts";

function sink(): Sink & { written: number; ended: boolean } {
  return {
    written: 0,
    ended: false,
    write(bytes) {
      this.written += bytes.length;
      return bytes.length;
    },
    shutdown: () => undefined,
    terminate() {
      this.ended = true;
    },
  };
}

function impaired(spec: string): ImpairedStream {
  return new ImpairedStream(parseImpairment(spec, "stream"), 1);
}

test("a hundred thousand small writes that wait for their time leave in no time of their own", async () => {
  const to = sink();
  const box = new Outbox(to, impaired("delay=100ms"), () => undefined);
  const all: Promise<void>[] = [];
  for (let count = 0; count < 100_000; count++) all.push(box.write(Uint8Array.of(1)));
  const started = performance.now();
  await Promise.all(all);
  await box.flush();
  expect(to.written).toBe(100_000);
  expect(performance.now() - started).toBeLessThan(2_000);
});

test("small writes are counted with what they cost: no more of them wait than there is room for", async () => {
  const to = sink();
  const box = new Outbox(to, impaired("delay=300ms"), () => undefined);
  let taken = 0;
  const early = performance.now() + 200;
  while (performance.now() < early && taken < 50_000) {
    const isTaken = await Promise.race([box.write(Uint8Array.of(1)).then(() => true), Bun.sleep(50)]);
    if (isTaken !== true) break;
    taken += 1;
  }
  expect(taken).toBeGreaterThan(1000);
  expect(taken).toBeLessThan(20_000);
  await box.flush();
  expect(to.written).toBe(taken + 1);
});

test("a delay longer than any timer is no delay of nothing", async () => {
  const to = sink();
  const box = new Outbox(to, impaired("delay=30d"), () => undefined);
  await box.write(Uint8Array.of(1));
  const later = new Outbox(sink(), impaired("delay=30ms"), () => undefined);
  await later.write(Uint8Array.of(1));
  await later.flush();
  expect(to.written).toBe(0);
  box.fail(new SockError("lost", "the test is over"));
});

test("a peer that takes nothing any more is given up; one that takes little is not", async () => {
  const dead = { ...sink(), write: () => 0 };
  const box = new Outbox(dead, undefined, () => undefined, 20);
  const failure: unknown = await box.write(Uint8Array.of(1)).catch((thrown: unknown) => thrown);
  expect(failure).toMatchObject({ code: "lost" });

  const slow = { ...sink(), write: () => 1 };
  const other = new Outbox(slow, undefined, () => undefined, 1000);
  const writing = other.write(new Uint8Array(100));
  const drain = setInterval(() => other.onDrain(), 1);
  await writing;
  clearInterval(drain);
});
