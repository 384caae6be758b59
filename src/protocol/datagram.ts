/**
 * Datagrams of a measured run: a header of 64 bytes, then the payload. Numbers are big-endian.
 *
 *      0               2       3       4
 *     +-------+-------+-------+-------+
 *     | 's'     'u'   | 1     | type  |  magic, version; type 1 is a probe, 2 a reply
 *     +-------+-------+-------+-------+
 *  4  | cookie, 16 bytes              |  of the run, chosen by the server
 *     +-------------------------------+
 * 20  | number, u64                   |  of the probe, from 0
 * 28  | sent, u64                     |  client's monotonic clock, ns; the reply has the probe's
 * 36  | reply number, u32             |  server: replies of this run before this one; 0 in a probe
 * 40  | held, u32                     |  server: ns from the probe's arrival to this reply; 0 in a probe
 * 44  | CRC-32 of the payload, u32    |
 * 48  | tag, 16 bytes                 |  first half of HMAC-SHA256 over bytes 0 to 47, by the key of the run
 *     +-------------------------------+
 * 64  | payload                       |  the reply has the probe's
 */
import { COOKIE_BYTES, DATAGRAM_HEADER_BYTES, DATAGRAM_TAG_BYTES, MAX_UDP_COUNT } from "./constants.ts";

export const PROBE = 1;
export const REPLY = 2;

/** Bytes of the header that the tag covers. */
export const TAGGED_BYTES = DATAGRAM_HEADER_BYTES - DATAGRAM_TAG_BYTES;
export const COOKIE_AT = 4;
export const COOKIE_END = COOKIE_AT + COOKIE_BYTES;
const LEAD = 0x7375_0100;
const NUMBER_AT = 20;
const SENT_AT = 28;
const REPLY_NUMBER_AT = 36;
const HELD_AT = 40;
const CRC_AT = 44;
const TWO_32 = 2 ** 32;
const MAX_U32 = TWO_32 - 1;

/** A header's fields in its bytes; nothing is copied. */
export class DatagramView {
  readonly #view: DataView;

  /** `bytes` are DATAGRAM_HEADER_BYTES at least. */
  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Of the probe; above every valid one where it can't be. */
  get number(): number {
    const number = this.#u64(NUMBER_AT);
    return number > MAX_UDP_COUNT ? Number.POSITIVE_INFINITY : number;
  }

  /** ns of the client's clock. */
  get sent(): number {
    return this.#u64(SENT_AT);
  }

  get replyNumber(): number {
    return this.#view.getUint32(REPLY_NUMBER_AT);
  }

  /** ns. */
  get held(): number {
    return this.#view.getUint32(HELD_AT);
  }

  get crc(): number {
    return this.#view.getUint32(CRC_AT);
  }

  /** The fields of a probe that change from one to the next. */
  probe(number: number, sentNs: number, crc: number): void {
    this.#put64(NUMBER_AT, number);
    this.#put64(SENT_AT, sentNs);
    this.#view.setUint32(CRC_AT, crc);
  }

  /** Makes the reply of a probe. */
  reply(replyNumber: number, heldNs: number): void {
    this.#view.setUint32(0, LEAD | REPLY);
    this.#view.setUint32(REPLY_NUMBER_AT, replyNumber % TWO_32);
    this.#view.setUint32(HELD_AT, Math.min(MAX_U32, heldNs));
  }

  #u64(at: number): number {
    return this.#view.getUint32(at) * TWO_32 + this.#view.getUint32(at + 4);
  }

  #put64(at: number, value: number): void {
    this.#view.setUint32(at, Math.floor(value / TWO_32));
    this.#view.setUint32(at + 4, value % TWO_32);
  }
}

/** PROBE or REPLY, or 0 for what is no datagram of ours. */
export function datagramType(bytes: Uint8Array): number {
  if (bytes.length < DATAGRAM_HEADER_BYTES) return 0;
  if (bytes[0] !== 0x73 || bytes[1] !== 0x75 || bytes[2] !== 1) return 0;
  const type = bytes[3];
  return type === PROBE || type === REPLY ? type : 0;
}

/** A probe without number, time, checksum and tag. */
export function newProbe(cookie: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, LEAD | PROBE);
  bytes.set(cookie, COOKIE_AT);
  return bytes;
}

export function payloadOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(DATAGRAM_HEADER_BYTES);
}
