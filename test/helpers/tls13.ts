/**
 * The parts of TLS 1.3 (RFC 8446) that a hostile peer is made of: records, key schedule, handshake messages. For tests
 * only, because real libraries refuse to show a certificate with another's key. One suite, TLS_AES_128_GCM_SHA256 with
 * X25519 and ecdsa_secp256r1_sha256; tls13-peers.ts has the client and the server.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from "node:crypto";
import type { Socket } from "node:net";

/** Content types of records, section 5.1. */
export const RECORD = { changeCipherSpec: 20, alert: 21, handshake: 22, application: 23 };
/** Handshake types, section 4. */
export const MESSAGE = {
  clientHello: 1,
  serverHello: 2,
  newSessionTicket: 4,
  encryptedExtensions: 8,
  certificate: 11,
  certificateRequest: 13,
  certificateVerify: 15,
  finished: 20,
};
export const EXTENSION = {
  groups: 10,
  signatures: 13,
  alpn: 16,
  versions: 43,
  pskModes: 45,
  keyShare: 51,
};
export const X25519 = 0x001d;
export const ECDSA_P256 = 0x0403;
export const AES_128_GCM = 0x1301;
const TAG_BYTES = 16;

export const u16 = (...values: number[]): Buffer =>
  Buffer.concat(values.map((value) => Buffer.of(value >> 8, value & 255)));
export const u24 = (value: number): Buffer => Buffer.of(value >> 16, (value >> 8) & 255, value & 255);
/** A vector with its length in 1, 2 or 3 bytes, section 3.4. */
export const v8 = (...parts: Uint8Array[]): Buffer => lengthFirst((size) => Buffer.of(size), parts);
export const v16 = (...parts: Uint8Array[]): Buffer => lengthFirst((size) => u16(size), parts);
export const v24 = (...parts: Uint8Array[]): Buffer => lengthFirst(u24, parts);

function lengthFirst(length: (size: number) => Buffer, parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([length(body.length), body]);
}

export const message = (type: number, ...parts: Uint8Array[]): Buffer =>
  Buffer.concat([Buffer.of(type), v24(...parts)]);
export const extension = (type: number, ...parts: Uint8Array[]): Buffer =>
  Buffer.concat([u16(type), v16(...parts)]);
export const record = (type: number, body: Uint8Array, version = 0x0303): Buffer =>
  Buffer.concat([Buffer.of(type), u16(version), v16(body)]);

export interface TlsRecord {
  type: number;
  /** With its five bytes of head, as on the wire. */
  raw: Buffer;
  body: Buffer;
}

/** Whole records out of the front of `bytes`, and the rest. */
export function splitRecords(bytes: Buffer): { records: TlsRecord[]; rest: Buffer } {
  const records: TlsRecord[] = [];
  let at = 0;
  while (bytes.length - at >= 5) {
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    if (end > bytes.length) break;
    records.push({
      type: bytes.readUInt8(at),
      raw: bytes.subarray(at, end),
      body: bytes.subarray(at + 5, end),
    });
    at = end;
  }
  return { records, rest: bytes.subarray(at) };
}

/** The handshake messages that lie whole in `bytes`: type, all bytes, contents. */
export function splitMessages(bytes: Buffer): { type: number; raw: Buffer; body: Buffer }[] {
  const messages = [];
  for (let at = 0; bytes.length - at >= 4;) {
    const end = at + 4 + bytes.readUIntBE(at + 1, 3);
    messages.push({
      type: bytes.readUInt8(at),
      raw: bytes.subarray(at, end),
      body: bytes.subarray(at + 4, end),
    });
    at = end;
  }
  return messages;
}

/** Extensions of a ClientHello or ServerHello (its contents), and the session id that a server echoes. */
export function parseHello(
  body: Buffer,
  type: number,
): { sessionId: Buffer; extensions: Map<number, Buffer> } {
  let at = 2 + 32;
  const sessionId = body.subarray(at + 1, at + 1 + body.readUInt8(at));
  at += 1 + sessionId.length;
  at += type === MESSAGE.clientHello ? 2 + body.readUInt16BE(at) : 2;
  at += type === MESSAGE.clientHello ? 1 + body.readUInt8(at) : 1;
  const extensions = new Map<number, Buffer>();
  for (at += 2; at < body.length;) {
    const size = body.readUInt16BE(at + 2);
    extensions.set(body.readUInt16BE(at), body.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return { sessionId, extensions };
}

/** One direction under one traffic secret, sections 5.2, 5.3 and 7.3. */
export class Cipher {
  readonly #key: Buffer;
  readonly #iv: Buffer;
  readonly #secret: Buffer;
  #sequence = 0;

  constructor(secret: Buffer) {
    this.#secret = secret;
    this.#key = expandLabel(secret, "key", Buffer.alloc(0), 16);
    this.#iv = expandLabel(secret, "iv", Buffer.alloc(0), 12);
  }

  seal(type: number, content: Uint8Array): Buffer {
    const head = Buffer.concat([Buffer.of(RECORD.application), u16(0x0303, content.length + 1 + TAG_BYTES)]);
    const cipher = createCipheriv("aes-128-gcm", this.#key, this.#nonce()).setAAD(head);
    const sealed = [cipher.update(content), cipher.update(Buffer.of(type)), cipher.final()];
    return Buffer.concat([head, ...sealed, cipher.getAuthTag()]);
  }

  /** undefined when it is not under this secret. */
  open({ raw, body }: TlsRecord): { type: number; content: Buffer } | undefined {
    try {
      const decipher = createDecipheriv("aes-128-gcm", this.#key, this.#nonce()).setAAD(raw.subarray(0, 5));
      decipher.setAuthTag(body.subarray(-TAG_BYTES));
      const inner = Buffer.concat([decipher.update(body.subarray(0, -TAG_BYTES)), decipher.final()]);
      const end = inner.findLastIndex((byte) => byte !== 0);
      return { type: inner.readUInt8(end), content: inner.subarray(0, end) };
    } catch {
      return undefined;
    }
  }

  /** Contents of Finished, section 4.4.4. */
  finished(transcript: Buffer): Buffer {
    return hmac(expandLabel(this.#secret, "finished", Buffer.alloc(0), 32), transcript);
  }

  #nonce(): Buffer {
    const nonce = Buffer.from(this.#iv);
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ this.#sequence) >>> 0, 8);
    this.#sequence += 1;
    return nonce;
  }
}

/** Transcript hash and secrets, section 7.1, without a PSK. */
export class KeySchedule {
  readonly #messages: Buffer[] = [];
  #secret: Buffer = hmac(Buffer.alloc(32), Buffer.alloc(32));

  add(...messages: Buffer[]): void {
    this.#messages.push(...messages);
  }

  get transcript(): Buffer {
    return sha256(Buffer.concat(this.#messages));
  }

  /** Handshake traffic, from the shared secret: of the client, of the server. */
  handshake(shared: Uint8Array): { client: Cipher; server: Cipher } {
    return this.#step(shared, "hs");
  }

  /** Application traffic, after the server's Finished. */
  application(): { client: Cipher; server: Cipher } {
    return this.#step(Buffer.alloc(32), "ap");
  }

  #step(input: Uint8Array, stage: string): { client: Cipher; server: Cipher } {
    const salt = expandLabel(this.#secret, "derived", sha256(Buffer.alloc(0)), 32);
    this.#secret = hmac(salt, input);
    const traffic = (side: string): Cipher =>
      new Cipher(expandLabel(this.#secret, `${side} ${stage} traffic`, this.transcript, 32));
    return { client: traffic("c"), server: traffic("s") };
  }
}

/** A fresh X25519 key: its public half, and the secret shared with another's. */
export function keyShare(): { public: Buffer; shared: (other: Uint8Array) => Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  const jwk = { kty: "OKP", crv: "X25519" };
  return {
    public: Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url"),
    shared: (other) =>
      diffieHellman({
        privateKey,
        publicKey: createPublicKey({
          key: { ...jwk, x: Buffer.from(other).toString("base64url") },
          format: "jwk",
        }),
      }),
  };
}

/** Certificate, section 4.4.2; without one the list is empty. */
export function certificateMessage(pem: string | undefined): Buffer {
  const entry = pem === undefined ? [] : [v24(new X509Certificate(pem).raw), v16()];
  return message(MESSAGE.certificate, v8(), v24(...entry));
}

/** CertificateVerify, section 4.4.3. */
export function verifyMessage(
  side: "client" | "server",
  key: string | KeyObject,
  transcript: Buffer,
): Buffer {
  const text = `${" ".repeat(64)}TLS 1.3, ${side} CertificateVerify\0`;
  const signature = sign("sha256", Buffer.concat([Buffer.from(text), transcript]), key);
  return message(MESSAGE.certificateVerify, u16(ECDSA_P256), v16(signature));
}

/** What a socket brings, as bytes and as records; errors of the socket are its end. */
export class RecordStream {
  readonly socket: Socket;
  received: Buffer = Buffer.alloc(0);
  #rest: Buffer = Buffer.alloc(0);
  #records: TlsRecord[] = [];
  readonly #chunks: AsyncIterator<Buffer>;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    this.#chunks = (socket as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** The next whole record; undefined at the end. */
  async next(): Promise<TlsRecord | undefined> {
    while (this.#records.length === 0) {
      const { value, done } = await this.#chunks.next().catch(() => ({ value: undefined, done: true }));
      if (done === true || value === undefined) return undefined;
      this.received = Buffer.concat([this.received, value]);
      const { records, rest } = splitRecords(Buffer.concat([this.#rest, value]));
      this.#records = records;
      this.#rest = rest;
    }
    return this.#records.shift();
  }
}

function expandLabel(secret: Buffer, label: string, context: Uint8Array, length: number): Buffer {
  const info = Buffer.concat([u16(length), v8(Buffer.from(`tls13 ${label}`)), v8(context)]);
  // all lengths here are at most one block, so HKDF-Expand (RFC 5869) is one step
  return hmac(secret, Buffer.concat([info, Buffer.of(1)])).subarray(0, length);
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function hmac(key: Uint8Array, bytes: Uint8Array): Buffer {
  return createHmac("sha256", key).update(bytes).digest();
}
