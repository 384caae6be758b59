/**
 * CRC-32/ISO-HDLC: polynomial 0x04C11DB7 reflected, initial value and final XOR 0xFFFFFFFF, as in zip and Ethernet.
 * Source: the CRC catalogue of G. Cook; ISO/IEC 13239. It finds accidents, not attackers.
 */
const POLYNOMIAL_REFLECTED = 0xedb88320;

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let remainder = index;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder & 1) === 1 ? (remainder >>> 1) ^ POLYNOMIAL_REFLECTED : remainder >>> 1;
  }
  return remainder;
});

/** Unsigned. `crc` is the result for the bytes before these. */
export function crc32(bytes: Uint8Array, crc = 0): number {
  let remainder = ~crc;
  for (const byte of bytes) remainder = (table[(remainder ^ byte) & 0xff] ?? 0) ^ (remainder >>> 8);
  return ~remainder >>> 0;
}
