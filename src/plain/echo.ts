/**
 * `echo`, RFC 862, over TCP and UDP:
 *
 *     client   any bytes
 *     server   the same bytes, in the same order; a datagram for each datagram
 */
import { type EchoDialect, type PlainHost, refusalLine } from "./dialect.ts";
import type { Peer } from "./peer.ts";

export const echo: EchoDialect = {
  kind: "echo",
  name: "echo",
  drawn: ["client   bytes", "server   the same bytes"],
  answer: (peer, host) => answerChanged(peer, (bytes) => bytes, host, "echo"),
  refusal: refusalLine,
  reply: (bytes) => bytes,
  expected: (sent) => sent,
};

/** Sends back what `change` makes of each piece; it must not look beyond one. */
export async function answerChanged(
  peer: Peer,
  change: (bytes: Uint8Array) => Uint8Array,
  host: PlainHost,
  name: string,
): Promise<void> {
  let bytes = 0;
  let outcome = "lost";
  try {
    for (let piece = await peer.read(); piece !== undefined; piece = await peer.read()) {
      await peer.write(change(piece));
      bytes += piece.length;
    }
    outcome = "done";
  } finally {
    host.report(peer, name, bytes, outcome);
  }
}
