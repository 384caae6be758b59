/**
 * `exec`, over TCP; naive on both sides, for neither says where it ends:
 *
 *     client   one command, UTF-8, in one send
 *     server   stdout, then stderr, raw
 */
import { ANSWER_BEGIN_MS } from "./limits.ts";
import { answerCommands, lengthOf, writeAll } from "./command.ts";
import { type CommandDialect, refusalLine } from "./dialect.ts";
import { QUIET } from "./peer.ts";

export const exec: CommandDialect = {
  kind: "commands",
  name: "exec",
  drawn: ["client   one command, UTF-8, no end", "server   stdout, then stderr, no length"],
  answer: (peer, host) =>
    answerCommands(peer, host, async ({ stdout, stderr }) => {
      const pieces = [...stdout, ...stderr];
      await writeAll(peer, pieces);
      return lengthOf(pieces);
    }),
  refusal: refusalLine,
  async *ask(peer, command, options) {
    const { pauseMs } = options;
    await peer.write(command);
    let begun = false;
    for (;;) {
      const piece = await peer.readWithin(begun ? pauseMs : Math.max(pauseMs, ANSWER_BEGIN_MS));
      if (piece === undefined) return;
      if (piece === QUIET) {
        if (!begun) {
          options.warn("nothing came: it wrote nothing, or takes longer; this dialect can't say which");
        }
        return;
      }
      begun = true;
      yield piece;
    }
  },
};
