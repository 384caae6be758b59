/** GB18030 by tables, filled once from TextDecoder, which is right: pairs and the four-byte sequences of the BMP. */

/** Bytes that lead a pair or a four-byte sequence, and the digits in the latter. */
const FIRST_LEAD = 0x81;
const LAST_LEAD = 0xfe;
const DIGITS = 10;
/** Four-byte sequences for each first byte, and for each first and second. */
const PER_FIRST = 12_600;
const PER_SECOND = 1260;
/** Four-byte sequences up to here are in the BMP; those from the other on are U+10000 and up. */
const BMP_POINTERS = 39_420;
const ASTRAL_POINTER = 189_000;
const LAST_CODE_POINT = 0x10ffff;

export interface GbTables {
  /** Index: lead byte without its top bit, times 256, plus trail byte. 0 where that is no pair. */
  readonly pairs: Uint16Array;
  /** The same index: the three bytes of a pair in UTF-8, the first one lowest; 0 where it has two, or is no pair. */
  readonly utf8: Int32Array;
}

let tables: GbTables | undefined;

/** Of pairs. */
export function gbTables(): GbTables {
  return (tables ??= build());
}

/** The code point of four bytes that look like a sequence; -1 where GB18030 has none. */
export function fourByteCodePoint(first: number, second: number, third: number, fourth: number): number {
  const pointer =
    (first - FIRST_LEAD) * PER_FIRST +
    (second - 0x30) * PER_SECOND +
    (third - FIRST_LEAD) * DIGITS +
    (fourth - 0x30);
  if (pointer < BMP_POINTERS) return fourTable()[pointer] ?? -1;
  const point = pointer - ASTRAL_POINTER + 0x10000;
  return pointer < ASTRAL_POINTER || point > LAST_CODE_POINT ? -1 : point;
}

/** The four bytes of a pointer. */
export function fourBytes(pointer: number): [number, number, number, number] {
  return [
    FIRST_LEAD + Math.floor(pointer / PER_FIRST),
    0x30 + (Math.floor(pointer / PER_SECOND) % DIGITS),
    FIRST_LEAD + (Math.floor(pointer / DIGITS) % (PER_SECOND / DIGITS)),
    0x30 + (pointer % DIGITS),
  ];
}

let reversed: Uint16Array | undefined;

/** The pointer of a character of the BMP that has no pair; -1 for what has none. */
export function fourPointer(unit: number): number {
  reversed ??= reverse(fourTable());
  return (reversed[unit] ?? 0) - 1;
}

function reverse(fours: Uint16Array): Uint16Array {
  const pointers = new Uint16Array(0x10000);
  for (let pointer = fours.length - 1; pointer >= 0; pointer--) pointers[fours[pointer] ?? 0] = pointer + 1;
  return pointers;
}

/** The pointer of a code point above the BMP. */
export function astralPointer(point: number): number {
  return point - 0x10000 + ASTRAL_POINTER;
}

function build(): GbTables {
  const bytes = new Uint8Array(2 * (LAST_LEAD - FIRST_LEAD + 1) * (LAST_LEAD - 0x40));
  let at = 0;
  for (let lead = FIRST_LEAD; lead <= LAST_LEAD; lead++) {
    for (let trail = 0x40; trail <= LAST_LEAD; trail++) {
      if (trail === 0x7f) continue;
      bytes[at++] = lead;
      bytes[at++] = trail;
    }
  }
  // each pair is one unit
  const characters = new TextDecoder("gb18030").decode(bytes);
  const pairs = new Uint16Array(128 * 256);
  const utf8 = new Int32Array(128 * 256);
  for (let pair = 0; pair < at / 2; pair++) {
    const index = (((bytes[2 * pair] ?? 0) & 0x7f) << 8) | (bytes[2 * pair + 1] ?? 0);
    const unit = characters.charCodeAt(pair);
    pairs[index] = unit;
    if (unit >= 0x800) utf8[index] = 0x8080e0 | (unit >> 12) | ((unit & 0xfc0) << 2) | ((unit & 0x3f) << 16);
  }
  return { pairs, utf8 };
}

let fours: Uint16Array | undefined;

/** Index: the pointer of GB18030's ranges. Few programs print what is in it, so it is made when it is first needed. */
function fourTable(): Uint16Array {
  if (fours !== undefined) return fours;
  const bytes = new Uint8Array(4 * BMP_POINTERS);
  for (let pointer = 0; pointer < BMP_POINTERS; pointer++) bytes.set(fourBytes(pointer), 4 * pointer);
  const characters = new TextDecoder("gb18030").decode(bytes);
  fours = new Uint16Array(BMP_POINTERS);
  for (let pointer = 0; pointer < BMP_POINTERS; pointer++) fours[pointer] = characters.charCodeAt(pointer);
  return fours;
}
