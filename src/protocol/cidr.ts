/** Address ranges of keys (`10.0.0.0/8`, `2001:db8::/32`, or one address), RFC 4632 and RFC 4291 notation. */
import { SockError } from "../errors.ts";
import { formatIp, isMapped, parseIPv4, parseIPv6, peerIp } from "./ip.ts";

interface Range {
  bytes: Uint8Array;
  /** Leading bits that must be equal. */
  bits: number;
}

/** A range as typed, in its canonical form: bits past the prefix are 0. @throws SockError `usage` */
export function parseCidr(text: string): string {
  const range = readRange(text.trim());
  if (range === undefined) {
    throw new SockError(
      "usage",
      `bad address range ${JSON.stringify(text.slice(0, 100))}`,
      "write 10.0.0.0/8, 2001:db8::/32 or one address",
    );
  }
  return `${formatIp(range.bytes)}/${range.bits}`;
}

export function isCidr(text: string): boolean {
  return readRange(text) !== undefined;
}

/**
 * Whether an address, as a socket reports it, is in one of the ranges. No ranges: always. No IP address (a unix
 * socket, or unreadable): only then.
 */
export function inRanges(address: string, ranges: readonly string[]): boolean {
  if (ranges.length === 0) return true;
  const bytes = peerIp(address);
  return bytes !== undefined && ranges.some((text) => contains(readRange(text), bytes));
}

function readRange(text: string): Range | undefined {
  const [host = "", prefix, more] = text.split("/", 3);
  const bytes = parseIPv4(host) ?? parseIPv6(host);
  if (bytes === undefined || more !== undefined) return undefined;
  if (prefix !== undefined && !/^(0|[1-9][0-9]{0,2})$/.test(prefix)) return undefined;
  const bits = prefix === undefined ? bytes.length * 8 : Number(prefix);
  if (bits > bytes.length * 8) return undefined;
  // sockets on [::] show IPv4 peers as ::ffff:a.b.c.d; both sides of the comparison are unwrapped
  if (isMapped(bytes) && bits >= 96) return masked(bytes.slice(12), bits - 96);
  return masked(bytes, bits);
}

function masked(bytes: Uint8Array, bits: number): Range {
  return { bytes: bytes.map((byte, at) => byte & maskAt(at, bits)), bits };
}

function contains(range: Range | undefined, bytes: Uint8Array): boolean {
  if (range === undefined || range.bytes.length !== bytes.length) return false;
  return range.bytes.every((byte, at) => byte === ((bytes[at] ?? 0) & maskAt(at, range.bits)));
}

/** The mask of one byte: its share of the leading `bits`. */
function maskAt(at: number, bits: number): number {
  const own = Math.min(8, Math.max(0, bits - at * 8));
  return (0xff << (8 - own)) & 0xff;
}
