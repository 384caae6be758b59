/** "Files": clients that are killed, lines that break, and what is told to stop, with trees and single files. */
import { describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Child } from "../helpers/child.ts";
import { type Pair, pairWithLine, plant } from "../helpers/pair.ts";
import type { Relay } from "../helpers/relay.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { treeOf } from "../helpers/tree.ts";
import { until } from "../helpers/until.ts";

const MiB = 1024 * 1024;
const SIZE = 8 * MiB;
const BYTES = randomBytes(SIZE);
const OLD = "the old file";
/** Slow enough to be caught in the middle, bytes a second. */
const RATE = 12 * MiB;
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

type Line = Pair & { readonly relay: Relay };
interface Transfer {
  readonly line: Line;
  readonly verb: "put" | "get";
  readonly direction: "up" | "down";
  readonly from: string;
  readonly to: string;
  readonly words: string[];
}

/** A tree with one large file and two small ones, and old versions of them where they go. */
async function transfer(verb: "put" | "get"): Promise<Transfer & AsyncDisposable> {
  const line = await pairWithLine();
  const [from, to] = verb === "put" ? [line.here("t"), line.root("t")] : [line.root("t"), line.here("t")];
  plant(from, { a: "new a", "m/large": BYTES, z: "new z" });
  plant(to, { a: OLD, "m/large": OLD, z: OLD });
  return {
    line,
    verb,
    direction: verb === "put" ? "up" : "down",
    from,
    to,
    words: [...(verb === "put" ? ["put", "t", ":t"] : ["get", ":t", "t"]), "--json", "--compress", "never"],
    [Symbol.asyncDispose]: () => line[Symbol.asyncDispose](),
  };
}

/** Starts it, and waits until so many bytes have passed. */
async function begin({ line, words, direction }: Transfer, bytes: number): Promise<Child> {
  line.relay.faults[direction].rate = RATE;
  const child = await line.start(...words);
  await until(() => line.relay.bytes[direction] > bytes * 0.95, "most of the bytes");
  // so that none of them is at its end before we look again
  line.relay.faults[direction].rate = MiB;
  await until(() => line.relay.bytes[direction] > bytes, "the bytes");
  return child;
}

/** What the relay had from a client that is no more has arrived. */
async function drained({ line: { relay }, direction }: Transfer): Promise<void> {
  relay.faults[direction].rate = Infinity;
  await until(() => relay.open === 0, "the end of the connection");
}

async function endsEqual({ line, words, from, to, direction }: Transfer): Promise<number> {
  line.relay.faults[direction].rate = Infinity;
  const before = line.relay.bytes[direction];
  const ran = await line.run(...words);
  expect(resultOf(ran.stdout)).toMatchObject({ status: 0, failed: 0 });
  expect(treeOf(to)).toEqual(treeOf(from));
  return line.relay.bytes[direction] - before;
}

const isOld = ({ to }: Transfer): boolean => readFileSync(join(to, "m", "large")).equals(Buffer.from(OLD));
const litter = (at: string): string[] =>
  existsSync(join(at, ".sock-partial")) ? readdirSync(join(at, ".sock-partial")) : [];

for (const verb of ["put", "get"] as const) {
  describe(`${verb}, kill -9 of the client`, () => {
    for (const percent of [1, 50, 99]) {
      test(`at ${percent} %, then again: goes on, at least 90 % of the bytes saved, equal`, async () => {
        await using moving = await transfer(verb);
        const child = await begin(moving, (SIZE * percent) / 100);
        const passed = moving.line.relay.bytes[moving.direction];
        child.process.kill("SIGKILL");
        await child.ended();
        await drained(moving);
        expect(isOld(moving)).toBe(true);
        // a process that is killed resets its connections: what was in sockets may be lost
        const folder = verb === "get" ? moving.to : moving.line.root();
        const partial = (): number => {
          const [name] = litter(folder);
          return name === undefined ? 0 : statSync(join(folder, ".sock-partial", name)).size;
        };
        await until(() => percent === 1 || partial() > 0.9 * passed - 2 * MiB, "what was saved");
        const had = partial();
        const sent = await endsEqual(moving);
        expect(sent).toBeLessThan(SIZE - 0.9 * had + 2 * MiB);
        expect(litter(verb === "put" ? moving.line.root() : moving.to)).toEqual([]);
      });
    }
  });

  describe(`${verb}, the line`, () => {
    for (const cut of ["end", "reset"] as const) {
      test(`breaks (${cut === "end" ? "FIN" : "RST"}) in the middle, twice: the same command goes on and ends equal`, async () => {
        await using moving = await transfer(verb);
        const { relay } = moving.line;
        const child = await begin(moving, SIZE / 4);
        relay.cutAll(cut);
        relay.faults[moving.direction].rate = RATE;
        await until(() => relay.bytes[moving.direction] > SIZE * 0.6, "the rest");
        relay.cutAll(cut);
        relay.faults[moving.direction].rate = Infinity;
        expect([await child.ended(), resultOf(child.stdout())]).toMatchObject([0, { files: 3, failed: 0 }]);
        expect(treeOf(moving.to)).toEqual(treeOf(moving.from));
        expect(relay.accepted).toBe(3);
        expect(relay.bytes[moving.direction]).toBeLessThan(SIZE * 1.6);
      });
    }

    test("is silent, and comes back: nothing is lost, no second connection", async () => {
      await using moving = await transfer(verb);
      const { relay } = moving.line;
      const child = await begin(moving, SIZE / 4);
      for (const faults of Object.values(relay.faults)) faults.stalled = true;
      const at = relay.bytes[moving.direction];
      // the server has time for others meanwhile
      const other = { env: { SOCK_JOIN: moving.line.server.join } };
      expect(await sock(["ls", ":"], other)).toMatchObject({ status: 0 });
      // but for a piece that was on its way
      expect(relay.bytes[moving.direction] - at).toBeLessThan(32 * 1024);
      for (const faults of Object.values(relay.faults)) [faults.stalled, faults.rate] = [false, Infinity];
      expect(await child.ended()).toBe(0);
      expect([relay.accepted, treeOf(moving.to)]).toEqual([1, treeOf(moving.from)]);
    });

    test("does not come back: retryable, 6, within --retry; the old files are intact", async () => {
      await using moving = await transfer(verb);
      const { relay } = moving.line;
      moving.words.push("--retry", "1s");
      const child = await begin(moving, SIZE / 4);
      for (const faults of Object.values(relay.faults)) faults.stalled = true;
      const began = performance.now();
      await moving.line.server.stop("SIGKILL");
      // with what it had sent and nobody has yet
      relay.cutAll();
      for (const faults of Object.values(relay.faults)) faults.stalled = false;
      expect([await child.ended(), resultOf(child.stdout())]).toMatchObject([6, { status: 6 }]);
      expect(performance.now() - began).toBeLessThan(8000);
      expect(relay.accepted).toBeGreaterThan(1);
      expect(isOld(moving)).toBe(true);
    });
  });

  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    test(`${verb} of a tree, ${signal}: ${status}, never 0; the old large file stays; again it goes on`, async () => {
      await using moving = await transfer(verb);
      const child = await begin(moving, SIZE / 4);
      child.process.kill(signal);
      expect(await child.ended()).toBe(status);
      expect(resultOf(child.stdout())).toMatchObject({ status });
      expect(isOld(moving)).toBe(true);
      expect(await endsEqual(moving)).toBeLessThan(SIZE);
    });
  }
}

test("a client that comes back takes over from its own dead connection, which the server still believes in", async () => {
  await using moving = await transfer("put");
  const { relay } = moving.line;
  const child = await begin(moving, SIZE / 4);
  // the way to the server stays open and silent; only the client learns that it is over
  relay.abandonAll();
  relay.faults.up.rate = Infinity;
  expect([await child.ended(), resultOf(child.stdout())]).toMatchObject([0, { files: 3, failed: 0 }]);
  expect(treeOf(moving.to)).toEqual(treeOf(moving.from));
  // it went on where the dead one was, and did not begin anew
  expect(relay.bytes.up).toBeLessThan(SIZE * 1.4);
});

test("two puts of trees to one path: each reader sees one whole version of each file", async () => {
  await using line = await pairWithLine();
  const versions = ["1", "2"].map((letter) => Buffer.alloc(3 * MiB, letter));
  for (const [index, bytes] of versions.entries()) {
    plant(line.here(`v${index}`), {
      large: bytes,
      small: bytes.subarray(0, 9000),
      "d/e": bytes.subarray(0, 70_000),
    });
  }
  await line.run("put", "v0", ":shared");
  const seen = new Set<string>();
  let going = true;
  const reader = (async () => {
    while (going) {
      for (const name of ["large", "small", "d/e"]) {
        const bytes = await readFile(line.root("shared", name));
        seen.add(`${bytes.length} ${sha256(bytes)}`);
      }
    }
  })();
  const puts = [0, 1, 0, 1].map((which) => line.run("put", `v${which}`, ":shared", "--checksum", "-q"));
  const ended = await Promise.all(puts);
  going = false;
  await reader;
  expect(ended.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
  const sizes = [versions[0]?.length ?? 0, 9000, 70_000];
  const whole = versions.flatMap((bytes) =>
    sizes.map((size) => `${size} ${sha256(bytes.subarray(0, size))}`),
  );
  expect([...seen].filter((version) => !whole.includes(version))).toEqual([]);
  expect(litter(line.root())).toEqual([]);
});

test("SIGTERM of a server with 5 transfers: it drains within a bound, and none of them ends in 0 that is not whole", async () => {
  await using line = await pairWithLine();
  const bytes = BYTES.subarray(0, 6 * MiB);
  plant(line.here(), { "t/large": bytes, "t/small": "small" });
  for (let n = 0; n < 5; n++) plant(line.root(`g${n}`), { large: bytes });
  line.relay.faults.up.rate = line.relay.faults.down.rate = 2 * MiB;
  const words = [
    ["put", "t", ":p0"],
    ["put", "t", ":p1"],
    ["put", "t/large", ":p2"],
    ["get", ":g0", "g0"],
    ["get", ":g1/large", "g1"],
  ];
  const children = await Promise.all(words.map((own) => line.start(...own, "--json", "--retry", "1s")));
  await until(
    () => line.relay.accepted === 5 && line.relay.bytes.up > MiB && line.relay.bytes.down > MiB,
    "all five",
  );
  const began = performance.now();
  const stopped = line.server.stop();
  // those that can be done in the time are let through
  line.relay.faults.up.rate = line.relay.faults.down.rate = Infinity;
  const statuses = await Promise.all(children.map((child) => child.ended()));
  expect(await stopped).toBe(0);
  expect(performance.now() - began).toBeLessThan(14_000);
  const places = [
    line.root("p0", "large"),
    line.root("p1", "large"),
    line.root("p2"),
    line.here("g0", "large"),
    line.here("g1"),
  ];
  for (const [index, place] of places.entries()) {
    const status = statuses[index];
    expect([0, 6, 10]).toContain(status ?? -1);
    if (status === 0) expect(sha256(readFileSync(place))).toBe(sha256(bytes));
    else if (existsSync(place)) expect(readFileSync(place).length).toBe(bytes.length);
  }
  expect(statuses.filter((status) => status === 0).length).toBe(5);
});
