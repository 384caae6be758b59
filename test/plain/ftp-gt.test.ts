/** What servers of `ftp-gt` answer to a get, as their authors wrote them, and as nobody should. */
import { expect, test } from "bun:test";
import { asSockError } from "../../src/errors.ts";
import { ftpGt } from "../../src/plain/ftp-gt.ts";
import { until } from "../helpers/until.ts";
import { writtenPeer } from "../helpers/written-peer.ts";

/** The bytes of a file, or the code of what refuses the answer. */
async function got(answers: readonly string[], body: string): Promise<string> {
  const { peer, written } = writtenPeer();
  const getting = (async () => {
    const coming = await ftpGt.get?.(peer, new TextEncoder().encode("f"));
    const pieces: Uint8Array[] = [];
    for await (const piece of coming?.pieces ?? []) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  })().catch((thrown: unknown) => asSockError(thrown).code);
  let isOver = false;
  void getting.finally(() => (isOver = true));
  for (const answer of answers) peer.onData(Buffer.from(answer));
  await until(() => isOver || written().endsWith("ok"), "an ok, or the end");
  if (!isOver) peer.onData(Buffer.from(body));
  return getting;
}

test.each(["yes:5", "yes:5\n", "yes:5\r\n", "yes:|5|\n", "yes:5 ", "yes:005"])(
  "%p, then the bytes",
  async (answer) => {
    expect(await got(answer.split("|"), "hello")).toBe("hello");
  },
);

test.each([
  ["blanks without an end", `yes:5${" ".repeat(100)}`],
  ["more digits than a length has", `yes:${"9".repeat(17)}`],
  ["a length that no number can be", "yes:9999999999999999"],
  ["less than nothing", "yes:-1"],
  ["digits of other scripts", "yes:٣"],
])("%s: refused", async (_what, answer) => {
  expect(await got([answer], "hello")).toBe("protocol");
});
