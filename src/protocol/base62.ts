/** Base 62 (0-9 A-Z a-z): one word that a double click selects and no shell or chat program touches. */

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE = 62n;

/**
 * Bytes as one big-endian number in base 62; a leading zero byte is a leading `0`, as in Base58, so that
 * every byte string has exactly one text. Quadratic: for codes, not for files.
 */
export function encodeBase62(bytes: Uint8Array): string {
  let zeros = 0;
  while (bytes[zeros] === 0) zeros += 1;
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  let text = "";
  for (; value > 0n; value /= BASE) text = DIGITS.charAt(Number(value % BASE)) + text;
  return "0".repeat(zeros) + text;
}

/** The bytes behind `encodeBase62`, or undefined where another character occurs. Callers bound the length. */
export function decodeBase62(text: string): Uint8Array | undefined {
  let zeros = 0;
  while (text[zeros] === "0") zeros += 1;
  let value = 0n;
  for (const char of text) {
    const digit = DIGITS.indexOf(char);
    if (digit < 0) return undefined;
    value = value * BASE + BigInt(digit);
  }
  const bytes: number[] = [];
  for (; value > 0n; value >>= 8n) bytes.push(Number(value & 255n));
  return Uint8Array.from([...Array.from({ length: zeros }, () => 0), ...bytes.reverse()]);
}
