/**
 * `exec-header`, over TCP; the frame is that of sock itself, with other keys in its header:
 *
 *     client   one command, UTF-8, in one send
 *
 *              0            4               4 + n        4 + n + total_size
 *     server   +------------+---------------+------------+
 *              | n          | JSON          | stdout,    |
 *              | int32 LE   | total_size…   | stderr     |
 *              +------------+---------------+------------+
 */
import { createHash } from "node:crypto";
import { SockError } from "../errors.ts";
import { LENGTH_BYTES, MAX_HEADER_BYTES } from "../protocol/constants.ts";
import { MAX_INT32 } from "./limits.ts";
import { encodePrefixed, FrameDecoder, type Header } from "../protocol/frame.ts";
import { answerCommands, lengthOf, writeAll } from "./command.ts";
import type { AskOptions, CommandDialect } from "./dialect.ts";
import { tooLong } from "./int32.ts";
import type { Peer } from "./peer.ts";

export const execHeader: CommandDialect = {
  kind: "commands",
  name: "exec-header",
  drawn: [
    "client   one command, UTF-8, no end",
    "server   int32 LE n, n bytes of JSON with total_size,",
    "         then total_size bytes: stdout, then stderr",
  ],
  answer: (peer, host) =>
    answerCommands(peer, host, async ({ stdout, stderr }) => {
      const pieces = [...stdout, ...stderr];
      await writeAll(peer, [headerOf(pieces), ...pieces]);
      return lengthOf(pieces);
    }),
  refusal: (text) => {
    const bytes = new TextEncoder().encode(`${text}\n`);
    return [Buffer.concat([headerOf([bytes]), bytes])];
  },
  ask: (peer, command, options) => ask(peer, command, options),
};

function headerOf(parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part);
  const total = lengthOf(parts);
  if (total > MAX_INT32) throw tooLong(total);
  const header = { filename: "output", md5: hash.digest("hex"), total_size: total };
  return encodePrefixed(JSON.stringify(header), MAX_HEADER_BYTES);
}

async function* ask(peer: Peer, command: Uint8Array, options: AskOptions): AsyncGenerator<Uint8Array> {
  await peer.write(command);
  const hash = createHash("md5");
  const decoder = new FrameDecoder({
    inside: true,
    parse: parseAnswer,
    bodyLimit: MAX_INT32,
    isStream: () => true,
  });
  const first = new Uint8Array(LENGTH_BYTES);
  let seen = 0;
  let came = 0;
  let header: Header | undefined;
  let more = false;
  const isWhole = (): boolean => header !== undefined && came >= (header.size ?? 0);
  while (header === undefined || !isWhole()) {
    const bytes = await peer.read();
    if (bytes === undefined) throw cutAt(header, came);
    for (let at = 0; seen < first.length && at < bytes.length; at++) first[seen++] = bytes[at] ?? 0;
    const pieces: Uint8Array[] = [];
    try {
      decoder.push(bytes, (frame) => {
        if (isWhole()) {
          more = true;
          return;
        }
        ({ header } = frame);
        const piece = frame.body ?? new Uint8Array(0);
        came += piece.length;
        pieces.push(piece);
      });
    } catch (thrown) {
      // what comes behind the answer need be no frame
      if (!isWhole()) throw explained(thrown, first);
      more = true;
    }
    for (const piece of pieces) {
      hash.update(piece);
      yield piece;
    }
  }
  const dropped = peer.drop();
  if (more || decoder.midFrame || dropped > 0)
    options.warn("the peer has sent more than the total_size in its header");
  const { md5 } = header;
  if (typeof md5 === "string" && /^[0-9a-f]{32}$/i.test(md5) && md5.toLowerCase() !== hash.digest("hex")) {
    options.warn("the md5 in the peer's header is not that of its bytes");
  }
}

/** What this dialect's header says, as one of ours: `size` is `total_size`. Throws `protocol`. */
function parseAnswer(bytes: Uint8Array): Header {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new SockError("protocol", "the peer's header is no JSON", "another --dialect?");
  }
  if (typeof value !== "object" || value === null || !("total_size" in value)) {
    throw new SockError("protocol", "the peer's header has no total_size");
  }
  const size = value.total_size;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new SockError("protocol", "the total_size in the peer's header is no length");
  }
  if (size > MAX_INT32) throw tooLong(size);
  const md5 = "md5" in value && typeof value.md5 === "string" ? value.md5 : "";
  return { type: "answer", size, md5 };
}

function cutAt(header: Header | undefined, came: number): SockError {
  const where = header === undefined ? "before its header's end" : `after ${came} of ${header.size} bytes`;
  return new SockError("cut", `the peer has ended ${where}`);
}

/** A length that can be none of a header is what a wrong dialect looks like. */
function explained(thrown: unknown, first: Uint8Array): unknown {
  const length = new DataView(first.buffer).getInt32(0, true);
  if (length > 0 && length <= MAX_HEADER_BYTES) return thrown;
  const why = length < 0 ? "a length over 2^31-1, which int32 can't say" : `a header of ${length} bytes`;
  return new SockError("protocol", `the peer leads its answer with ${why}`, "another --dialect?");
}
