import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { SockError } from "../../src/errors.ts";
import type { Address } from "../../src/protocol/address.ts";
import { connect } from "../../src/transport/connect.ts";
import { newIdentity } from "../../src/transport/identity.ts";
import { rejectionOf } from "../helpers/codes.ts";
import { testServer } from "../helpers/link.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { tlsServer } from "../helpers/tls13-peers.ts";
import { until } from "../helpers/until.ts";

const identity = newIdentity();
const pin = newIdentity().spkiHash;
const at = (port: number, host = "127.0.0.1"): Address => ({ kind: "tcp", host, port });

/** Takes connections, answers with `answer` and is otherwise silent. */
function foreign(answer?: string) {
  const sockets = new Set<Bun.Socket<undefined>>();
  const server = Bun.listen<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => void sockets.add(socket),
      data: (socket) => void (answer !== undefined && socket.write(answer)),
      close: (socket) => void sockets.delete(socket),
    },
  });
  return { address: at(server.port), sockets, [Symbol.dispose]: () => server.stop(true) };
}

/** A port of loopback on which nothing listens. */
function deadPort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

function attempt(addresses: Address[], timeoutMs = 5_000, signal?: AbortSignal) {
  return connect({ addresses, pin, identity, timeoutMs, ...(signal === undefined ? {} : { signal }) });
}

/** File descriptors of this process that are sockets; undefined where there is no /proc. */
function sockets(): number | undefined {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return undefined;
  }
}

describe("connect", () => {
  test("nothing listens: refused, at once", async () => {
    const began = performance.now();
    expect(await rejectionOf(attempt([at(deadPort())]))).toBe("refused");
    expect(performance.now() - began).toBeLessThan(500);
  });

  test("no unix socket there: refused", async () => {
    await using folder = await temporaryFolder();
    expect(await rejectionOf(attempt([{ kind: "unix", path: folder.join("none") }]))).toBe("refused");
  });

  test("no address at all: unreachable", async () => {
    expect(await rejectionOf(attempt([]))).toBe("unreachable");
  });

  test("a name that nobody knows: unreachable", async () => {
    expect(await rejectionOf(attempt([at(7625, "no-such-host.invalid")]))).toBe("unreachable");
  });

  test("takes the connection and says nothing: silent, when the time is over, and the socket is closed", async () => {
    using server = foreign();
    const began = performance.now();
    expect(await rejectionOf(attempt([server.address], 150))).toBe("silent");
    expect(performance.now() - began).toBeLessThan(600);
    await until(() => server.sockets.size === 0, "its socket to be closed");
  });

  test("silent on one address and refused on the other: silent says more", async () => {
    using server = foreign();
    expect(await rejectionOf(attempt([at(deadPort()), server.address], 300))).toBe("silent");
  });

  test.each([
    ["HTTP", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"],
    ["SSH", "SSH-2.0-OpenSSH_9.9\r\n"],
    ["a few bytes", "220 "],
  ])("something else listens (%s): not-sock", async (_what, answer) => {
    using server = foreign(answer.padEnd(64, "."));
    expect(await rejectionOf(attempt([server.address]))).toBe("not-sock");
    await until(() => server.sockets.size === 0);
  });

  test("TLS without our protocol's name: not-sock", async () => {
    const { keyPem: key, certPem: cert } = newIdentity();
    const server = Bun.listen({ hostname: "127.0.0.1", port: 0, tls: { key, cert }, socket: { data() {} } });
    expect(await rejectionOf(attempt([at(server.port)]))).toBe("not-sock");
    server.stop(true);
  });

  test("several addresses, the first ones dead or silent: the right one wins quickly", async () => {
    using server = testServer();
    using silent = foreign();
    const began = performance.now();
    const connection = await server.connect(server.known, [at(deadPort()), silent.address, server.address]);
    expect(performance.now() - began).toBeLessThan(500);
    await until(() => server.noted.sessions.length === 1);
    await until(() => silent.sockets.size === 0, "the others to be closed");
    connection.terminate();
  });

  test("an impostor on the first address does not keep us from the right one", async () => {
    using server = testServer();
    await using impostor = await tlsServer(newIdentity());
    const connection = await server.connect(server.known, [at(impostor.port), server.address]);
    expect(connection.closed).toBe(false);
    connection.terminate();
    const report = await until(() => impostor.reports.find(({ closed }) => closed));
    expect(report.after.length).toBe(0);
  });

  test("of several failures the impostor is named", async () => {
    await using impostor = await tlsServer(newIdentity());
    using other = foreign("HTTP/1.1 400 Bad Request\r\n\r\n");
    expect(await rejectionOf(attempt([at(deadPort()), at(impostor.port), other.address]))).toBe(
      "wrong-server",
    );
  });

  test("the same server under several addresses: one session, whoever wins", async () => {
    using server = testServer();
    const connection = await server.connect(server.known, [server.address, server.address, server.address]);
    await until(() => server.noted.sessions.length > 0);
    await until(() => server.guard.counts.started === 0 && server.guard.counts.waiting === 0);
    expect(server.noted.sessions.filter(({ closed }) => !closed)).toHaveLength(1);
    connection.terminate();
  });

  test("stopped before or while it waits: at once, with the reason, and the socket is closed", async () => {
    using server = foreign();
    const reason = new SockError("terminated", "stopped by a signal");
    expect(await rejectionOf(attempt([server.address], 5_000, AbortSignal.abort(reason)))).toBe("terminated");
    const controller = new AbortController();
    const waiting = rejectionOf(attempt([server.address], 5_000, controller.signal));
    await until(() => server.sockets.size === 1);
    const began = performance.now();
    controller.abort(reason);
    expect(await waiting).toBe("terminated");
    expect(performance.now() - began).toBeLessThan(200);
    await until(() => server.sockets.size === 0, "its socket to be closed");
    const other = new AbortController();
    other.abort();
    expect(await rejectionOf(attempt([server.address], 5_000, other.signal))).toBe("interrupted");
  });

  test("a signal that outlives many attempts keeps none of them", async () => {
    const controller = new AbortController();
    const listeners = new Set<unknown>();
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (type: string, listener: unknown, options?: unknown) => {
      listeners.add(listener);
      add(type, listener as EventListener, options as AddEventListenerOptions);
    };
    signal.removeEventListener = (type: string, listener: unknown) => {
      listeners.delete(listener);
      remove(type, listener as EventListener);
    };
    for (let count = 0; count < 5; count++) await rejectionOf(attempt([at(deadPort())], 1_000, signal));
    expect(listeners.size).toBe(0);
  });
});

const before = sockets();
afterAll(async () => {
  if (before === undefined) return;
  await until(() => (sockets() ?? 0) <= before + 2, "the sockets of this file to be closed");
});
