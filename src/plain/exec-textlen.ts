/**
 * `exec-textlen`, over TCP:
 *
 *     client   one command, UTF-8, in one send
 *     server   the length of stdout in decimal digits, alone in its segment
 *     server   stdout
 *
 * The naive client takes its first recv(1024) for the length, so the body waits a moment. Nothing ends the digits: where
 * they stick to a body that begins with digits too, only the whole length can tell (`TextLength`).
 */
import { SockError } from "../errors.ts";
import { ALONE_MS, ANSWER_PAUSE_MS, MAX_ANSWER_BYTES } from "./limits.ts";
import { answerCommands, lengthOf, writeAll } from "./command.ts";
import type { CommandDialect } from "./dialect.ts";
import { QUIET } from "./peer.ts";
import { TextLength } from "./text-length.ts";

export const execTextlen: CommandDialect = {
  kind: "commands",
  name: "exec-textlen",
  drawn: [
    "client   one command, UTF-8, no end",
    "server   the length of stdout in digits, alone in its segment;",
    "         then stdout",
  ],
  answer: (peer, host) =>
    answerCommands(peer, host, async ({ stdout }) => {
      const bytes = lengthOf(stdout);
      await peer.write(new TextEncoder().encode(String(bytes)));
      if (bytes > 0) await Bun.sleep(ALONE_MS);
      await writeAll(peer, stdout);
      return bytes;
    }),
  refusal: (text) => {
    const bytes = new TextEncoder().encode(`${text}\n`);
    return [new TextEncoder().encode(String(bytes.length)), bytes];
  },
  async *ask(peer, command) {
    await peer.write(command);
    const answer = new TextLength();
    for (;;) {
      const piece = answer.mayEnd ? await peer.readWithin(ANSWER_PAUSE_MS) : await peer.read();
      if (piece === QUIET || piece === undefined) {
        if (piece === undefined && answer.empty)
          throw new SockError("cut", "the peer has ended without an answer");
        yield answer.end();
        return;
      }
      answer.push(piece);
      // what is certainly the body is shown while more comes
      yield* answer.taken();
      if (answer.ended) return;
      if (answer.held > MAX_ANSWER_BYTES)
        throw new SockError("protocol", "an answer whose length can't be told");
    }
  },
};
