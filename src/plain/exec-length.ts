/**
 * `exec-length`, over TCP:
 *
 *     client   one command, UTF-8, in one send
 *
 *              0            4          4 + n
 *     server   +------------+------------+
 *              | n          | stdout,    |
 *              | int32 LE   | stderr     |
 *              +------------+------------+
 */
import { SockError } from "../errors.ts";
import { answerCommands, lengthOf, writeAll } from "./command.ts";
import type { CommandDialect } from "./dialect.ts";
import { decodeInt32, encodeInt32, INT32_BYTES } from "./int32.ts";
import type { Peer } from "./peer.ts";

export const execLength: CommandDialect = {
  kind: "commands",
  name: "exec-length",
  drawn: ["client   one command, UTF-8, no end", "server   int32 LE n, then n bytes: stdout, then stderr"],
  answer: (peer, host) =>
    answerCommands(peer, host, async ({ stdout, stderr }) => {
      const pieces = [...stdout, ...stderr];
      const bytes = lengthOf(pieces);
      await writeAll(peer, [encodeInt32(bytes), ...pieces]);
      return bytes;
    }),
  refusal: (text) => {
    const bytes = new TextEncoder().encode(`${text}\n`);
    return [Buffer.concat([encodeInt32(bytes.length), bytes])];
  },
  async *ask(peer, command, options) {
    await peer.write(command);
    yield* counted(peer, decodeInt32(await peer.exactly(INT32_BYTES)));
    // it would be taken for the next answer's length
    if (peer.drop() > 0) options.warn("the peer has sent more than the length that leads its answer");
  },
};

/** So many bytes, as they come. Throws `cut`. */
export async function* counted(peer: Peer, length: number): AsyncGenerator<Uint8Array> {
  for (let missing = length; missing > 0;) {
    const piece = await peer.upTo(missing);
    if (piece === undefined)
      throw new SockError("cut", `the peer has ended after ${length - missing} of ${length} bytes`);
    missing -= piece.length;
    yield piece;
  }
}
