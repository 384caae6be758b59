/** One person in the room of this server. */
import { SockError } from "../errors.ts";
import type { ChatResponse, EnterChat } from "../protocol/chat-messages.ts";
import { CHAT_BURST, CHAT_LINE_MS } from "../protocol/constants.ts";
import type { Session } from "./session.ts";

/** From entering the room to leaving it. Throws what refuses it, and what the connection ended with. */
export async function answerChat(session: Session, request: EnterChat): Promise<void> {
  session.require("chat");
  const started = performance.now();
  const { channel, context, grant, run } = session;
  const { room } = context;
  const hear = (message: ChatResponse): void => {
    // what nobody reads would pile up here
    if (channel.congested) session.stop(new SockError("busy", "what was said in the chat was not read"));
    else channel.send(message);
  };
  const self = room.enter({
    owner: grant.hash,
    key: grant.name,
    wanted: request.name,
    run,
    hear,
    close: () => session.stop(new SockError("draining", "the server is stopping")),
  });
  const pace = new LinePace();
  let lines = 0;
  let bytes = 0;
  try {
    hear({ type: "room", name: self.name, people: room.others(self) });
    for (;;) {
      const { message } = await session.next();
      if (message.type === "finish") break;
      if (message.type !== "say") throw new SockError("protocol", `${message.type} in the middle of a chat`);
      await pace.next();
      // what waited here is not said by one who has gone, or may not any more
      if (channel.failure !== undefined) throw channel.failure;
      session.require("chat");
      lines += 1;
      bytes += Buffer.byteLength(message.text);
      const people = room.say(self, message.seq, message.text);
      hear({ type: "heard", seq: message.seq, people });
    }
    channel.send({ type: "left", name: self.name });
  } finally {
    room.leave(self);
    const outcome = channel.failure === undefined ? "ok" : "cut";
    session.report("chat", `${self.name}, ${lines} line${lines === 1 ? "" : "s"}`, bytes, started, outcome);
  }
}

/** A burst of lines, then one after another: who says more is read later. */
class LinePace {
  /** When all lines so far would have been due, one after another. */
  #due = 0;

  async next(): Promise<void> {
    const now = performance.now();
    this.#due = Math.max(this.#due, now) + CHAT_LINE_MS;
    const early = this.#due - now - CHAT_BURST * CHAT_LINE_MS;
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
  }
}
