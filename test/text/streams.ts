/** Streams for tests: a clock that only tests move, and every way to cut. */
import type { Decoding } from "../../src/text/encoding.ts";
import { textStream } from "../../src/text/decoder.ts";
import type { C1 } from "../../src/text/stream.ts";

export interface Prior {
  encoding: string;
  stated?: boolean;
  c1?: C1;
}

export function decodingOf(prior: Prior): Decoding {
  return { kind: "text", encoding: prior.encoding, stated: prior.stated ?? false };
}

/** What a stream makes of these chunks, all at the same moment; also that the chunks stay what they were. */
export function decodeChunks(chunks: readonly Uint8Array[], prior: Prior): string {
  const stream = textStream(decodingOf(prior), { clock: () => 0, c1: prior.c1 });
  const out: Uint8Array[] = [];
  for (const chunk of chunks) {
    const own = Buffer.from(chunk);
    out.push(new Uint8Array(stream.push(own)));
    own.fill(0x21); // whoever reads from a socket uses the memory again
  }
  out.push(stream.end());
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(out));
}

/** All two-way and three-way cuts, empty chunks too, and byte by byte. */
export function* allCuts(bytes: Uint8Array): Generator<Uint8Array[]> {
  for (let a = 0; a <= bytes.length; a++) {
    yield [bytes.subarray(0, a), bytes.subarray(a)];
    for (let b = a; b <= bytes.length; b++)
      yield [bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)];
  }
  yield Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
}
