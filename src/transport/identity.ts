/** Who one end is: a P-256 key, the certificate that shows it, and the hash that the other end compares. */
import {
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  randomBytes,
  type X509Certificate,
} from "node:crypto";
import { SockError } from "../errors.ts";
import { selfSignedCertificate } from "./certificate.ts";

export interface Identity {
  /** The private key: a P-256 scalar, 32 bytes, big-endian. All else follows from it. */
  secret: Uint8Array;
  keyPem: string;
  certPem: string;
  /** The public key as SubjectPublicKeyInfo, DER, 91 bytes (RFC 5480). */
  spki: Uint8Array;
  /** SHA-256 of `spki`, 32 bytes: the name under which the other end knows this key. */
  spkiHash: Uint8Array;
}

const SECRET_BYTES = 32;
const CURVE = "prime256v1";
/** The order of P-256 (FIPS 186-5, SP 800-186): secrets are from 1 to one less. */
const ORDER = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
// PKCS #8 (RFC 5958) around an ECPrivateKey (RFC 5915) with its public point; all lengths are fixed on P-256
const PKCS8_HEAD = Buffer.from(
  "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420",
  "hex",
);
const PKCS8_POINT = Buffer.from("a144034200", "hex");
const SPKI_HEAD = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
const POINT_BYTES = 65;

export function newIdentity(): Identity {
  for (;;) {
    const secret = randomBytes(SECRET_BYTES);
    if (isScalar(secret)) return identityFromSecret(secret);
  }
}

/**
 * The same key for the same 32 bytes, every time; the certificate differs in its signature only.
 * @throws SockError `usage` when they are no private key: wrong length, 0, or the curve's order and above
 */
export function identityFromSecret(secret: Uint8Array): Identity {
  if (!isScalar(secret))
    throw new SockError("usage", "not a private key", "make a new code with sock invite on the server");
  const ecdh = createECDH(CURVE);
  ecdh.setPrivateKey(secret);
  const point = ecdh.getPublicKey();
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, secret, PKCS8_POINT, point]),
    format: "der",
    type: "pkcs8",
  });
  const spki = Buffer.concat([SPKI_HEAD, point]);
  return {
    secret: Uint8Array.from(secret),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }),
    certPem: selfSignedCertificate(privateKey, "sock"),
    spki,
    spkiHash: sha256(spki),
  };
}

/** SHA-256 of the SubjectPublicKeyInfo in a certificate, 32 bytes. */
export function spkiHashOf(certificate: X509Certificate): Uint8Array {
  return sha256(certificate.publicKey.export({ type: "spki", format: "der" }));
}

/**
 * SHA-256 of a public key that a peer sent: exactly the 91 bytes of a point on P-256, nothing else.
 * @throws SockError `protocol`
 */
export function spkiHashOfKey(spki: Uint8Array): Uint8Array {
  const uncompressed = spki.length === SPKI_HEAD.length + POINT_BYTES && spki[SPKI_HEAD.length] === 4;
  if (!uncompressed || !SPKI_HEAD.equals(spki.subarray(0, SPKI_HEAD.length))) throw notAKey();
  try {
    // the library checks that the point is on the curve
    createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch (cause) {
    throw notAKey(cause);
  }
  return sha256(spki);
}

function isScalar(secret: Uint8Array): boolean {
  if (secret.length !== SECRET_BYTES || secret.every((byte) => byte === 0)) return false;
  return Buffer.compare(secret, ORDER) < 0;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash("sha256").update(bytes).digest());
}

function notAKey(cause?: unknown): SockError {
  return new SockError("protocol", "the key that the peer sent is not a P-256 key", undefined, { cause });
}
