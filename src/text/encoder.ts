/**
 * UTF-8 into another encoding, streaming: for `--out-encoding`, and for what is typed or piped to a program that does
 * not read UTF-8. A character that the encoding has not becomes `?`, one that is cut off too.
 */
import { codeTable, type CodeTable } from "./code-tables.ts";
import { astralPointer, fourBytes, fourPointer } from "./gb-table.ts";
import { RawStream } from "./stream.ts";

/** UTF-8 in, bytes of the encoding out. */
export interface TextEncoding {
  push(utf8: Uint8Array): Uint8Array;
  end(): Uint8Array;
}

const UNKNOWN = 0x3f;

/**
 * `encoding` as `encodingName` gives it; `raw`, `auto` and `utf-8` change nothing.
 * @throws SockError `usage` for an encoding that can only be read
 */
export function textEncoding(encoding: string): TextEncoding {
  if (encoding === "raw" || encoding === "auto" || encoding === "utf-8") return new RawStream();
  return new Utf8Reader(writerOf(encoding));
}

/** A whole text at once. @throws SockError `usage` */
export function encodeText(text: string, encoding: string): Uint8Array {
  if (encoding === "raw" || encoding === "auto" || encoding === "utf-8")
    return new TextEncoder().encode(text);
  return writerOf(encoding)(text);
}

type Writer = (text: string) => Uint8Array;

class Utf8Reader implements TextEncoding {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #write: Writer;

  constructor(write: Writer) {
    this.#write = write;
  }

  push(utf8: Uint8Array): Uint8Array {
    return this.#write(this.#decoder.decode(utf8, { stream: true }));
  }

  end(): Uint8Array {
    return this.#write(this.#decoder.decode());
  }
}

function writerOf(encoding: string): Writer {
  if (encoding === "utf-16le" || encoding === "utf-16be") {
    const little = encoding === "utf-16le";
    return (text) => wide(text, little);
  }
  const table = codeTable(encoding);
  const four = encoding === "gb18030";
  return (text) => narrow(text, table, four);
}

function wide(text: string, little: boolean): Uint8Array {
  const out = new Uint8Array(text.length * 2);
  const view = new DataView(out.buffer);
  for (let at = 0; at < text.length; at++) view.setUint16(at * 2, text.charCodeAt(at), little);
  return out;
}

/** `four`: what has no byte and no pair has four bytes. */
function narrow(text: string, table: CodeTable, four: boolean): Uint8Array {
  const out = new Uint8Array(text.length * (four ? 4 : 2));
  let used = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    const code = table[unit] ?? 0;
    if (code > 0xff) {
      out[used++] = code >> 8;
      out[used++] = code & 0xff;
    } else if (code > 0 || unit === 0) {
      out[used++] = code;
    } else {
      const point = text.codePointAt(at) ?? 0;
      if (point > 0xffff) at += 1;
      const pointer =
        four && point !== 0xfffd ? (point > 0xffff ? astralPointer(point) : fourPointer(point)) : -1;
      if (pointer < 0) out[used++] = UNKNOWN;
      else for (const byte of fourBytes(pointer)) out[used++] = byte;
    }
  }
  return out.subarray(0, used);
}
