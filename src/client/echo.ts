import { SockError } from "../errors.ts";
import type { Frame } from "../protocol/frame.ts";
import type { Session } from "./session.ts";

/** Bytes of a text that travel in one frame. */
const PIECE_BYTES = 64 * 1024;

/** Sends bytes and returns what comes back for them. Throws `differs` when that is not the same. */
export async function echo(session: Session, bytes: Uint8Array): Promise<Uint8Array> {
  session.require("echo");
  const back = new Uint8Array(bytes.length);
  for (let at = 0, seq = 0; at === 0 || at < bytes.length; at += PIECE_BYTES, seq++) {
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    back.set(await roundTrip(session, piece, seq), at);
  }
  return back;
}

/** One frame there and back. */
export async function roundTrip(session: Session, body: Uint8Array, seq: number): Promise<Uint8Array> {
  session.channel.send({ type: "echo", size: body.length, seq }, body);
  const { message, frame } = await session.next();
  return check(message.type === "echo" && message.seq === seq, frame, body);
}

function check(expected: boolean, frame: Frame, body: Uint8Array): Uint8Array {
  const back = frame.body;
  if (!expected || back === undefined) {
    throw new SockError("protocol", `the server answered an echo with ${frame.header.type}`);
  }
  if (back.length !== body.length || !equal(back, body)) {
    throw new SockError("differs", "what came back is not what was sent");
  }
  return back;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
