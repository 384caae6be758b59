/** Lengths as naive peers pack them: `struct.pack("i", n)` on x86, so a signed 32-bit integer, little-endian. */
import { SockError } from "../errors.ts";
import { MAX_INT32 } from "./limits.ts";

export const INT32_BYTES = 4;

/** Throws `too-large` for what 31 bits can't say: it must never come out negative, or small. */
export function encodeInt32(value: number): Uint8Array {
  if (value > MAX_INT32) throw tooLong(value);
  const bytes = new Uint8Array(INT32_BYTES);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

/** A length as a peer has sent it. Throws `protocol` for a negative one. */
export function decodeInt32(bytes: Uint8Array): number {
  const value = new DataView(bytes.buffer, bytes.byteOffset, INT32_BYTES).getInt32(0, true);
  if (value >= 0) return value;
  throw new SockError(
    "protocol",
    `the peer says a length of ${value} bytes`,
    "its answer is longer than 2^31-1 bytes, or no length leads it (--dialect)",
  );
}

export function tooLong(value: number): SockError {
  return new SockError("too-large", `${value} bytes are more than a signed 32-bit length can say (2^31-1)`);
}
