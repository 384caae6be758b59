import { asSockError, SockError } from "../errors.ts";
import type { Digest, End, Entry } from "../protocol/messages.ts";
import type { Session } from "./session.ts";

/** Where what was got goes; the command line makes it a file or stdout. */
export interface Drain {
  /** `release` is called when the piece is not needed any more. */
  data(piece: Uint8Array, release?: () => void): Promise<void>;
  /** All is there; publishes it. Returns the digest of what was written. */
  end(bytes: number, digest: string): Promise<Pick<Got, "digest" | "action" | "name">>;
  discard(): Promise<void>;
}

export interface Got {
  readonly bytes: number;
  readonly digest: string;
  /** What it is called now: another name than asked for when that was taken. */
  readonly name: string;
  readonly action: "new" | "replaced" | "renamed" | "skipped";
}

/** A server that was told to stop has this long to do it, ms. */
const PASS_OVER_MS = 5000;

/**
 * Asks for one file. `open` is called with what the server says about it, and may refuse by
 * throwing, or by returning undefined: then the file is skipped.
 * Throws what either side ran into; then nothing was published.
 */
export async function get(
  session: Session,
  path: string,
  digest: Digest,
  open: (entry: Entry) => Drain | undefined,
): Promise<Got> {
  session.require("get");
  const { channel } = session;
  channel.send({ type: "get", path, digest });
  const entry = await expectEntry(session);
  let drain: Drain | undefined;
  try {
    drain = open(entry);
    if (drain === undefined) {
      await stop(session, entry, new SockError("exists", "is there already"));
      return { bytes: 0, digest: "", name: "", action: "skipped" };
    }
    const end = await receive(session, entry, drain, path);
    const got = await drain.end(end.bytes, end.digest);
    channel.send({
      type: "done",
      entry: entry.entry,
      bytes: end.bytes,
      digest: got.digest,
      action: got.action,
      path,
    });
    await expectResult(session);
    return { bytes: end.bytes, ...got };
  } catch (thrown) {
    await drain?.discard();
    await stop(session, entry, thrown).catch(() => undefined);
    throw thrown;
  }
}

async function receive(session: Session, entry: Entry, drain: Drain, path: string): Promise<End> {
  for (;;) {
    const { message, frame } = await session.next();
    if (message.type === "data" && message.entry === entry.entry && frame.body !== undefined) {
      await drain.data(frame.body, frame.release);
    } else if (message.type === "end" && message.entry === entry.entry) {
      return message;
    } else if (message.type === "abort") {
      throw new SockError(
        message.code,
        `${path}: the server could not send it to its end (${message.code})`,
        "try again",
      );
    } else {
      throw new SockError("protocol", `the server sent ${message.type} in the middle of a file`);
    }
  }
}

/** Tells the server that we want no more of it, and passes over what is on its way. */
async function stop(session: Session, entry: Entry, thrown: unknown): Promise<void> {
  if (session.channel.failure !== undefined) return;
  const { code, message } = asSockError(thrown);
  if (code === "protocol" || code === "changed" || code === "cut" || code === "differs") {
    // it did what no server of ours does: nothing more of it is worth reading
    session.channel.refuse(asSockError(thrown));
    return;
  }
  session.channel.send({ type: "stop", entry: entry.entry, code, message });
  const late = new SockError("lost", "the server goes on with what is not wanted any more");
  const timer = setTimeout(() => session.channel.fail(late), PASS_OVER_MS);
  try {
    for (;;) {
      const { message: next, frame } = await session.next();
      frame.release?.();
      if (next.type === "result") return;
    }
  } finally {
    clearTimeout(timer);
  }
}

async function expectEntry(session: Session): Promise<Entry> {
  const { message } = await session.next();
  if (message.type === "entry") return message;
  throw new SockError("protocol", `the server sent ${message.type} where a file was due`);
}

async function expectResult(session: Session): Promise<void> {
  const { message } = await session.next();
  if (message.type !== "result") {
    throw new SockError("protocol", `the server sent ${message.type} where the result was due`);
  }
}
