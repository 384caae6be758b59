import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { entryOf } from "../../src/files/entry.ts";
import { Outgoing } from "../../src/files/outgoing.ts";
import { readSmall } from "../../src/files/small-read.ts";
import { DATA_BYTES } from "../../src/protocol/constants.ts";
import { openDescriptors, outcome, Playground } from "./playground.ts";
import { until } from "../helpers/until.ts";

async function readAll(source: Outgoing, piece: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let position = 0; ;) {
    const block = new Uint8Array(new SharedArrayBuffer(piece));
    const count = await source.read(block, position);
    if (count === 0) return Buffer.concat(parts);
    parts.push(Buffer.from(block.slice(0, count)));
    position += count;
  }
}

test("reads every byte, and says what the file is like", async () => {
  using ground = new Playground();
  for (const size of [0, 1, DATA_BYTES - 1, DATA_BYTES, DATA_BYTES + 1, 2 * DATA_BYTES + 500]) {
    const content = Buffer.alloc(size, "some words of no meaning ");
    fs.writeFileSync(ground.path("x"), content);
    fs.chmodSync(ground.path("x"), 0o640);
    fs.utimesSync(ground.path("x"), 1_700_000_000, 1_700_000_000);
    const source = Outgoing.open(ground.path("x"));
    expect([source.length, source.mode, source.mtimeUs]).toEqual([size, 0o640, 1_700_000_000_000_000]);
    for (const piece of [4096, DATA_BYTES]) expect((await readAll(source, piece)).equals(content)).toBe(true);
    expect(source.changed()).toBe(false);
    source.close();
  }
});

test("notices a source that changed, shrank or grew", async () => {
  using ground = new Playground();
  const changes: ((path: string) => void)[] = [
    (path) => fs.appendFileSync(path, "x"),
    (path) => fs.truncateSync(path, 1),
    (path) => fs.writeFileSync(path, "other words"),
    (path) => fs.utimesSync(path, 5, 5),
  ];
  for (const change of changes) {
    fs.writeFileSync(ground.path("x"), "some words");
    fs.utimesSync(ground.path("x"), 1_000, 1_000);
    const source = Outgoing.open(ground.path("x"));
    expect(source.changed()).toBe(false);
    change(ground.path("x"));
    expect(source.changed()).toBe(true);
    source.close();
  }
  fs.writeFileSync(ground.path("x"), "some words");
  const source = Outgoing.open(ground.path("x"));
  fs.writeFileSync(ground.path("new"), "other words");
  fs.renameSync(ground.path("new"), ground.path("x"));
  expect(source.changed()).toBe(false);
  expect((await readAll(source, 4096)).toString()).toBe("some words");
  source.close();
});

test("one that was written a moment ago is not known by its time: a second write may leave the same", () => {
  using ground = new Playground();
  const path = ground.path("x");
  const seen = () => readSmall(path, entryOf(fs.statSync(path, { bigint: true })));
  fs.writeFileSync(path, "one");
  const now = (Date.now() + 5) / 1000;
  fs.utimesSync(path, now, now);
  expect(seen()).toBeUndefined();
  fs.utimesSync(path, now - 1, now - 1);
  expect(seen()?.toString()).toBe("one");
});

test("refuses what is not a regular file, and is not held up by it", async () => {
  using ground = new Playground();
  Bun.spawnSync(["mkfifo", ground.path("fifo")]);
  fs.symlinkSync("/dev/zero", ground.path("zero"));
  expect(await outcome(() => Outgoing.open(ground.path("fifo")))).toBe("not-file");
  expect(await outcome(() => Outgoing.open(ground.path("zero")))).toBe("not-file");
  expect(await outcome(() => Outgoing.open(ground.dir))).toBe("is-folder");
  expect(await outcome(() => Outgoing.open(ground.path("none")))).toBe("not-found");
  expect(await outcome(() => Outgoing.fromFd(fs.openSync(ground.dir, "r"), "x"))).toBe("is-folder");
  fs.symlinkSync(ground.victim, ground.path("link"));
  Outgoing.open(ground.path("link")).close();
});

test.skipIf(process.platform !== "linux")("closes once, after the last read", async () => {
  using ground = new Playground();
  fs.writeFileSync(ground.path("x"), Buffer.alloc(DATA_BYTES));
  const before = openDescriptors();
  const source = Outgoing.open(ground.path("x"));
  const reads = [0, 1, 2].map(() => source.read(new Uint8Array(DATA_BYTES), 0));
  source.close();
  source.close();
  expect(await Promise.all(reads)).toEqual([DATA_BYTES, DATA_BYTES, DATA_BYTES]);
  expect(await outcome(() => source.read(new Uint8Array(1), 0))).toBe("internal");
  expect(await outcome(() => source.changed())).toBe("internal");
  await until(() => openDescriptors() <= before, "closed descriptors");
});
