/**
 * A self-signed certificate, made from its bytes: X.509 v3 (RFC 5280) with an EC key on P-256 (RFC 5480), in DER.
 * No library: `selfsigned` takes some 120 ms to load, which every command would pay; this takes less than 1 ms.
 * Nobody reads more than the key out of it (both sides compare the hash of the SPKI), so it has no extensions.
 */
import { createHash, createPublicKey, type KeyObject, sign } from "node:crypto";

const TAG = {
  integer: 0x02,
  bitString: 0x03,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  time: 0x18,
  version: 0xa0,
};
const ECDSA_WITH_SHA256 = Buffer.from("06082a8648ce3d040302", "hex");
const COMMON_NAME = Buffer.from("0603550403", "hex");
/** ub-common-name, RFC 5280 appendix A.1, characters. */
const MAX_COMMON_NAME = 64;

/**
 * A certificate for the public half of `privateKey`, signed by it with ECDSA and SHA-256; PEM.
 * It never expires (RFC 5280 section 4.1.2.5 has that date for it) and begins in 2020: clocks of fresh machines are
 * wrong, and expiry is a matter of the server's list, not of the certificate.
 */
export function selfSignedCertificate(privateKey: KeyObject, commonName: string): string {
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const algorithm = der(TAG.sequence, ECDSA_WITH_SHA256);
  const label = der(TAG.utf8, Buffer.from(Array.from(commonName).slice(0, MAX_COMMON_NAME).join("")));
  const name = der(TAG.sequence, der(TAG.set, der(TAG.sequence, COMMON_NAME, label)));
  // times up to 2049 must be a UTCTime, later ones a GeneralizedTime
  const validity = der(
    TAG.sequence,
    der(TAG.utcTime, Buffer.from("200101000000Z")),
    der(TAG.time, Buffer.from("99991231235959Z")),
  );
  const version = der(TAG.version, der(TAG.integer, Buffer.of(2)));
  const signed = der(
    TAG.sequence,
    version,
    der(TAG.integer, serialOf(spki)),
    algorithm,
    name,
    validity,
    name,
    spki,
  );
  const signature = der(TAG.bitString, Buffer.of(0), sign("sha256", signed, privateKey));
  const certificate = der(TAG.sequence, signed, algorithm, signature).toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${certificate.replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

/** A positive serial number that always has 16 bytes, the same for the same key. */
function serialOf(spki: Buffer): Buffer {
  const serial = createHash("sha256").update(spki).digest().subarray(0, 16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

/** Tag, length in the short or the long form, contents. */
function der(tag: number, ...contents: Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.of(tag, ...length), body]);
}
