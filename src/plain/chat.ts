/**
 * `chat`, over TCP: two people, or one here and several there.
 *
 *     both     text, UTF-8, no end
 *     client   q   leaves
 */
import { type ChatDialect, refusalLine } from "./dialect.ts";

/** What a peer says to leave. */
export const LEAVE = "q";

export function isLeave(text: Uint8Array): boolean {
  return text.length <= 3 && new TextDecoder().decode(text).trim() === LEAVE;
}

export const chat: ChatDialect = {
  kind: "chat",
  name: "chat",
  drawn: ["both     text, UTF-8, no end; q leaves"],
  async answer(peer, host) {
    const { chat: room } = host;
    if (room === undefined) return;
    let bytes = 0;
    room.join(peer);
    try {
      for (let text = await peer.read(); text !== undefined && !isLeave(text); text = await peer.read()) {
        bytes += text.length;
        room.heard(peer, text);
      }
    } finally {
      room.leave(peer);
      host.report(peer, "chat", bytes, "left");
    }
  },
  refusal: refusalLine,
};
