/**
 * `greet`, over TCP:
 *
 *     client   nothing
 *     server   "Thank you for connecting" CR LF, and closes
 */
import { type EchoDialect, refusalLine } from "./dialect.ts";

export const GREETING = "Thank you for connecting\r\n";

export const greet: EchoDialect = {
  kind: "echo",
  name: "greet",
  drawn: ["client   nothing", 'server   "Thank you for connecting" CR LF (or --text); closes'],
  async answer(peer, host) {
    const bytes = new TextEncoder().encode(host.greeting);
    await peer.write(bytes);
    host.report(peer, "greet", bytes.length, "done");
  },
  refusal: refusalLine,
  reply: undefined,
  expected: undefined,
};
