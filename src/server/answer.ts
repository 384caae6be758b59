import { asSockError, SockError } from "../errors.ts";
import type { Frame } from "../protocol/frame.ts";
import type { ClientMessage } from "../protocol/messages.ts";
import { answerChat } from "./chat.ts";
import { answerEcho } from "./echo.ts";
import { answerEnrol } from "./enrol.ts";
import { answerExec } from "./exec.ts";
import { answerGet } from "./get.ts";
import { answerLs } from "./ls.ts";
import { answerPut } from "./put.ts";
import { answerTerminal, answerTerminals } from "./terminal.ts";
import type { Session } from "./session.ts";
import { answerUdp } from "./udp.ts";

/** One request, from its first frame to its end. Throws what ends the session too; other failures are told to the client. */
export function answer(session: Session, message: ClientMessage, frame: Frame): Promise<void> | undefined {
  const isQuick = message.type === "echo" && session.allows("echo") && session.echoes === undefined;
  if (!isQuick || session.grant.kind === "enrol") return answerInTime(session, message, frame);
  // nothing to wait for, and each promise would show in a round trip
  return answerEcho(session, frame);
}

async function answerInTime(session: Session, message: ClientMessage, frame: Frame): Promise<void> {
  const { channel, grant } = session;
  const started = performance.now();
  if (grant.kind === "enrol" && message.type !== "enrol") {
    throw new SockError(
      "capability",
      "this code is only for joining",
      "sock join CODE; for CI: sock invite --direct",
    );
  }
  try {
    await dispatch(session, message, frame);
  } catch (thrown) {
    const error = asSockError(thrown);
    if (channel.failure !== undefined || error.code === "protocol" || error.code === "internal") throw error;
    // the request has failed, the session has not
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    channel.send({ type: "error", code: error.code, message: error.message, ...hint });
    session.report(message.type, "path" in message ? message.path : "", 0, started, error.code);
    // who does not read the answers gets no more of them
    await channel.ready();
  }
}

async function dispatch(session: Session, message: ClientMessage, frame: Frame): Promise<void> {
  switch (message.type) {
    case "enrol":
      answerEnrol(session, message);
      return;
    case "echo":
      await answerEcho(session, frame);
      return;
    case "udp":
      session.require("udp");
      await answerUdp(session, message);
      return;
    case "put":
      await answerPut(session, message);
      return;
    case "get":
      session.require("get");
      await answerGet(session, message);
      return;
    case "ls":
      session.require("ls");
      await answerLs(session, message);
      return;
    case "exec":
      await answerExec(session, message);
      return;
    case "terminal":
    case "attach":
      await answerTerminal(session, message);
      return;
    case "chat":
      await answerChat(session, message);
      return;
    case "terminals":
      answerTerminals(session);
      return;
    default:
      throw new SockError("protocol", `${message.type} is not a request`);
  }
}
