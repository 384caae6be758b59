/** IP addresses as bytes: text to bytes and back, without asking the operating system. */

/** Four bytes of a dotted quad, or undefined; no leading zeros, no short forms (`127.1`). */
export function parseIPv4(text: string): Uint8Array | undefined {
  const parts = text.split(".", 5);
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [at, part] of parts.entries()) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[at] = Number(part);
  }
  return bytes;
}

/** Sixteen bytes of an IPv6 address in any form of RFC 4291 section 2.2 (no zone, no brackets), or undefined. */
export function parseIPv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1] ?? "", true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const length = head.length + tail.length;
  // "::" stands for at least one group
  if (halves.length === 1 ? length !== 16 : length > 14) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** Bytes of colon-separated groups; the last may be a dotted quad where the address ends. */
function groups(text: string, last: boolean): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const parts = text.split(":", 9);
  for (const [at, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      const value = Number.parseInt(part, 16);
      bytes.push(value >> 8, value & 255);
      continue;
    }
    const quad = last && at === parts.length - 1 ? parseIPv4(part) : undefined;
    if (quad === undefined) return undefined;
    bytes.push(...quad);
  }
  return bytes;
}

/** The canonical text of 4 or 16 bytes (RFC 5952: lower case, the first longest run of zero groups as `::`). */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const words: number[] = [];
  for (let at = 0; at < 16; at += 2) words.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (words[start + length] === 0) length += 1;
    if (length > best.length) best = { start, length };
  }
  const hex = words.map((word) => word.toString(16));
  if (best.length < 2) return hex.join(":");
  return `${hex.slice(0, best.start).join(":")}::${hex.slice(best.start + best.length).join(":")}`;
}

/**
 * Bytes of an address as a socket reports it: the zone is dropped, and an IPv4 address mapped into IPv6
 * (`::ffff:10.0.0.1`, what a socket on `[::]` shows) is the IPv4 address that it is.
 */
export function peerIp(text: string): Uint8Array | undefined {
  const bare = text.split("%", 1)[0] ?? "";
  const bytes = parseIPv4(bare) ?? parseIPv6(bare);
  return bytes !== undefined && isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** Whether 16 bytes are an IPv4 address mapped into IPv6 (RFC 4291 section 2.5.5.2). */
export function isMapped(bytes: Uint8Array): boolean {
  return (
    bytes.length === 16 &&
    bytes.subarray(0, 10).every((byte) => byte === 0) &&
    bytes[10] === 255 &&
    bytes[11] === 255
  );
}
