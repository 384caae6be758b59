/**
 * The server's half of a pair, for machines without state (`SOCK_SERVE`): its key, and the one grant that it knows.
 *
 *     "sockserve1_" base62 of
 *        0   1   version, 1
 *        1  32   the server's private key, a P-256 scalar, big-endian
 *       33  32   SHA-256 of the client's SubjectPublicKeyInfo
 *       65   8   expiry, ms since 1970, big-endian; 0: never
 *       73   2   length of the JSON, big-endian
 *       75   n   JSON: {"name", "caps", "scope", "cidr", "exec"}
 *     75+n   4   CRC-32
 */
import { SockError } from "../errors.ts";
import { type Capability, isCapability } from "./capabilities.ts";
import { joinBytes, malformed, openCode, PayloadReader, sealCode } from "./code-text.ts";
import { MAX_CODE_CHARS } from "./constants.ts";

export const SERVE_PREFIX = "sockserve1_";
const VERSION = 1;
const KEY_BYTES = 32;

export interface ServeSecret {
  /** The server's private key, 32 bytes. */
  secret: Uint8Array;
  /** SHA-256 of the client's SPKI, 32 bytes. */
  client: Uint8Array;
  /** ms since 1970, or null: never. */
  expires: number | null;
  name: string;
  caps: Capability[];
  scope: string;
  cidr: string[];
  /** Commands that it may run, each an argv. */
  exec: string[][];
}

/** @throws SockError `usage` when name, scope and address ranges are too long together */
export function encodeServeSecret(half: ServeSecret): string {
  if (half.secret.length !== KEY_BYTES || half.client.length !== KEY_BYTES) throw malformed();
  const { name, caps, scope, cidr, exec } = half;
  const json = new TextEncoder().encode(
    JSON.stringify({ name, caps, scope, cidr, ...(exec.length === 0 ? {} : { exec }) }),
  );
  const expiry = new Uint8Array(8);
  new DataView(expiry.buffer).setBigUint64(0, BigInt(half.expires ?? 0));
  const payload = joinBytes([
    [VERSION],
    half.secret,
    half.client,
    expiry,
    [json.length >> 8, json.length & 255],
    json,
  ]);
  const text = json.length < 65_536 ? sealCode(SERVE_PREFIX, payload) : "";
  if (text === "" || text.length > MAX_CODE_CHARS) {
    throw new SockError("usage", "too many address ranges, or too long a scope, for a pair");
  }
  return text;
}

/** @throws SockError `usage`; never with a word of the text in it */
export function parseServeSecret(text: string): ServeSecret {
  if (!text.includes(SERVE_PREFIX) && text.includes("sock1_")) {
    throw new SockError(
      "usage",
      "this is the client's half of a pair (SOCK_JOIN)",
      `the server's half starts with ${SERVE_PREFIX}`,
    );
  }
  const reader = new PayloadReader(openCode(SERVE_PREFIX, text));
  if (reader.byte() !== VERSION) throw malformed();
  const secret = reader.take(KEY_BYTES);
  const client = reader.take(KEY_BYTES);
  const expiry = Number(new DataView(reader.take(8).buffer).getBigUint64(0));
  const json = reader.text(reader.uint16());
  reader.end();
  if (!Number.isSafeInteger(expiry)) throw malformed();
  return { secret, client, expires: expiry === 0 ? null : expiry, ...parseRights(json) };
}

function parseRights(json: string): Pick<ServeSecret, "name" | "caps" | "scope" | "cidr" | "exec"> {
  let rights: unknown;
  try {
    rights = JSON.parse(json);
  } catch {
    throw malformed();
  }
  if (typeof rights !== "object" || rights === null) throw malformed();
  if (!("name" in rights && "caps" in rights && "scope" in rights && "cidr" in rights)) throw malformed();
  const { name, caps, scope, cidr } = rights;
  if (typeof name !== "string" || typeof scope !== "string") throw malformed();
  if (!Array.isArray(caps) || !caps.every(isCapability)) throw malformed();
  if (!Array.isArray(cidr) || !cidr.every((range) => typeof range === "string")) throw malformed();
  const exec = "exec" in rights ? rights.exec : [];
  if (!Array.isArray(exec) || !exec.every(isWords)) throw malformed();
  return { name, caps, scope, cidr, exec };
}

function isWords(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((word) => typeof word === "string");
}
