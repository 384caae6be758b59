/** Peers without a key of the server's list: no session, not one byte of an application, and the server lives on. */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { connect as tcp } from "node:net";
import { join } from "node:path";
import { newIdentity } from "../../src/transport/identity.ts";
import { collect, link, type TestServer, testServer } from "../helpers/link.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { MESSAGE, RECORD, splitRecords } from "../helpers/tls13.ts";
import { type ClientOptions, tlsClient } from "../helpers/tls13-peers.ts";
import { until } from "../helpers/until.ts";

const ALPN = "sock/1";
const GREETING = "a session's first bytes";
const hello = Buffer.from("hello");
const other = newIdentity();

/** Sends `pieces` as they are, and gives all that came back until the end. */
async function raw(port: number, pieces: Uint8Array[], end = false): Promise<Buffer> {
  const socket = tcp({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  const got: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => got.push(chunk));
  for (const piece of pieces) socket.write(piece);
  if (end) socket.end();
  await until(() => socket.closed || socket.readableEnded, "the server to close");
  socket.destroy();
  return Buffer.concat(got);
}

/** The server has told nobody anything, and a client with a key comes in as before. */
async function unharmed(server: TestServer, decided = 0): Promise<void> {
  expect(server.noted).toMatchObject({ decided, sessions: [] });
  const { client } = await link(server);
  const seen = collect(client);
  await until(() => seen.text === GREETING);
  client.end();
  await until(() => client.closed && server.noted.sessions.every(({ closed }) => closed));
  await until(() => server.guard.counts.started === 0, "the guard to forget them");
}

describe("strangers", () => {
  test("the helper's client with certificate and key comes in: the refusals below are about the key", async () => {
    using server = testServer({ greeting: GREETING });
    const report = await tlsClient(
      { port: server.port },
      {
        shown: server.known,
        alpn: ALPN,
        early: hello,
        enough: ({ application }) => application.length >= GREETING.length,
      },
    );
    expect(report.application.toString()).toBe(GREETING);
    expect(server.noted).toMatchObject({ decided: 1, strangers: [] });
    const session = server.noted.sessions[0];
    await until(() => session?.bytesIn === hello.length);
  });

  test("no session tickets: the first bytes after the handshake are the session's", async () => {
    using server = testServer({ greeting: GREETING });
    const report = await tlsClient(
      { port: server.port },
      { shown: server.known, alpn: ALPN, enough: ({ application }) => application.length >= GREETING.length },
    );
    expect(report.handshake).toContain(MESSAGE.finished);
    expect(report.after).toEqual([]);
  });

  /** Alerts: decrypt_error 51, protocol_version 70, no_application_protocol 120; RFC 8446 section 6.2. */
  const CLIENTS: [what: string, alerts: number[], options: (server: TestServer) => ClientOptions][] = [
    [
      "a stolen certificate",
      [51],
      ({ known }) => ({ shown: { ...known, keyPem: other.keyPem }, alpn: ALPN }),
    ],
    ["no certificate", [], () => ({ alpn: ALPN })],
    ["TLS 1.2", [70], ({ known }) => ({ shown: known, alpn: ALPN, versions: [0x0303] })],
    ["TLS 1.2 and 1.1", [70], ({ known }) => ({ shown: known, alpn: ALPN, versions: [0x0303, 0x0302] })],
    ["another ALPN", [120], ({ known }) => ({ shown: known, alpn: "h2" })],
    ["an ALPN that begins like ours", [120], ({ known }) => ({ shown: known, alpn: "sock/10" })],
    ["no ALPN", [], ({ known }) => ({ shown: known })],
  ];
  test.each(CLIENTS)("%s: nothing but alerts, and decide is not asked", async (_what, alerts, options) => {
    using server = testServer({ greeting: GREETING });
    const report = await tlsClient({ port: server.port }, { early: hello, ...options(server) });
    expect(report.application.length).toBe(0);
    expect(report.after).toEqual([]);
    expect(report.alerts).toEqual(alerts);
    await until(() => server.noted.strangers.length === 1);
    await unharmed(server);
  });

  test("a key of its own that is not in the list is decided about, and has no session", async () => {
    using server = testServer({ greeting: GREETING });
    const report = await tlsClient({ port: server.port }, { shown: other, alpn: ALPN, early: hello });
    expect(report.application.length).toBe(0);
    await until(() => server.noted.refused.length === 1);
    expect(server.noted.refused[0]?.bytesOut).toBe(0);
    await unharmed(server, 1);
  });

  const HELLO_HEAD = Buffer.from("160301", "hex");
  const RAW: [what: string, pieces: Uint8Array[]][] = [
    ["plain HTTP", [Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")]],
    ["an SSH banner", [Buffer.from("SSH-2.0-OpenSSH_9.9\r\n")]],
    ["random bytes", [randomBytes(4096)]],
    ["zeros", [new Uint8Array(4096)]],
    ["a frame of ours without TLS", [Buffer.from('\x10\0\0\0{"type":"hello"}')]],
    [
      "a ClientHello that declares 64 KiB",
      [HELLO_HEAD, Buffer.from("ffff01ffffff", "hex"), new Uint8Array(70_000)],
    ],
    ["an alert", [Buffer.from("15030300020100", "hex")]],
    ["application data before all", [Buffer.from("1703030005", "hex"), hello]],
  ];
  test.each(RAW)("%s: not one byte of an application", async (_what, pieces) => {
    using server = testServer({ greeting: GREETING });
    const { records, rest } = splitRecords(await raw(server.port, pieces));
    expect(rest.length).toBe(0);
    expect(records.filter(({ type }) => type !== RECORD.alert)).toEqual([]);
    await unharmed(server);
  });

  test("connect and leave at once, a hundred times", async () => {
    using server = testServer({ greeting: GREETING });
    await Promise.all(Array.from({ length: 100 }, () => raw(server.port, [], true)));
    await unharmed(server);
  });

  test("a recorded client's flights, sent again: no session", async () => {
    using server = testServer({ greeting: GREETING });
    const first = await tlsClient(
      { port: server.port },
      {
        shown: server.known,
        alpn: ALPN,
        early: hello,
        enough: ({ application }) => application.length >= GREETING.length,
      },
    );
    const [session] = server.noted.sessions.splice(0);
    await until(() => session?.closed);
    for (const pieces of [[first.hello, first.last], [first.hello], [first.last]]) {
      const { records } = splitRecords(await raw(server.port, pieces, true));
      // the server's own flight is there, under keys that only the recorded client could know; none of it is a session's
      const size = records.reduce((sum, { raw: bytes }) => sum + bytes.length, 0);
      expect(size).toBeLessThan(first.received.length);
    }
    await unharmed(server, 1);
  });

  test("each flight of a good handshake, cut at every 16th byte", async () => {
    using server = testServer({ greeting: GREETING });
    const first = await tlsClient(
      { port: server.port },
      { shown: server.known, alpn: ALPN, enough: ({ application }) => application.length >= GREETING.length },
    );
    const [session] = server.noted.sessions.splice(0);
    await until(() => session?.closed);
    const cuts = Array.from({ length: Math.floor(first.hello.length / 16) }, (_, index) => index * 16);
    for (const cut of cuts) await raw(server.port, [first.hello.subarray(0, cut)], true);
    await unharmed(server, 1);
  });

  test("environment variables that make others trust anybody change nothing", async () => {
    await using folder = await temporaryFolder();
    await Bun.write(folder.join("ca.pem"), other.certPem);
    const script = `
      const { testServer } = await import(${JSON.stringify(join(import.meta.dir, "../helpers/link.ts"))});
      const { identityFromSecret } = await import(${JSON.stringify(join(import.meta.dir, "../../src/transport/identity.ts"))});
      const known = identityFromSecret(Uint8Array.from(${JSON.stringify([...other.secret])}));
      console.log(testServer({ known, greeting: ${JSON.stringify(GREETING)} }).port);`;
    await using child = Bun.spawn([process.execPath, "-e", script], {
      env: {
        ...process.env,
        NODE_TLS_REJECT_UNAUTHORIZED: "0",
        SSL_CERT_FILE: folder.join("ca.pem"),
        NODE_EXTRA_CA_CERTS: folder.join("ca.pem"),
      },
      stdout: "pipe",
      stderr: "ignore",
    });
    const { value } = await child.stdout.getReader().read();
    const port = Number(Buffer.from(value ?? []).toString());
    const stolen = { ...other, keyPem: newIdentity().keyPem };
    const got: string[] = [];
    for (const shown of [stolen, undefined, newIdentity(), other]) {
      const enough = (report: { application: Buffer }): boolean =>
        report.application.length >= GREETING.length;
      const report = await tlsClient(
        { port },
        { alpn: ALPN, enough, ...(shown === undefined ? {} : { shown }) },
      );
      got.push(report.application.toString());
    }
    expect(got).toEqual(["", "", "", GREETING]);
  });

  test("on a unix socket too", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "s");
    using server = testServer({ address: { kind: "unix", path }, greeting: GREETING });
    const stolen = { ...server.known, keyPem: other.keyPem };
    for (const shown of [stolen, undefined]) {
      const options = { alpn: ALPN, early: hello, ...(shown === undefined ? {} : { shown }) };
      const report = await tlsClient({ path }, options);
      expect(report.application.length).toBe(0);
    }
    await until(() => server.noted.strangers.length === 2);
    await unharmed(server);
  });
});
