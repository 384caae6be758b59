/** A TLS 1.3 client and a server that show what they are told to show, and report exactly what the other side sent. */
import { randomBytes } from "node:crypto";
import { connect, createServer, type AddressInfo } from "node:net";
import {
  AES_128_GCM,
  certificateMessage,
  type Cipher,
  ECDSA_P256,
  EXTENSION,
  extension,
  KeySchedule,
  keyShare,
  message,
  MESSAGE,
  parseHello,
  RECORD,
  record,
  RecordStream,
  splitMessages,
  type TlsRecord,
  u16,
  v16,
  v8,
  verifyMessage,
  X25519,
} from "./tls13.ts";

/** A certificate and the key that signs for it, PEM; they need not belong together. */
export interface Shown {
  certPem: string;
  keyPem: string;
}

export interface ClientOptions {
  /** No certificate when left out. */
  shown?: Shown;
  /** undefined offers no ALPN. */
  alpn?: string | undefined;
  versions?: number[];
  /** Sent at once with the last flight, under the application's keys. */
  early?: Uint8Array;
  /** Looked at after each record; true ends the connection. */
  enough?: (report: ClientReport) => boolean;
}

export interface ClientReport {
  /** Our flights, as on the wire, to be sent again. */
  hello: Buffer;
  last: Buffer;
  /** All that the server sent. */
  received: Buffer;
  /** Types of the handshake messages before and after our last flight. */
  handshake: number[];
  after: number[];
  alerts: number[];
  application: Buffer;
}

/** Speaks to a server until it closes or `enough` is true. */
export async function tlsClient(
  target: { port: number } | { path: string },
  options: ClientOptions,
): Promise<ClientReport> {
  const socket = connect("port" in target ? { ...target, host: "127.0.0.1" } : target);
  const stream = new RecordStream(socket);
  const schedule = new KeySchedule();
  const share = keyShare();
  const hello = clientHello(share.public, options);
  schedule.add(hello);
  const report: ClientReport = {
    hello: record(RECORD.handshake, hello, 0x0301),
    last: Buffer.alloc(0),
    received: Buffer.alloc(0),
    handshake: [],
    after: [],
    alerts: [],
    application: Buffer.alloc(0),
  };
  socket.write(report.hello);
  let keys: { client: Cipher; server: Cipher } | undefined;
  for (let next = await stream.next(); next !== undefined; next = await stream.next()) {
    const { type, content } = decrypt(next, keys?.server);
    if (type === RECORD.alert) report.alerts.push(content.readUInt8(1));
    if (isClose(type, content)) break;
    if (type === RECORD.application) report.application = Buffer.concat([report.application, content]);
    if (type === RECORD.handshake) {
      for (const { type: kind, raw, body } of splitMessages(content)) {
        if (report.last.length > 0) {
          report.after.push(kind);
          continue;
        }
        report.handshake.push(kind);
        schedule.add(raw);
        if (kind === MESSAGE.serverHello) {
          const theirs = parseHello(body, kind).extensions.get(EXTENSION.keyShare);
          if (theirs === undefined) throw new Error("a ServerHello without a key share");
          keys = schedule.handshake(share.shared(theirs.subarray(4)));
        } else if (kind === MESSAGE.finished && keys !== undefined) {
          const application = schedule.application();
          report.last = Buffer.concat([
            finish("client", schedule, keys.client, options.shown, report.handshake),
            options.early === undefined
              ? Buffer.alloc(0)
              : application.client.seal(RECORD.application, options.early),
          ]);
          socket.write(report.last);
          keys = application;
        }
      }
    }
    if (options.enough?.(report) === true) break;
  }
  report.received = stream.received;
  socket.destroy();
  return report;
}

function clientHello(share: Buffer, { alpn, versions = [0x0304] }: ClientOptions): Buffer {
  return message(
    MESSAGE.clientHello,
    u16(0x0303),
    randomBytes(32),
    v8(randomBytes(32)),
    // the second one is for servers that would go down to 1.2: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    v16(u16(AES_128_GCM, 0xc02b)),
    v8(Buffer.of(0)),
    v16(
      extension(EXTENSION.versions, v8(u16(...versions))),
      extension(EXTENSION.groups, v16(u16(X25519))),
      extension(EXTENSION.signatures, v16(u16(ECDSA_P256))),
      extension(EXTENSION.keyShare, v16(u16(X25519), v16(share))),
      // with this one a server may offer tickets
      extension(EXTENSION.pskModes, v8(Buffer.of(1))),
      ...(alpn === undefined ? [] : [extension(EXTENSION.alpn, v16(v8(Buffer.from(alpn))))]),
    ),
  );
}

export interface ServerReport {
  /** Bytes of the ClientHello's records. */
  hello: number;
  /** All that came after the ClientHello, as bytes and opened as far as it can be. */
  after: Buffer;
  opened: { type: number; content: Buffer }[];
  closed: boolean;
}

export interface Impostor extends AsyncDisposable {
  readonly port: number;
  /** One for each connection. */
  readonly reports: ServerReport[];
}

/** A server that shows `shown` on a free port of loopback and asks for a client certificate. */
export async function tlsServer(shown: Shown, alpn = "sock/1"): Promise<Impostor> {
  const reports: ServerReport[] = [];
  const server = createServer((socket) => {
    const report: ServerReport = { hello: 0, after: Buffer.alloc(0), opened: [], closed: false };
    reports.push(report);
    void answer(new RecordStream(socket), shown, alpn, report).finally(() => {
      report.closed = true;
      socket.destroy();
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as AddressInfo).port,
    reports,
    [Symbol.asyncDispose]: () => new Promise((done) => server.close(() => done())),
  };
}

async function answer(stream: RecordStream, shown: Shown, alpn: string, report: ServerReport): Promise<void> {
  const first = await stream.next();
  const hello = splitMessages(first?.body ?? Buffer.alloc(0))[0];
  if (first === undefined || hello === undefined) return;
  report.hello = first.raw.length;
  const { sessionId, extensions } = parseHello(hello.body, MESSAGE.clientHello);
  const theirs = shareOf(extensions.get(EXTENSION.keyShare) ?? Buffer.alloc(0));
  const share = keyShare();
  const reply = message(
    MESSAGE.serverHello,
    u16(0x0303),
    randomBytes(32),
    v8(sessionId),
    u16(AES_128_GCM),
    Buffer.of(0),
    v16(
      extension(EXTENSION.versions, u16(0x0304)),
      extension(EXTENSION.keyShare, u16(X25519), v16(share.public)),
    ),
  );
  const schedule = new KeySchedule();
  schedule.add(hello.raw, reply);
  const keys = schedule.handshake(share.shared(theirs));
  const parameters = [
    message(MESSAGE.encryptedExtensions, v16(extension(EXTENSION.alpn, v16(v8(Buffer.from(alpn)))))),
    message(MESSAGE.certificateRequest, v8(), v16(extension(EXTENSION.signatures, v16(u16(ECDSA_P256))))),
  ];
  schedule.add(...parameters);
  const proof = finish("server", schedule, keys.server, shown, [MESSAGE.certificateRequest], parameters);
  stream.socket.write(Buffer.concat([record(RECORD.handshake, reply), proof]));
  let client = keys.client;
  for (let next = await stream.next(); next !== undefined; next = await stream.next()) {
    const opened = decrypt(next, client);
    report.opened.push(opened);
    if (isClose(opened.type, opened.content)) break;
    const kinds =
      opened.type === RECORD.handshake ? splitMessages(opened.content).map(({ type }) => type) : [];
    if (kinds.includes(MESSAGE.finished)) client = schedule.application().client;
  }
  report.after = stream.received.subarray(report.hello);
}

/** X25519's share among a ClientHello's. */
function shareOf(shares: Buffer): Buffer {
  for (let at = 2; at < shares.length; at += 4 + shares.readUInt16BE(at + 2)) {
    if (shares.readUInt16BE(at) === X25519) return shares.subarray(at + 4, at + 4 + 32);
  }
  throw new Error("a ClientHello without X25519");
}

/** Certificate, CertificateVerify and Finished after `before`, sealed in one record; Certificate only if asked for. */
function finish(
  side: "client" | "server",
  schedule: KeySchedule,
  cipher: Cipher,
  shown: Shown | undefined,
  peer: number[],
  before: Buffer[] = [],
): Buffer {
  const messages = [...before];
  const add = (next: Buffer): void => {
    messages.push(next);
    schedule.add(next);
  };
  if (peer.includes(MESSAGE.certificateRequest)) {
    add(certificateMessage(shown?.certPem));
    if (shown !== undefined) add(verifyMessage(side, shown.keyPem, schedule.transcript));
  }
  add(message(MESSAGE.finished, cipher.finished(schedule.transcript)));
  return cipher.seal(RECORD.handshake, Buffer.concat(messages));
}

/** The alert close_notify, section 6.1: a peer that said it waits for our end. */
function isClose(type: number, content: Buffer): boolean {
  return type === RECORD.alert && content.length === 2 && content[1] === 0;
}

function decrypt(next: TlsRecord, cipher: Cipher | undefined): { type: number; content: Buffer } {
  const sealed = next.type === RECORD.application && cipher !== undefined;
  return (sealed ? cipher.open(next) : undefined) ?? { type: next.type, content: next.body };
}
