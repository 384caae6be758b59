/**
 * TLS 1.3 with client certificates, and the two decisions about a peer. Bun calls `handshake` even when the peer does
 * not hold its certificate's key, with that certificate in hand; so the order here matters: proof first, name second.
 * Both decisions are synchronous: what follows an asynchronous one could already be data.
 */
import type { BunFile, Socket, TLSOptions } from "bun";
import { timingSafeEqual } from "node:crypto";
import { SockError } from "../errors.ts";
import { ALPN } from "../protocol/constants.ts";
import { type Identity, spkiHashOf } from "./identity.ts";

const TLS_1_3 = 0x0304;
/** SSL_OP_NO_TICKET: a resumed session would skip the proof of the key. */
const SSL_OP_NO_TICKET = 0x4000;

/** What a handshake may report about a self-signed certificate whose key the peer has proved to hold. */
const SELF_SIGNED_CODES: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  // where SSL_CERT_FILE or NODE_EXTRA_CA_CERTS has the server's certificate, its name is looked at; it has none
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);

type HandshakeError = (Error & { code?: string }) | null | undefined;

interface TlsSettings extends TLSOptions {
  key: string | BunFile;
  minVersion: number;
  secureOptions: number;
  ALPNProtocols: Uint8Array;
}

function common(identity: Identity): TlsSettings {
  const name = new TextEncoder().encode(ALPN);
  return {
    key: identity.keyPem,
    cert: identity.certPem,
    minVersion: TLS_1_3,
    secureOptions: SSL_OP_NO_TICKET,
    // wire bytes: a length, then the name (RFC 7301); Bun breaks a plain string
    ALPNProtocols: Uint8Array.of(name.length, ...name),
    rejectUnauthorized: false,
  };
}

export function clientTls(identity: Identity): TlsSettings {
  return common(identity);
}

export function serverTls(identity: Identity): TlsSettings {
  return { ...common(identity), requestCert: true };
}

/** SHA-256 of the key (SPKI) that the client has proved to hold, or undefined: then the connection must end at once. */
export function provenClientKey(socket: Socket<unknown>, ok: boolean): Uint8Array | undefined {
  if (!ok || socket.alpnProtocol !== ALPN) return undefined;
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : spkiHashOf(certificate);
}

/** undefined when the server holds the pinned key; otherwise why not. */
export function serverMismatch(
  socket: Socket<unknown>,
  ok: boolean,
  error: HandshakeError,
  pin: Uint8Array,
): SockError | undefined {
  const code = error?.code ?? "";
  if (!ok && !SELF_SIGNED_CODES.has(code)) return handshakeFailure(code, error);
  if (socket.alpnProtocol !== ALPN) return notSock("it speaks TLS, but not sock");
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return notSock("it showed no certificate");
  const key = spkiHashOf(certificate);
  if (key.length === pin.length && timingSafeEqual(key, pin)) return undefined;
  return new SockError(
    "wrong-server",
    "another server answers there: its key is not the one in the join code",
    "if the server was set up anew, join it again with a new code; if not, somebody is in between",
  );
}

function handshakeFailure(code: string, error: HandshakeError): SockError {
  if (code === "ECONNRESET" || code === "EPIPE" || code === "") {
    return new SockError("lost", "the connection was closed before the server proved its key");
  }
  const reason = error?.message ?? code;
  // BoringSSL's words: a peer that signs with another key than its certificate's fails here too
  if (/BAD_SIGNATURE|CERTIFICATE_VERIFY|WRONG_SIGNATURE|DECRYPT_ERROR/i.test(reason)) {
    return new SockError("wrong-server", "the server showed a certificate whose key it does not hold");
  }
  return notSock("it does not speak TLS 1.3");
}

function notSock(why: string): SockError {
  return new SockError(
    "not-sock",
    `something else listens there: ${why}`,
    "is the port right? sock's is 7625",
  );
}
