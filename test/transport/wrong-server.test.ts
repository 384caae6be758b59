/** What a server that is not the one in the join code gets to see: a ClientHello, and not one byte about the client. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { newIdentity } from "../../src/transport/identity.ts";
import { connect } from "../../src/transport/connect.ts";
import { rejectionOf } from "../helpers/codes.ts";
import { link, testServer } from "../helpers/link.ts";
import { Relay } from "../helpers/relay.ts";
import { EXTENSION, MESSAGE, parseHello, RECORD, splitMessages, splitRecords } from "../helpers/tls13.ts";
import { type Impostor, type Shown, tlsServer } from "../helpers/tls13-peers.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const genuine = newIdentity();
const other = newIdentity();
const client = newIdentity();

function attempt(port: number, pin = genuine.spkiHash) {
  return connect({
    addresses: [{ kind: "tcp", host: "127.0.0.1", port }],
    pin,
    identity: client,
    timeoutMs: 5_000,
  });
}

async function onlyReport(impostor: Impostor) {
  return await until(() => impostor.reports.find(({ closed }) => closed), "the impostor's report");
}

describe("wrong server", () => {
  test("the helper's server with certificate and key is accepted: the refusals below are about the key", async () => {
    await using server = await tlsServer(genuine);
    const connection = await attempt(server.port);
    connection.write(new TextEncoder().encode("hello"));
    connection.end();
    const report = await onlyReport(server);
    const said = report.opened
      .filter(({ type }) => type === RECORD.application)
      .map(({ content }) => content.toString());
    expect(said).toEqual(["hello"]);
    expect(Buffer.concat(report.opened.map(({ content }) => content)).includes(client.spki)).toBe(true);
  });

  test("a certificate of its own: nothing follows the ClientHello", async () => {
    await using server = await tlsServer(other);
    expect(await rejectionOf(attempt(server.port))).toBe("wrong-server");
    const report = await onlyReport(server);
    expect(report.hello).toBeGreaterThan(100);
    expect(report.after.length).toBe(0);
    expect(server.reports).toHaveLength(1);
  });

  test("the genuine certificate without its key: an alert follows the ClientHello, nothing else", async () => {
    const thief: Shown = { certPem: genuine.certPem, keyPem: other.keyPem };
    await using server = await tlsServer(thief);
    expect(await rejectionOf(attempt(server.port))).toBe("wrong-server");
    const report = await onlyReport(server);
    const kinds = new Set(report.opened.map(({ type }) => type));
    expect([...kinds].filter((type) => type !== RECORD.alert && type !== RECORD.changeCipherSpec)).toEqual(
      [],
    );
    expect(report.after.length).toBeLessThan(40);
  });

  test("another sock serve, behind a relay that counts: one flight", async () => {
    using server = testServer();
    await using relay = await Relay.start(server.port);
    expect(await rejectionOf(attempt(relay.port))).toBe("wrong-server");
    await until(() => relay.open === 0);
    const one = relay.bytes.up;
    expect(server.noted).toMatchObject({ decided: 0, sessions: [] });
    // the same relay in front of the right one carries more, so the count can tell the difference
    await link(server, { kind: "tcp", host: "127.0.0.1", port: relay.port });
    await until(() => server.noted.decided === 1);
    expect(relay.bytes.up - one).toBeGreaterThan(one + 200);
  });

  test("a relay in between that changes the server's answer", async () => {
    using server = testServer();
    const wire = Bun.listen<{ up: Bun.Socket<undefined> | undefined; changed: boolean }>({
      hostname: "127.0.0.1",
      port: 0,
      data: { up: undefined, changed: false },
      socket: {
        async open(down) {
          down.data = { up: undefined, changed: false };
          down.pause();
          down.data.up = await Bun.connect({
            hostname: "127.0.0.1",
            port: server.port,
            socket: {
              data(_up, chunk) {
                // one bit of the last byte of the server's flight
                if (!down.data.changed) chunk[chunk.length - 1] = (chunk.at(-1) ?? 0) ^ 1;
                down.data.changed = true;
                down.write(chunk);
              },
              close: () => void down.end(),
            },
          });
          down.resume();
        },
        data: (down, chunk) => void down.data.up?.write(chunk),
        close: (down) => void down.data.up?.end(),
      },
    });
    const code = await rejectionOf(attempt(wire.port, server.identity.spkiHash));
    wire.stop(true);
    expect(["wrong-server", "not-sock", "lost"]).toContain(code ?? "connected");
    expect(server.noted.sessions).toHaveLength(0);
  });

  test("another protocol's name is not taken for ours", async () => {
    await using server = await tlsServer(genuine, "sock/9");
    expect(await rejectionOf(attempt(server.port))).toBe("not-sock");
    const { opened } = await onlyReport(server);
    expect(opened.every(({ type }) => type === RECORD.alert || type === RECORD.changeCipherSpec)).toBe(true);
  });

  test("environment variables that make others trust anybody change nothing", async () => {
    await using impostor = await tlsServer(other);
    await using server = await tlsServer(genuine);
    await using folder = await certificateFile(other.certPem + genuine.certPem);
    const script = `
      const { connect } = await import(${JSON.stringify(join(import.meta.dir, "../../src/transport/connect.ts"))});
      const { newIdentity } = await import(${JSON.stringify(join(import.meta.dir, "../../src/transport/identity.ts"))});
      for (const port of [${impostor.port}, ${server.port}]) {
        const addresses = [{ kind: "tcp", host: "127.0.0.1", port }];
        const pin = Uint8Array.from(${JSON.stringify([...genuine.spkiHash])});
        const done = await connect({ addresses, pin, identity: newIdentity() }).then(() => "in", (error) => error.code);
        console.log(done);
      }
      process.exit(0);`;
    const run = Bun.spawn([process.execPath, "-e", script], {
      env: {
        ...process.env,
        NODE_TLS_REJECT_UNAUTHORIZED: "0",
        SSL_CERT_FILE: folder.file,
        SSL_CERT_DIR: folder.path,
        NODE_EXTRA_CA_CERTS: folder.file,
      },
      stdout: "pipe",
      stderr: "ignore",
    });
    expect((await run.stdout.text()).trim().split("\n")).toEqual(["wrong-server", "in"]);
    const report = await onlyReport(impostor);
    expect(report.after.length).toBe(0);
  });

  test("what the impostor saw is one ClientHello without the client's key or name", async () => {
    const seen: Buffer[] = [];
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket, chunk) {
          seen.push(Buffer.from(chunk));
          socket.end();
        },
      },
    });
    expect(await rejectionOf(attempt(server.port))).toBe("lost");
    server.stop(true);
    const { records, rest } = splitRecords(Buffer.concat(seen));
    expect(rest.length).toBe(0);
    expect(records.map(({ type }) => type)).toEqual([RECORD.handshake]);
    const [message] = splitMessages(records[0]?.body ?? Buffer.alloc(0));
    const { extensions } = parseHello(message?.body ?? Buffer.alloc(0), MESSAGE.clientHello);
    // one version, TLS 1.3, and two bytes for each
    expect(extensions.get(EXTENSION.versions)?.toString("hex")).toBe("020304");
    for (const secret of [client.spki, client.spkiHash, genuine.spkiHash, genuine.spki]) {
      expect(records[0]?.raw.includes(secret)).toBe(false);
    }
  });
});

async function certificateFile(pem: string) {
  const folder = await temporaryFolder();
  await Bun.write(folder.join("ca.pem"), pem);
  return {
    path: folder.path,
    file: folder.join("ca.pem"),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
