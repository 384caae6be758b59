/**
 * `upper`, over TCP and UDP:
 *
 *     client   any bytes
 *     server   the same with ASCII a-z raised to A-Z; every other byte as it is, so UTF-8 stays whole
 *
 * The second byte of a GBK character may be an ASCII letter: raised too, as the naive server does it on bytes.
 */
import { answerChanged } from "./echo.ts";
import { type EchoDialect, refusalLine } from "./dialect.ts";

const A = 0x61;
const Z = 0x7a;
const RAISE = 0x20;

export function raised(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => (byte >= A && byte <= Z ? byte - RAISE : byte));
}

export const upper: EchoDialect = {
  kind: "echo",
  name: "upper",
  drawn: ["client   bytes", "server   the same, a-z raised to A-Z"],
  answer: (peer, host) => answerChanged(peer, raised, host, "upper"),
  refusal: refusalLine,
  reply: raised,
  expected: raised,
};
