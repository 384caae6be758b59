import type { Frame } from "../protocol/frame.ts";
import type { Session } from "./session.ts";

/** Sends an `echo` back as it came; a client that does not read its answers is not read either. */
export async function answerEcho(session: Session, first: Frame): Promise<void> {
  const { channel, echoes } = session;
  if (echoes !== undefined) return echoes.add(first);
  channel.send(first.header, first.body);
  await channel.ready();
}
