/** The person at `sock plain chat=…`: lines from stdin go to everybody, what comes is shown. */
import type { ChatRoom } from "../plain/dialect.ts";
import type { Peer } from "../plain/peer.ts";
import { isLeave } from "../plain/chat.ts";
import { CHAT_STALL_MS } from "../plain/limits.ts";
import { decodeText } from "../text/decoder.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { chooseDecoding } from "../text/encoding.ts";
import { lines } from "./lines.ts";
import type { Context } from "./verb.ts";

export interface ShownRoom extends ChatRoom {
  close(): void;
}

/** Undefined where nobody chats: stdin is not read then. */
export function chatRoom(context: Context, wanted: boolean): ShownRoom | undefined {
  if (!wanted) return undefined;
  const peers = new Set<Peer>();
  const over = new AbortController();
  const variable = context.env["SOCK_ENCODING"];
  const decoding = chooseDecoding({ variable, terminal: true });
  const say = async (): Promise<void> => {
    for await (const { bytes } of lines(Bun.stdin.stream(), over.signal)) {
      const text = bytes.slice();
      await Promise.all([...peers].map(async (peer) => tell(peer, text)));
    }
  };
  const tell = async (peer: Peer, text: Uint8Array): Promise<void> => {
    const late = setTimeout(() => peer.close(), CHAT_STALL_MS);
    // one that is gone hears nothing; its own end says so
    await peer.write(text).catch(() => undefined);
    clearTimeout(late);
    if (isLeave(text)) peer.close();
  };
  void say().catch(() => undefined);
  return {
    join: (peer) => void peers.add(peer),
    heard: (peer, bytes) => {
      const text = decodeText(bytes, decoding);
      context.json.emit({ type: "heard", peer: peer.name, text });
      if (context.json.enabled) return;
      const shown = text
        .replace(/\r?\n$/, "")
        .split(/\r?\n/)
        .map(escapeForDisplay);
      context.ui.print(shown.map((line) => `${peer.name}: ${line}`).join("\n"));
    },
    leave: (peer) => void peers.delete(peer),
    close: () => over.abort(),
  };
}
