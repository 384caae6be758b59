/** Silent connections by the hundred, on real sockets, and a client that means it. */
import { describe, expect, test } from "bun:test";
import { connect as tcp, type Socket } from "node:net";
import { Guard } from "../../src/server/guard.ts";
import { collect, link, testServer } from "../helpers/link.ts";
import { record, RECORD } from "../helpers/tls13.ts";
import { tlsClient } from "../helpers/tls13-peers.ts";
import { until } from "../helpers/until.ts";

const GREETING = "a session's first bytes";

/** A clock that runs `times` as fast, so that ten seconds of a deadline take a part of it. */
const fast = (times: number) => () => performance.now() * times;

function silent(port: number): Socket {
  const socket = tcp({ port, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  return socket;
}

const gone = ({ closed, destroyed }: Socket): boolean => closed || destroyed;

describe("load", () => {
  test("1,000 silent connections, then a real client: served; then the silent ones are gone", async () => {
    // runs with the real one until it is told to hurry
    const clock = { times: 1, base: performance.now(), now: 0 };
    const now = (): number => {
      const real = performance.now();
      clock.now += (real - clock.base) * clock.times;
      clock.base = real;
      return clock.now;
    };
    using server = testServer({ guard: new Guard(now), greeting: GREETING });
    const crowd = Array.from({ length: 1_000 }, () => silent(server.port));
    await until(() => server.guard.counts.waiting >= 400, "the crowd");
    const began = performance.now();
    const { client } = await link(server);
    const seen = collect(client);
    await until(() => seen.text === GREETING);
    const took = performance.now() - began;
    expect(took).toBeLessThan(1_000);
    expect(server.guard.counts.started + server.guard.counts.waiting).toBeGreaterThan(0);
    // now the rest of their ten seconds passes quickly
    clock.times = 20;
    await until(() => crowd.every(gone), "the silent ones to be gone");
    expect(server.guard.counts).toEqual({ started: 0, waiting: 0 });
    expect(client.closed).toBe(false);
    client.terminate();
  });

  test("40 silent ones a second from one address, and honest clients on it: each served in under a second", async () => {
    // else the first good session would give the address more places
    using server = testServer({ greeting: GREETING, remembers: false });
    const crowd: Socket[] = [];
    const flood = setInterval(() => crowd.push(silent(server.port)), 25);
    try {
      await until(() => server.guard.counts.waiting > 0, "a queue");
      const began = performance.now();
      const times: number[] = [];
      while (performance.now() - began < 2_500) {
        const since = performance.now();
        const report = await tlsClient(
          { port: server.port },
          { shown: server.known, alpn: "sock/1", enough: ({ application }) => application.length > 0 },
        );
        expect(report.application.toString()).toBe(GREETING);
        times.push(performance.now() - since);
      }
      expect(crowd.length).toBeGreaterThan(80);
      expect(Math.max(...times)).toBeLessThan(1_000);
    } finally {
      clearInterval(flood);
      for (const socket of crowd) socket.destroy();
    }
  });

  test("a ClientHello byte by byte ends by the deadline", async () => {
    using server = testServer({ guard: new Guard(fast(20)), greeting: GREETING });
    const { hello } = await tlsClient(
      { port: server.port },
      { shown: server.known, alpn: "sock/1", enough: () => true },
    );
    await until(() => server.guard.counts.started === 0);
    const socket = silent(server.port);
    let sent = 0;
    const drip = setInterval(() => {
      socket.write(hello.subarray(sent % hello.length, (sent % hello.length) + 1));
      sent += 1;
    }, 10);
    const began = performance.now();
    await until(() => gone(socket), "the end of it");
    clearInterval(drip);
    // ten seconds of its clock are half a second here
    expect(performance.now() - began).toBeGreaterThan(400);
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(sent).toBeLessThan(hello.length);
    expect(server.noted.decided).toBeLessThanOrEqual(1);
  });

  test("TLS begun and not finished ends by the deadline too", async () => {
    using server = testServer({ guard: new Guard(fast(20)), greeting: GREETING });
    const { hello } = await tlsClient(
      { port: server.port },
      { shown: server.known, alpn: "sock/1", enough: () => true },
    );
    await until(() => server.guard.counts.started === 0);
    const socket = silent(server.port);
    socket.write(hello);
    // half of a record, for ever
    socket.write(record(RECORD.application, new Uint8Array(100)).subarray(0, 50));
    await until(() => gone(socket), "the end of it", 2_000);
    expect(server.guard.counts).toEqual({ started: 0, waiting: 0 });
  });
});
