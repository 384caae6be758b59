import { describe, expect, test } from "bun:test";
import { collect, link, testServer } from "../helpers/link.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const MiB = 1024 * 1024;
/** What the kernel may hold of one loopback connection, both ends together: net.ipv4.tcp_rmem and tcp_wmem's third. */
const MOST_IN_KERNEL = 40 * MiB;

describe("connection", () => {
  test("a reader that pauses stops the sender, and loses nothing", async () => {
    using server = testServer();
    const { client, session } = await link(server);
    const seen = collect(session);
    collect(client);
    session.pause();
    let written = 0;
    let drained = 0;
    const sending = (async () => {
      for (; written < 64 * MiB; written += MiB) {
        client.write(new Uint8Array(MiB));
        await client.drained();
        drained += 1;
      }
    })();
    await until(() => client.congested);
    const stopped = written;
    expect(client.queued).toBeLessThanOrEqual(2 * MiB);
    expect(stopped).toBeLessThan(MOST_IN_KERNEL);
    session.resume();
    await sending;
    expect(drained).toBe(64);
    await until(() => seen.bytes === 64 * MiB, "all bytes");
    expect(client.queued).toBe(0);
    expect(session.bytesIn).toBe(client.bytesOut);
  });

  test("flushed waits for what was written before it, and for no more", async () => {
    using server = testServer();
    const { client, session } = await link(server);
    collect(session);
    session.pause();
    client.write(new Uint8Array(MOST_IN_KERNEL));
    let first = false;
    const flushed = client.flushed()?.then(() => (first = true));
    await until(() => client.queued > 0 && client.queued < MOST_IN_KERNEL);
    expect(first).toBe(false);
    session.resume();
    await flushed;
    expect(client.queued).toBe(0);
    expect(client.flushed()).toBeUndefined();
  });

  test("end() sends all that is queued, however long the peer takes for it", async () => {
    using server = testServer();
    const { client, session } = await link(server);
    const seen = collect(session);
    const own = collect(client);
    session.pause();
    client.write(new Uint8Array(48 * MiB));
    client.end();
    client.write(new Uint8Array(1));
    const held = performance.now();
    await until(() => own.closed || performance.now() - held > 2_300);
    expect(own.closed).toBe(false);
    session.resume();
    await until(() => seen.closed && own.closed, "both ends");
    expect(seen.bytes).toBe(48 * MiB);
    expect([seen.error?.code, own.error?.code]).toEqual([undefined, undefined]);
  });

  test("end() with a limit cuts off a peer that takes nothing", async () => {
    using server = testServer();
    const { client, session } = await link(server);
    const seen = collect(session);
    const own = collect(client);
    session.pause();
    client.write(new Uint8Array(48 * MiB));
    client.end(50);
    await until(() => own.closed, "the limit", 1_000);
    session.resume();
    await until(() => seen.closed, "its end");
    expect(seen.error?.code).toBe("lost");
  });

  test("a peer that vanishes is noticed at once, and waiters go on", async () => {
    using server = testServer();
    const { client, session } = await link(server);
    const seen = collect(session);
    const own = collect(client);
    session.pause();
    client.write(new Uint8Array(MOST_IN_KERNEL));
    const waiting = [client.flushed(), client.drained()].map((wait) => Promise.resolve(wait));
    session.terminate();
    const began = performance.now();
    await Promise.all(waiting);
    await until(() => own.closed && seen.closed);
    expect(performance.now() - began).toBeLessThan(500);
    expect(own.error?.code).toBe("lost");
    expect(client.queued).toBe(0);
  });

  test("who listens late still learns of what came, and of the end", async () => {
    using server = testServer({ greeting: "hello" });
    const { client, session } = await link(server);
    await until(() => client.bytesIn === 5);
    session.terminate();
    await until(() => client.closed);
    const late = collect(client);
    expect(late).toMatchObject({ text: "hello", closed: true });
    expect(late.error?.code).toBe("lost");
  });

  test("unix sockets: TLS, keys, and both directions", async () => {
    await using folder = await temporaryFolder();
    using server = testServer({ address: { kind: "unix", path: folder.join("s") }, greeting: "hello" });
    const { client, session } = await link(server);
    const seen = collect(session);
    const own = collect(client);
    client.write(new Uint8Array(8 * MiB));
    client.end();
    await until(() => seen.closed && own.closed);
    expect(seen.bytes).toBe(8 * MiB);
    expect(own.text).toBe("hello");
    expect(session.address).toBe("");
    expect(server.noted.decided).toBe(1);
  });
});
