import { describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { SockError } from "../../src/errors.ts";
import type { Address } from "../../src/protocol/address.ts";
import { encodeFrame } from "../../src/protocol/frame.ts";
import { Channel } from "../../src/transport/channel.ts";
import { rejectionOf } from "../helpers/codes.ts";
import { Relay } from "../helpers/relay.ts";
import { collect, link, type TestServer, testServer } from "../helpers/link.ts";
import { until } from "../helpers/until.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
/** Queue of a connection, and one frame above it, bytes. */
const MOST_QUEUED = 2 * MiB + 64 * KiB;
/** The first frame of a direction is small and has no body. */
const HELLO = encodeFrame({ type: "hello" });

async function channels(server: TestServer, pingIntervalMs?: number, at?: Address) {
  const { client, session } = await link(server, at);
  const pair = { client: new Channel(client, pingIntervalMs), session: new Channel(session, pingIntervalMs) };
  pair.client.open();
  pair.session.open();
  client.write(HELLO);
  session.write(HELLO);
  for (const channel of [pair.client, pair.session]) expect((await channel.next()).header.type).toBe("hello");
  return pair;
}

describe("channel", () => {
  test("frames of all sizes, both ways at once, in order", async () => {
    using server = testServer();
    const { client, session } = await channels(server);
    const bodies = [0, 1, 255, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, MiB - 1, MiB].map((size) =>
      randomBytes(size),
    );
    const run = async (from: Channel, to: Channel): Promise<void> => {
      for (const [n, body] of bodies.entries()) from.send({ type: "x", n }, body);
      from.send({ type: "x", n: bodies.length });
      for (const [n, body] of bodies.entries()) {
        const frame = await to.next();
        expect(frame.header["n"]).toBe(n);
        expect(Buffer.compare(frame.body ?? Buffer.of(1), body)).toBe(0);
      }
      expect((await to.next()).body).toBeUndefined();
    };
    await Promise.all([run(client, session), run(session, client)]);
  });

  test("64 MiB to a reader that is slow: queues stay small on both sides, all arrives", async () => {
    using server = testServer();
    const { client, session } = await channels(server);
    const bodies = Array.from({ length: 8 }, () => randomBytes(MiB));
    const sent = createHash("sha256");
    let frames = 0;
    const sending = (async () => {
      for (; frames < 64; frames++) {
        const body = bodies[frames % 8] ?? Buffer.alloc(0);
        sent.update(body);
        client.send({ type: "x" }, body);
        expect(client.connection.queued).toBeLessThanOrEqual(MOST_QUEUED);
        await client.ready();
      }
    })();
    // nobody asks for a frame: the receiver stops reading, then the sender stops
    await until(() => session.connection.paused && client.connection.congested);
    expect(frames).toBeLessThan(48);
    expect(session.connection.bytesIn).toBeLessThan(8 * MiB);
    const got = createHash("sha256");
    for (let count = 0; count < 64; count++) got.update((await session.next()).body ?? "");
    await sending;
    expect(got.digest("hex")).toBe(sent.digest("hex"));
  });

  test("frames that came before the end are still there; then the end is", async () => {
    using server = testServer();
    const { client, session } = await channels(server);
    client.send({ type: "a" });
    client.send({ type: "b" });
    client.end();
    await until(() => session.connection.bytesIn === client.connection.bytesOut);
    expect((await session.next()).header.type).toBe("a");
    expect((await session.next()).header.type).toBe("b");
    expect(await rejectionOf(Promise.resolve(session.next()))).toBe("lost");
    expect(await rejectionOf(session.ready())).toBe("lost");
  });

  test.each(["terminate", "end"] as const)(
    "who waits for a frame learns at once of a peer's %s",
    async (how) => {
      using server = testServer();
      const { client, session } = await channels(server);
      const told: string[] = [];
      session.onFailure((error) => told.push(error.code));
      const waiting = Promise.resolve(session.next());
      const began = performance.now();
      client.connection[how]();
      expect(await rejectionOf(waiting)).toBe("lost");
      expect(performance.now() - began).toBeLessThan(500);
      expect(told).toEqual(["lost"]);
    },
  );

  test("what is no frame ends the session, and the peer is told the code", async () => {
    using server = testServer();
    const { client, session } = await channels(server);
    client.connection.write(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    expect(await rejectionOf(Promise.resolve(session.next()))).toBe("protocol");
    expect((await client.next()).header).toMatchObject({ type: "error", code: "protocol" });
    await until(() => session.connection.closed && client.connection.closed, "both ends", 1_000);
  });

  test("a refused peer that reads nothing is cut off", async () => {
    using server = testServer();
    const { client, session } = await channels(server);
    client.connection.pause();
    for (let count = 0; count < 48; count++) session.send({ type: "x" }, new Uint8Array(MiB));
    session.refuse(new SockError("revoked", "the key was revoked"));
    const began = performance.now();
    await until(() => session.connection.closed, "its end", 4_000);
    expect(performance.now() - began).toBeLessThan(3_000);
  });
});

describe("a peer that ends its half", () => {
  const ANSWER = 8 * MiB;

  test("gets the answers to all that it asked before", async () => {
    using server = testServer();
    const { client, session } = await channels(server);
    client.connection.pause();
    for (let n = 0; n < 3; n++) client.send({ type: "x", n });
    client.connection.end();
    // it reads as it ends
    const body = randomBytes(ANSWER / 8);
    const answer = async (): Promise<never> => {
      for (;;) {
        const { header } = await session.next();
        for (let part = 0; part < 8; part++) {
          session.send({ type: "y", n: header["n"] ?? "none" }, body);
          await session.ready();
        }
      }
    };
    const answering = rejectionOf(answer());
    for (let n = 0; n < 24; n++) {
      const frame = await client.next();
      expect(frame.header).toMatchObject({ type: "y", n: Math.floor(n / 8) });
      expect(Buffer.compare(frame.body ?? Buffer.of(), body)).toBe(0);
    }
    expect(await answering).toBe("lost");
    expect(await rejectionOf(Promise.resolve(client.next()))).toBe("lost");
    await until(() => session.connection.closed);
  });

  test("and is told so when nobody listens to it any more, or it is gone altogether", async () => {
    using server = testServer();
    {
      const { client, session } = await channels(server);
      client.connection.end();
      expect(await rejectionOf(Promise.resolve(session.next()))).toBe("lost");
      await until(() => session.connection.closed && client.connection.closed);
    }
    const { client, session } = await channels(server);
    client.send({ type: "x" });
    expect((await session.next()).header.type).toBe("x");
    // while an answer is made that says nothing for long
    client.connection.terminate();
    await until(() => session.failure !== undefined);
    expect(session.connection.closed).toBe(true);
  });

  test("is cut off when it takes nothing of its answer", async () => {
    const INTERVAL = 20;
    using server = testServer();
    await using relay = await Relay.start(server.port);
    const { client, session } = await channels(server, INTERVAL, {
      kind: "tcp",
      host: "127.0.0.1",
      port: relay.port,
    });
    client.send({ type: "x" });
    expect((await session.next()).header.type).toBe("x");
    relay.faults.down.stalled = true;
    client.connection.end();
    const body = randomBytes(MiB);
    const send = async (): Promise<never> => {
      for (;;) {
        session.send({ type: "y" }, body);
        await session.ready();
      }
    };
    expect(await rejectionOf(send())).toBe("lost");
    expect(session.connection.closed).toBe(true);
  });
});

describe("proof of life", () => {
  const INTERVAL = 20;

  test("a peer that says nothing is lost after three intervals", async () => {
    using server = testServer();
    const { client, session } = await link(server);
    collect(session);
    const channel = new Channel(client, INTERVAL);
    channel.open();
    const began = performance.now();
    expect(await rejectionOf(Promise.resolve(channel.next()))).toBe("lost");
    expect(performance.now() - began).toBeGreaterThan(2.5 * INTERVAL);
    expect(client.closed).toBe(true);
  });

  test("a peer that answers is not, though nothing else is said", async () => {
    using server = testServer();
    const { client, session } = await channels(server, INTERVAL);
    const pings = 8 * encodeFrame({ type: "ping", n: 0 }).length;
    await until(() => client.connection.bytesIn > 2 * pings && session.connection.bytesIn > 2 * pings);
    expect([client.failure, session.failure]).toEqual([undefined, undefined]);
  });

  test("nobody is judged silent while we do not read", async () => {
    using server = testServer();
    const { client, session } = await link(server);
    const channel = new Channel(session, INTERVAL);
    channel.open();
    const seen = collect(client);
    const body = encodeFrame({ type: "x" }, new Uint8Array(MiB));
    client.write(HELLO);
    for (let count = 0; count < 6; count++) client.write(body);
    await until(() => session.paused);
    const ping = encodeFrame({ type: "ping", n: 0 }).length;
    await until(() => seen.bytes >= 6 * ping);
    expect(channel.failure).toBeUndefined();
  });

  test("a flood of pings from a peer that reads nothing does not grow the queue", async () => {
    using server = testServer();
    const { client, session } = await link(server);
    const channel = new Channel(session);
    channel.open();
    client.pause();
    const flood = encodeFrame({ type: "ping", n: "x".repeat(60 * KiB) });
    let most = 0;
    client.write(HELLO);
    for (let sent = 0; sent < 48 * MiB; sent += flood.length) {
      client.write(flood);
      await client.flushed();
      most = Math.max(most, session.queued);
    }
    await until(() => session.bytesIn === client.bytesOut);
    expect(most).toBeGreaterThan(MiB);
    expect(Math.max(most, session.queued)).toBeLessThan(MOST_QUEUED);
    expect(channel.failure).toBeUndefined();
  });
});
