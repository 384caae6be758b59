import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { SockError } from "../../src/errors.ts";
import { MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_PACKED_BYTES } from "../../src/protocol/constants.ts";
import { encodeFrame, type Header } from "../../src/protocol/frame.ts";
import { Channel } from "../../src/transport/channel.ts";
import { Packer, unpack } from "../../src/transport/packing.ts";
import { codeOf, rejectionOf } from "../helpers/codes.ts";
import { link, type TestServer, testServer } from "../helpers/link.ts";
import { until } from "../helpers/until.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const HELLO = encodeFrame({ type: "hello" });

function zstd(bytes: Uint8Array): Uint8Array {
  return Bun.zstdCompressSync(bytes, { level: 3 });
}

function text(length: number): Uint8Array {
  return Buffer.from("all that can be said twice is said again; ".repeat(length / 40 + 1)).subarray(
    0,
    length,
  );
}

/** A frame that decoders pass over (RFC 8878, section 3.1.2). */
const SKIPPABLE = Buffer.from("502a4d180400000001020304", "hex");

describe("unpack", () => {
  const whole = text(1000);
  const noise = randomBytes(1000);

  test("gives back what was packed", () => {
    for (const length of [1, 511, 512, 64 * KiB, 128 * KiB + 1, MiB, MAX_PACKED_BYTES]) {
      for (const bytes of [text(length), randomBytes(length)])
        expect(Buffer.compare(unpack(zstd(bytes), length), bytes)).toBe(0);
    }
  });

  test("takes each kind of zstd frame: with a checksum, of unknown size, of one byte repeated", () => {
    const { ZSTD_c_checksumFlag, ZSTD_c_contentSizeFlag, ZSTD_c_windowLog } = constants;
    for (const params of [
      { [ZSTD_c_checksumFlag]: 1 },
      { [ZSTD_c_contentSizeFlag]: 0 },
      { [ZSTD_c_checksumFlag]: 1, [ZSTD_c_contentSizeFlag]: 0 },
      { [ZSTD_c_windowLog]: 10 },
      { [ZSTD_c_windowLog]: 23, [ZSTD_c_contentSizeFlag]: 0 },
    ]) {
      for (const bytes of [text(70_000), randomBytes(70_000), new Uint8Array(300_000)])
        expect(Buffer.compare(unpack(zstdCompressSync(bytes, { params }), bytes.length), bytes)).toBe(0);
    }
  });

  const refused: [string, Uint8Array, number][] = [
    ["nothing", new Uint8Array(0), 1],
    ["no zstd", whole, 1000],
    ["one byte less than it says", zstd(whole), 1001],
    ["one byte more than it says", zstd(whole), 999],
    ["a frame with a byte after it", Buffer.concat([zstd(whole), Buffer.of(0)]), 1000],
    ["two frames that are as long together", Buffer.concat([zstd(whole), zstd(noise)]), 2000],
    ["a second frame, of nothing", Buffer.concat([zstd(whole), zstd(new Uint8Array(0))]), 1000],
    ["a second frame, cut", Buffer.concat([zstd(whole), zstd(noise).subarray(0, 6)]), 1000],
    ["a frame to be skipped, before", Buffer.concat([SKIPPABLE, zstd(whole)]), 1000],
    ["a frame to be skipped, after", Buffer.concat([zstd(whole), SKIPPABLE]), 1000],
    // one byte repeated 1,000 times, in a frame that asks for a window of 128 MiB
    ["too large a window", Buffer.from("28b52ffd0088431f0041", "hex"), 1000],
  ];
  test.each(refused)("refuses %s", (_name, body, raw) => {
    expect(codeOf(() => unpack(body, raw))).toBe("protocol");
  });

  test("the same frame with a window of 8 MiB is taken", () => {
    expect(unpack(Buffer.from("28b52ffd0068431f0041", "hex"), 1000)).toEqual(Buffer.alloc(1000, "A"));
  });

  test("refuses a frame that is cut, wherever", () => {
    for (const bytes of [whole, noise]) {
      const packed = zstd(bytes);
      for (let length = 0; length < packed.length; length++)
        expect(codeOf(() => unpack(packed.subarray(0, length), 1000))).toBe("protocol");
    }
  });

  test("whatever bit is wrong, it gives as many bytes as were said, or refuses", () => {
    const packed = zstd(whole);
    for (let bit = 0; bit < packed.length * 8; bit++) {
      const damaged = packed.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      let length: number;
      try {
        ({ length } = unpack(damaged, 1000));
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(SockError);
        continue;
      }
      expect(length).toBe(1000);
    }
  });

  test("a bomb is refused at its limit: 200 of them, of 500 MB each, in little time and memory", async () => {
    const bomb = zstd(new Uint8Array(500_000_000));
    expect(bomb.length).toBeLessThan(64 * KiB);
    const began = performance.now();
    for (let count = 0; count < 200; count++)
      expect(codeOf(() => unpack(bomb, MAX_PACKED_BYTES))).toBe("protocol");
    // 100 GB would take a minute
    expect(performance.now() - began).toBeLessThan(10_000);
    // the peak of memory, in KiB, of a process of its own: ours has seen more before
    const code = `
      const { unpack } = await import(${JSON.stringify(resolve(import.meta.dir, "../../src/transport/packing.ts"))});
      const bomb = Buffer.from(${JSON.stringify(Buffer.from(bomb).toString("base64"))}, "base64");
      const refused = () => { try { unpack(bomb, ${MAX_PACKED_BYTES}); } catch { return 1; } return 0; };
      let sum = refused();
      const before = process.resourceUsage().maxRSS;
      for (let count = 0; count < 20; count++) sum += refused();
      console.log(sum, process.resourceUsage().maxRSS - before);
    `;
    const child = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe", stderr: "inherit" });
    const [refusals, grown] = (await child.stdout.text()).split(" ").map(Number);
    expect(refusals).toBe(21);
    expect(grown).toBeLessThan(64 * KiB);
  });
});

describe("what is packed", () => {
  const MAYBE = 64 * KiB;

  test("what shrinks, where the line is slow; noise is left alone for a while", () => {
    let now = 0;
    const packer = new Packer("auto", () => now);
    expect(packer.mayPack(text(MAYBE), 0, 0)).toBe(true);
    expect(packer.mayPack(text(511), 0, 0)).toBe(false);
    expect(packer.mayPack(randomBytes(MAYBE), 0, 0)).toBe(false);
    // it is skipped by its length, not looked at
    for (let skipped = 0; skipped < MiB; skipped += MAYBE)
      expect(packer.mayPack(text(MAYBE), 0, 0)).toBe(false);
    expect(packer.mayPack(text(MAYBE), 0, 0)).toBe(true);
    // a second later 100 MB have gone: this line is faster
    now += 1000;
    expect(packer.mayPack(text(MAYBE), 100_000_000, 0)).toBe(false);
    now += 1000;
    expect(packer.mayPack(text(MAYBE), 101_000_000, MiB)).toBe(true);
  });

  test("always: on a fast line too, and never what would grow", () => {
    let now = 0;
    const packer = new Packer("always", () => now);
    now += 1000;
    expect(packer.mayPack(text(MAYBE), 1_000_000_000, 0)).toBe(true);
    expect(packer.pack(randomBytes(MAYBE))).toBeUndefined();
    expect(packer.pack(text(MAYBE))?.length).toBeLessThan(MAYBE / 10);
  });

  test("not more than a receiver takes", () => {
    const packer = new Packer("always");
    expect(packer.pack(new Uint8Array(MAX_PACKED_BYTES + 1))).toBeUndefined();
    expect(packer.pack(new Uint8Array(MAX_PACKED_BYTES))).toBeDefined();
    // less than it was, and still too long for a body
    const bytes = Buffer.concat([new Uint8Array(60_000), randomBytes(MAX_BODY_BYTES)]);
    expect(zstd(bytes).length).toBeLessThan(bytes.length);
    expect(packer.pack(bytes)).toBeUndefined();
  });
});

describe("packed frames", () => {
  async function channels(server: TestServer, takes: boolean) {
    const { client, session } = await link(server);
    const pair = { client: new Channel(client), session: new Channel(session) };
    pair.client.open(takes);
    pair.session.open(takes);
    client.write(HELLO);
    session.write(HELLO);
    for (const channel of [pair.client, pair.session])
      expect((await channel.next()).header.type).toBe("hello");
    return pair;
  }

  const inner: Header = { type: "x", n: 1 };
  const frames = (...each: Uint8Array[]): Uint8Array => Buffer.concat(each);
  const packed = (raw: Uint8Array, more: object = {}): Uint8Array =>
    encodeFrame({ type: "packed", raw: raw.length, ...more }, zstd(raw));

  test("arrive as what they hold, in order, noise and text, small and large", async () => {
    using server = testServer();
    const { client, session } = await channels(server, true);
    client.pack("always");
    const sizes = [0, 1, 600, 64 * KiB, 64 * KiB + 1, MiB];
    // noise comes last: what follows it is not looked at for a while
    const bodies = [...sizes.map(text), ...sizes.map((size) => randomBytes(size))];
    for (const [n, body] of bodies.entries()) {
      client.sendSoon({ type: "soon", n }, body);
      client.send({ type: "x", n }, body);
      client.sendSoon({ type: "after", n });
    }
    await client.flushed();
    for (const [n, body] of bodies.entries()) {
      for (const type of ["soon", "x", "after"]) {
        const frame = await session.next();
        expect([frame.header.type, frame.header["n"]]).toEqual([type, n]);
        if (type !== "after") expect(Buffer.compare(frame.body ?? Buffer.of(1), body)).toBe(0);
      }
    }
    const bytes = 2 * bodies.reduce((sum, body) => sum + body.length, 0);
    expect(client.connection.bytesOut).toBeLessThan(0.55 * bytes);
  });

  test("are not sent before it is said that the peer takes them, nor with never", async () => {
    using server = testServer();
    const { client, session } = await channels(server, false);
    const body = text(MiB);
    client.send(inner, body);
    client.pack("always");
    client.pack("never");
    client.send(inner, body);
    for (let n = 0; n < 2; n++)
      expect(Buffer.compare((await session.next()).body ?? Buffer.of(), body)).toBe(0);
    expect(client.connection.bytesOut).toBeGreaterThan(2 * MiB);
  });

  test("a row of small headers is packed on any line", async () => {
    using server = testServer();
    const { client, session } = await channels(server, true);
    client.pack("auto");
    for (let n = 0; n < 1000; n++) client.sendSoon({ type: "same-again", n });
    await client.flushed();
    for (let n = 0; n < 1000; n++) expect((await session.next()).header["n"]).toBe(n);
    expect(client.connection.bytesOut).toBeLessThan(10_000);
  });

  test("the largest that can be is taken", async () => {
    using server = testServer();
    const { client, session } = await channels(server, true);
    const empty = encodeFrame({ type: "x", pad: "" }).length - 4;
    const header = {
      type: "x",
      pad: "p".repeat(MAX_HEADER_BYTES - empty - `,"size":${MAX_BODY_BYTES}`.length),
    };
    const raw = encodeFrame(header, text(MAX_BODY_BYTES));
    expect(raw.length).toBe(MAX_PACKED_BYTES);
    client.connection.write(packed(raw));
    expect((await session.next()).body?.length).toBe(MAX_BODY_BYTES);
  });

  const x = encodeFrame(inner);
  const bomb = zstd(new Uint8Array(100_000_000));
  const refused: [string, Uint8Array][] = [
    ["without a body", encodeFrame({ type: "packed", raw: x.length })],
    ["with an empty body", encodeFrame({ type: "packed", raw: x.length }, new Uint8Array(0))],
    ["without raw", encodeFrame({ type: "packed" }, zstd(x))],
    ["with raw 0", encodeFrame({ type: "packed", raw: 0 }, zstd(new Uint8Array(0)))],
    ["with raw as text", packed(x, { raw: String(x.length) })],
    ["with raw above the limit", packed(frames(...Array.from({ length: 80_000 }, () => x)))],
    ["that holds more than raw", packed(x, { raw: x.length - 1 })],
    ["that holds less than raw", packed(x, { raw: x.length + 1 })],
    ["that is a bomb", encodeFrame({ type: "packed", raw: MAX_PACKED_BYTES }, bomb)],
    ["that ends inside a frame", packed(x.subarray(0, -1))],
    ["that begins inside a frame", packed(x.subarray(1))],
    ["in a packed one", packed(packed(x))],
    ["that holds no frames", packed(text(1000))],
  ];
  test.each(refused)("%s: protocol", async (_name, bytes) => {
    using server = testServer();
    const { client, session } = await channels(server, true);
    // the twin: what is right goes through before
    client.connection.write(packed(frames(x, x)));
    client.connection.write(bytes);
    for (let n = 0; n < 2; n++) expect((await session.next()).header).toEqual(inner);
    expect(await rejectionOf(Promise.resolve(session.next()))).toBe("protocol");
    expect((await client.next()).header).toMatchObject({ type: "error", code: "protocol" });
    await until(() => session.connection.closed, "the end");
  });

  test("where the feature was not offered: protocol", async () => {
    using server = testServer();
    const { client, session } = await channels(server, false);
    client.connection.write(packed(x));
    expect(await rejectionOf(Promise.resolve(session.next()))).toBe("protocol");
  });

  test("before the greeting is over: protocol", async () => {
    using server = testServer();
    const { client, session } = await link(server);
    const channel = new Channel(session);
    client.write(packed(x));
    expect(await rejectionOf(Promise.resolve(channel.next()))).toBe("protocol");
  });
});

test("many packed frames in one read: no more of them is unpacked than is asked for, and all arrive in order", async () => {
  using server = testServer();
  const { client, session } = await link(server);
  const channel = new Channel(session);
  channel.open(true);
  client.write(HELLO);
  expect((await channel.next()).header.type).toBe("hello");
  const COUNT = 300;
  const frames: Uint8Array[] = [];
  for (let entry = 0; entry < COUNT; entry++) {
    const raw = encodeFrame({ type: "data", entry }, new Uint8Array(MiB));
    frames.push(
      encodeFrame({ type: "packed", raw: raw.length }, zstd(raw)),
      encodeFrame({ type: "x", entry }),
    );
  }
  const before = process.memoryUsage().arrayBuffers;
  client.write(Buffer.concat(frames));
  await until(() => session.paused, "a full queue");
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * MiB);
  for (let entry = 0; entry < COUNT; entry++) {
    const { header, body, release } = await channel.next();
    expect([header.type, header["entry"], body?.length]).toEqual(["data", entry, MiB]);
    release?.();
    expect((await channel.next()).header).toMatchObject({ type: "x", entry });
  }
  expect(session.paused).toBe(false);
});

test("what can't be unpacked is refused, also when its turn comes later", async () => {
  using server = testServer();
  const { client, session } = await link(server);
  const channel = new Channel(session);
  channel.open(true);
  client.write(HELLO);
  const raw = encodeFrame({ type: "data", entry: 0 }, new Uint8Array(MiB));
  const good = encodeFrame({ type: "packed", raw: raw.length }, zstd(raw));
  const bad = encodeFrame({ type: "packed", raw: raw.length + 1 }, zstd(raw));
  client.write(Buffer.concat([...Array.from({ length: 20 }, () => good), bad, good]));
  await until(() => session.paused, "a full queue");
  for (let count = 0; count < 21; count++) await channel.next();
  expect(await rejectionOf(Promise.resolve(channel.next()))).toBe("protocol");
});
