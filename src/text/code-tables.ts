/** From characters to bytes: what TextDecoder reads, the other way round, tables made once for each encoding. */
import { SockError } from "../errors.ts";
import { decoderOf, isGb } from "./encoding.ts";
import { gbTables } from "./gb-table.ts";

/** Index: UTF-16 unit; value: the bytes, the first one highest; 0 where there are none (NUL is ASCII everywhere). */
export type CodeTable = Uint16Array;

const tables = new Map<string, CodeTable>();

/** @throws SockError `usage` for an encoding that has states, or none at all */
export function codeTable(encoding: string): CodeTable {
  const known = tables.get(encoding);
  if (known !== undefined) return known;
  const table = isGb(encoding) ? gbPairs(encoding) : read(encoding);
  tables.set(encoding, table);
  return table;
}

function gbPairs(encoding: string): CodeTable {
  const table = new Uint16Array(0x10000);
  const { pairs } = gbTables();
  // the first of two that mean the same is the one in use
  for (let index = pairs.length - 1; index >= 0; index--) {
    const unit = pairs[index] ?? 0;
    if (unit !== 0) table[unit] = 0x8000 | index;
  }
  if (encoding === "gbk") table[0x20ac] = 0x80;
  return ascii(table);
}

/** By asking the decoder for every byte and every pair; those that give one unit can be written. */
function read(encoding: string): CodeTable {
  const decoder = decoderOf(encoding);
  if (decoder === undefined || encoding === "iso-2022-jp") {
    throw new SockError(
      "usage",
      `text can't be written in ${encoding}`,
      "gbk, gb18030, utf-8 and utf-16le can",
    );
  }
  const table = new Uint16Array(0x10000);
  const put = (bytes: Uint8Array, code: number): boolean => {
    const text = decoder.decode(bytes);
    const unit = text.charCodeAt(0);
    if (text.length !== 1 || unit === 0xfffd) return false;
    if (table[unit] === 0) table[unit] = code;
    return true;
  };
  for (let lead = 0x80; lead < 0x100; lead++) {
    if (put(Uint8Array.of(lead), lead)) continue;
    for (let trail = 0x40; trail < 0xff; trail++) put(Uint8Array.of(lead, trail), (lead << 8) | trail);
  }
  return ascii(table);
}

function ascii(table: CodeTable): CodeTable {
  for (let byte = 0; byte < 0x80; byte++) table[byte] = byte;
  return table;
}
