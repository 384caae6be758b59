/** How the datagrams of a run look: ours, and those for an echo server that knows nothing of us. */
import { randomBytes } from "node:crypto";
import { DATAGRAM_HEADER_BYTES } from "../protocol/constants.ts";
import { DatagramView, datagramType, newProbe, payloadOf, REPLY } from "../protocol/datagram.ts";
import { ProbeKey } from "../transport/probe-key.ts";

export const FILLS = ["zero", "count", "random"] as const;
export type Fill = (typeof FILLS)[number];

/** What a reply says; times in ns. */
export interface WireReply {
  readonly number: number;
  readonly sent: number;
  readonly intact: boolean;
  readonly held: number | undefined;
  readonly place: number | undefined;
}

export interface Wire {
  /** The datagram of that number, sent now; valid until the next call. */
  probe(number: number): Uint8Array;
  /** Undefined for what is no reply to one of ours. */
  read(bytes: Buffer): WireReply | undefined;
}

/** ns of the clock that all round trips are measured by. */
export function nowNs(): number {
  return Math.round(performance.now() * 1e6);
}

function fill(bytes: Uint8Array, how: Fill): void {
  if (how === "random") bytes.set(randomBytes(bytes.length));
  if (how === "count") for (let at = 0; at < bytes.length; at++) bytes[at] = at & 0xff;
}

export class SockWire implements Wire {
  readonly #key: ProbeKey;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DatagramView;
  #crc: number;

  constructor(run: { cookie: Uint8Array; key: Uint8Array }, size: number, how: Fill = "zero") {
    this.#key = new ProbeKey(run.key);
    this.#bytes = newProbe(run.cookie, size);
    this.#view = new DatagramView(this.#bytes);
    fill(payloadOf(this.#bytes), how);
    this.#crc = Bun.hash.crc32(payloadOf(this.#bytes));
  }

  probe(number: number): Uint8Array {
    this.#view.probe(number, nowNs(), this.#crc);
    this.#key.sign(this.#bytes);
    return this.#bytes;
  }

  /** A probe with another payload, of any length up to the agreed one. */
  carry(number: number, payload: Uint8Array): Uint8Array {
    payloadOf(this.#bytes).set(payload);
    const bytes = this.#bytes.subarray(0, DATAGRAM_HEADER_BYTES + payload.length);
    this.#crc = Bun.hash.crc32(payload);
    this.#view.probe(number, nowNs(), this.#crc);
    this.#key.sign(bytes);
    return bytes;
  }

  read(bytes: Buffer): WireReply | undefined {
    if (datagramType(bytes) !== REPLY || !this.#key.verify(bytes)) return undefined;
    const view = new DatagramView(bytes);
    return {
      number: view.number,
      sent: view.sent,
      intact: Bun.hash.crc32(payloadOf(bytes)) === view.crc,
      held: view.held,
      place: view.replyNumber,
    };
  }
}

/** Bytes that a datagram for a plain echo server has at least: id of the run, number, time, CRC-32 of these. */
export const PLAIN_HEADER_BYTES = 28;
const ID_BYTES = 8;
const NUMBER_AT = 8;
const SENT_AT = 16;
const CRC_AT = 24;

export class PlainWire implements Wire {
  readonly #bytes: Buffer;

  constructor(size: number, how: Fill) {
    this.#bytes = Buffer.alloc(size);
    this.#bytes.set(randomBytes(ID_BYTES));
    fill(this.#bytes.subarray(PLAIN_HEADER_BYTES), how);
  }

  probe(number: number): Uint8Array {
    this.#bytes.writeBigUInt64BE(BigInt(number), NUMBER_AT);
    this.#bytes.writeBigUInt64BE(BigInt(nowNs()), SENT_AT);
    this.#bytes.writeUInt32BE(Bun.hash.crc32(this.#bytes.subarray(0, CRC_AT)), CRC_AT);
    return this.#bytes;
  }

  read(bytes: Buffer): WireReply | undefined {
    if (bytes.length < PLAIN_HEADER_BYTES) return undefined;
    if (bytes.compare(this.#bytes, 0, ID_BYTES, 0, ID_BYTES) !== 0) return undefined;
    if (bytes.readUInt32BE(CRC_AT) !== Bun.hash.crc32(bytes.subarray(0, CRC_AT))) return undefined;
    const intact =
      bytes.length === this.#bytes.length &&
      bytes.compare(this.#bytes, PLAIN_HEADER_BYTES, bytes.length, PLAIN_HEADER_BYTES) === 0;
    const number = Number(bytes.readBigUInt64BE(NUMBER_AT));
    const sent = Number(bytes.readBigUInt64BE(SENT_AT));
    return { number, sent, intact, held: undefined, place: undefined };
  }
}
