import { SockError } from "../errors.ts";
import type { BlockPool } from "../files/blocks.ts";
import { createDigester } from "../files/digest.ts";
import { type ReadBlock, sendBlocks } from "../files/sending.ts";
import type { Digest, Done, OnExists } from "../protocol/messages.ts";
import type { Session } from "./session.ts";

/** What is sent: a file, or a stream of unknown length. */
export interface Source {
  /** Its own name, used where the destination is a folder. */
  readonly name: string;
  readonly length: number | null;
  readonly mtimeUs: number | null;
  readonly mode: number | null;
  readonly read: ReadBlock;
  /** Whether it is not any more what it was when it was opened. */
  changed(): boolean;
}

export interface PutOptions {
  readonly digest: Digest;
  readonly onExists: OnExists;
  readonly verify: boolean;
  readonly sync: boolean;
  readonly pool: BlockPool;
  readonly onProgress?: (bytes: number) => void;
}

const ENTRY = 0;

/** Sends one file. What it returns is the server's own account, and equal to ours. Throws what either side ran into. */
export async function put(session: Session, source: Source, to: string, options: PutOptions): Promise<Done> {
  session.require("put");
  const { channel } = session;
  const { digest, onExists, verify, sync } = options;
  channel.send({ type: "put", to, digest, on_exists: onExists, verify, sync });
  const { name: path, length, mtimeUs: mtime, mode } = source;
  channel.send({ type: "entry", entry: ENTRY, kind: "file", path, length, mtime, mode });
  const answer = new Answer(session);
  const digester = createDigester(digest, length);
  try {
    const sink = {
      send: (block: Uint8Array) => channel.send({ type: "data", entry: ENTRY, size: block.length }, block),
      ready: () => channel.ready(),
      flushed: () => channel.flushed(),
      get stopped() {
        return answer.given;
      },
    };
    let sent: { bytes: number; digest: string } | undefined;
    try {
      sent = await sendBlocks(source.read, digester, options.pool, sink, options.onProgress);
      if (sent !== undefined && source.changed()) throw changed(source.name);
    } catch (thrown) {
      await abort(session, answer, thrown);
      throw thrown;
    }
    if (sent === undefined) channel.send({ type: "abort", entry: ENTRY, code: "interrupted" });
    else channel.send({ type: "end", entry: ENTRY, bytes: sent.bytes, digest: sent.digest });
    channel.send({ type: "finish" });
    // in this order: what comes after a refusal must not be taken for an answer to the next put
    await answer.finished();
    const done = await answer.done();
    check(done, sent, onExists);
    return done;
  } finally {
    digester.close();
  }
}

/** The sender's own failure: nothing is published there, and the session can go on. */
async function abort(session: Session, answer: Answer, thrown: unknown): Promise<void> {
  if (session.channel.failure !== undefined) return;
  const code = thrown instanceof SockError ? thrown.code : "io";
  session.channel.send({ type: "abort", entry: ENTRY, code });
  session.channel.send({ type: "finish" });
  await answer.finished().catch(() => undefined);
}

/** The server's word counts only where it fits what was asked and sent. */
function check(done: Done, sent: { bytes: number; digest: string } | undefined, onExists: OnExists): void {
  const skips = done.action === "skipped";
  if ((skips && onExists !== "skip") || (done.action === "renamed" && onExists !== "rename")) {
    throw new SockError("protocol", `the server ${done.action} a file, and was not asked to`);
  }
  if (skips) return;
  if (sent === undefined)
    throw new SockError("protocol", "the server says that it has all, before all was sent");
  if (done.bytes === sent.bytes && done.digest === sent.digest) return;
  throw new SockError("differs", "the server published something else than what was sent", "send it again");
}

function changed(name: string): SockError {
  return new SockError(
    "changed",
    `${name} changed while it was sent`,
    "send it again when nothing writes to it",
  );
}

/** What the server says while we send: read beside the sending, so that a refusal stops it early. */
class Answer {
  /** There is an answer for the entry, good or bad. */
  given = false;
  readonly #done: Promise<Done>;
  readonly #finished: Promise<void>;

  constructor(session: Session) {
    const { promise, resolve, reject } = Promise.withResolvers<Done>();
    this.#done = promise;
    this.#finished = this.#read(session, resolve, reject);
    // both are awaited later; until then a failure is only remembered
    this.#done.catch(() => undefined);
    this.#finished.catch(() => undefined);
  }

  done(): Promise<Done> {
    return this.#done;
  }

  finished(): Promise<void> {
    return this.#finished;
  }

  async #read(
    session: Session,
    resolve: (done: Done) => void,
    reject: (error: unknown) => void,
  ): Promise<void> {
    try {
      for (;;) {
        const { message } = await session.next();
        if (message.type === "done") resolve(message);
        else if (message.type === "stop") reject(new SockError(message.code, message.message, message.hint));
        else if (message.type === "result") {
          reject(new SockError("protocol", "the server ended without an answer"));
          return;
        } else throw new SockError("protocol", `the server answered a put with ${message.type}`);
        this.given = true;
      }
    } catch (thrown) {
      reject(thrown);
      throw thrown;
    } finally {
      this.given = true;
    }
  }
}
