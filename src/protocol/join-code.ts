/**
 * The join code: everything that a client needs, in one word.
 *
 *     "sock1_" base62 of
 *        0   1   version, 1
 *        1   1   flags: bit 0 direct; bits 1 to 3 number of addresses, 0 to 4; the rest 0
 *        2  32   SHA-256 of the server's SubjectPublicKeyInfo
 *       34  32   the client's private key, a P-256 scalar, big-endian
 *       66   n   addresses, each:
 *                  0, 4 bytes IPv4, 2 port      1, 16 bytes IPv6, 2 port
 *                  2, 1 length, name, 2 port    3, 1 length, path of a unix socket
 *     66+n   4   CRC-32
 *
 * Ports are big-endian.
 */
import { SockError } from "../errors.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import { joinBytes, malformed, openCode, PayloadReader, sealCode } from "./code-text.ts";
import { MAX_CODE_ADDRESSES } from "./constants.ts";
import { formatIp, parseIPv4, parseIPv6 } from "./ip.ts";

export const CODE_PREFIX = "sock1_";
const VERSION = 1;
const DIRECT = 1;
const KEY_BYTES = 32;
const KIND = { ipv4: 0, ipv6: 1, name: 2, unix: 3 } as const;

export interface JoinCode {
  /** True: the key is used as it is, by CI for example. False: it only enrols a fresh key. */
  direct: boolean;
  /** SHA-256 of the server's SPKI, 32 bytes. */
  pin: Uint8Array;
  /** The client's private key, 32 bytes. */
  secret: Uint8Array;
  /** At most MAX_CODE_ADDRESSES, the best first. */
  addresses: Address[];
}

/** @throws SockError `usage` with too many addresses */
export function encodeJoinCode(code: JoinCode): string {
  if (code.addresses.length > MAX_CODE_ADDRESSES) {
    throw new SockError(
      "usage",
      `a code holds ${MAX_CODE_ADDRESSES} addresses, not ${code.addresses.length}`,
    );
  }
  if (code.pin.length !== KEY_BYTES || code.secret.length !== KEY_BYTES) throw malformed();
  const flags = (code.direct ? DIRECT : 0) | (code.addresses.length << 1);
  return sealCode(
    CODE_PREFIX,
    joinBytes([[VERSION, flags], code.pin, code.secret, ...code.addresses.map(encodeAddress)]),
  );
}

/**
 * The code in a pasted text: bare, with `sock join` or `export SOCK_JOIN=` before it, quoted, or broken over lines.
 * @throws SockError `usage`; never with a word of the text in it
 */
export function parseJoinCode(text: string): JoinCode {
  if (!text.includes(CODE_PREFIX)) {
    if (text.includes("sockserve1_")) {
      throw new SockError(
        "usage",
        "this is the server's half of a pair (SOCK_SERVE)",
        "the client's half starts with sock1_",
      );
    }
    if (/\bsock[2-9][0-9]*_/.test(text)) {
      throw new SockError("usage", "this code was made by a newer sock", "install the same version here");
    }
  }
  const reader = new PayloadReader(openCode(CODE_PREFIX, text));
  const version = reader.byte();
  const flags = reader.byte();
  const count = (flags >> 1) & 7;
  if (version !== VERSION || flags >> 4 !== 0 || count > MAX_CODE_ADDRESSES) throw malformed();
  const pin = reader.take(KEY_BYTES);
  const secret = reader.take(KEY_BYTES);
  const addresses = Array.from({ length: count }, () => decodeAddress(reader));
  reader.end();
  return { direct: (flags & DIRECT) !== 0, pin, secret, addresses };
}

function encodeAddress(address: Address): Uint8Array {
  // what the other side would refuse must not get into a code
  parseAddress(formatAddress(address));
  const utf8 = new TextEncoder();
  if (address.kind === "unix") {
    const path = utf8.encode(address.path);
    return joinBytes([[KIND.unix, path.length], path]);
  }
  const port = [address.port >> 8, address.port & 255];
  const ipv4 = parseIPv4(address.host);
  if (ipv4 !== undefined) return joinBytes([[KIND.ipv4], ipv4, port]);
  const ipv6 = parseIPv6(address.host);
  if (ipv6 !== undefined) return joinBytes([[KIND.ipv6], ipv6, port]);
  const name = utf8.encode(address.host);
  return joinBytes([[KIND.name, name.length], name, port]);
}

function decodeAddress(reader: PayloadReader): Address {
  const kind = reader.byte();
  switch (kind) {
    case KIND.ipv4:
      return { kind: "tcp", host: formatIp(reader.take(4)), port: reader.uint16() };
    case KIND.ipv6:
      return { kind: "tcp", host: formatIp(reader.take(16)), port: reader.uint16() };
    case KIND.name: {
      const host = reader.text(reader.byte());
      return typed({ kind: "tcp", host, port: reader.uint16() });
    }
    case KIND.unix:
      return typed({ kind: "unix", path: reader.text(reader.byte()) });
    default:
      throw malformed();
  }
}

/** A name or a path from a code must be one that could have been typed. */
function typed(address: Address): Address {
  const text = formatAddress(address);
  try {
    if (formatAddress(parseAddress(text)) === text) return address;
  } catch {
    // said below
  }
  throw malformed();
}
