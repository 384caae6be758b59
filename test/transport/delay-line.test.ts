/** What waits for its time is bounded, and gone when nobody wants it any more. The chances: test/measure/impairment.test.ts. */
import { expect, test } from "bun:test";
import { ImpairedDatagrams } from "../../src/measure/impaired-datagrams.ts";
import { parseImpairment } from "../../src/measure/impairment.ts";
import { DelayLine, DelayRoom } from "../../src/transport/delay-line.ts";
import { until } from "../helpers/until.ts";

const BYTES = 60_000;
/** 64 MiB hold so many of them. */
const FIT = Math.floor((64 * 1024 * 1024) / BYTES);

function line(spec: string, room: DelayRoom, left: number[]): DelayLine<number> {
  const impaired = new ImpairedDatagrams<number>(parseImpairment(spec, "datagrams"), 1);
  return new DelayLine(impaired, room, (_bytes, number) => left.push(number));
}

test("what is more than there is room for is lost, the newest first; what has left makes room", async () => {
  const left: number[] = [];
  const room = new DelayRoom();
  const delayed = line("delay=700ms", room, left);
  for (let number = 0; number < FIT + 10; number++) delayed.send(new Uint8Array(BYTES), number);
  expect(left).toEqual([]);
  await until(() => left.length >= FIT, "all that fit");
  expect(left).toEqual(Array.from({ length: FIT }, (_, number) => number));
  delayed.send(new Uint8Array(BYTES), -1);
  await until(() => left.at(-1) === -1, "the next one");
});

test("small ones are bounded by their number", () => {
  const room = new DelayRoom();
  let taken = 0;
  while (room.take(1)) taken += 1;
  expect(taken).toBe(100_000);
  room.give(1);
  expect([room.take(1), room.take(1)]).toEqual([true, false]);
});

test("stop: nothing leaves any more, and its room is free for others", async () => {
  const [left, others]: number[][] = [[], []];
  const room = new DelayRoom();
  const stopped = line("delay=60s", room, left ?? []);
  for (let number = 0; number < FIT; number++) stopped.send(new Uint8Array(BYTES), number);
  const other = line("delay=20ms", room, others ?? []);
  other.send(new Uint8Array(BYTES), 1);
  stopped.stop();
  stopped.send(new Uint8Array(BYTES), 0);
  other.send(new Uint8Array(BYTES), 2);
  await until(() => others?.includes(2) === true, "the other one's");
  expect([left, others]).toEqual([[], [2]]);
});

test("the bytes are those of the moment they were sent", async () => {
  const came: number[] = [];
  const impaired = new ImpairedDatagrams<null>(parseImpairment("delay=5ms", "datagrams"), 1);
  const delayed = new DelayLine(impaired, new DelayRoom(), (bytes) => came.push(bytes[0] ?? -1));
  const bytes = Buffer.of(1);
  delayed.send(bytes, null);
  bytes[0] = 2;
  await until(() => came.length === 1, "it");
  expect(came).toEqual([1]);
});
