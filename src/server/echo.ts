import type { Frame } from "../protocol/frame.ts";
import { Wakeful } from "../transport/wakeful.ts";
import type { Session } from "./session.ts";

/** After an echo that came sooner than this after the one before, the next is waited for awake, ms. */
const AWAKE_MS = 0.1;
const wakeful = new Wakeful(AWAKE_MS);

/** Sends an `echo` back as it came: at once, or where `--impair` says so at its time, which is waited for. */
export function answerEcho(session: Session, frame: Frame): Promise<void> | undefined {
  session.require("echo");
  session.countEcho(frame.body?.length ?? 0);
  if (session.echoes !== undefined) return session.echoes.add(frame);
  session.channel.send(frame.header, frame.body);
  wakeful.came();
  return undefined;
}
