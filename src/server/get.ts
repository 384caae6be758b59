import { asSockError, type ErrorCode, SockError } from "../errors.ts";
import { createDigester } from "../files/digest.ts";
import { wireSegments } from "../files/names.ts";
import { Outgoing } from "../files/outgoing.ts";
import { sendBlocks } from "../files/sending.ts";
import type { Get } from "../protocol/messages.ts";
import type { Session } from "./session.ts";

const ENTRY = 0;

/** Sends one file and waits for the client's word that the same bytes are in place there. */
export async function answerGet(session: Session, request: Get): Promise<void> {
  const { context, channel, grant } = session;
  const started = performance.now();
  const place = context.shares.place(grant, request.path);
  const segments = wireSegments(place.path);
  const { fd } = place.root.openForRead(segments);
  const source = Outgoing.fromFd(fd);
  const digester = createDigester(request.digest, source.length);
  const shown = place.prefix + place.path;
  let bytes = 0;
  const answer = new Answer(session);
  try {
    const { length, mtimeUs: mtime, mode } = source;
    channel.send({ type: "entry", entry: ENTRY, kind: "file", path: shown, length, mtime, mode });
    const sink = {
      send: (block: Uint8Array) => channel.send({ type: "data", entry: ENTRY, size: block.length }, block),
      ready: () => channel.ready(),
      flushed: () => channel.flushed(),
      get stopped() {
        return answer.given;
      },
    };
    const read = (block: Uint8Array, at: number): Promise<number> => source.read(block, at);
    const onProgress = (sofar: number): void => {
      bytes = sofar;
    };
    let failure: ErrorCode | undefined;
    try {
      const sent = await sendBlocks(read, digester, context.pool, sink, onProgress);
      if (sent === undefined) failure = "interrupted";
      else if (source.changed()) failure = "changed";
      else channel.send({ type: "end", entry: ENTRY, bytes: sent.bytes, digest: sent.digest });
    } catch (thrown) {
      if (channel.failure !== undefined) throw thrown;
      failure = asSockError(thrown).code;
    }
    if (failure !== undefined) channel.send({ type: "abort", entry: ENTRY, code: failure });
    await answer.promise;
    const outcome = failure === undefined || failure === "interrupted" ? answer.outcome : failure;
    const ok = outcome === "ok";
    channel.send({
      type: "result",
      files: ok ? 1 : 0,
      bytes: ok ? bytes : 0,
      skipped: 0,
      failed: ok ? 0 : 1,
    });
    session.report("get", shown, bytes, started, outcome);
  } catch (thrown) {
    if (channel.failure !== undefined) session.report("get", shown, bytes, started, "cut");
    throw thrown;
  } finally {
    digester.close();
    source.close();
  }
}

/** What the client says of the file, read while it is sent. */
class Answer {
  given = false;
  outcome = "cut";
  readonly promise: Promise<void>;

  constructor(session: Session) {
    this.promise = this.#read(session);
    // awaited after the sending; until then a failure is only remembered
    this.promise.catch(() => undefined);
  }

  async #read(session: Session): Promise<void> {
    try {
      const { message } = await session.next();
      if (message.type === "done") this.outcome = "ok";
      else if (message.type === "stop") this.outcome = message.code;
      else throw new SockError("protocol", `${message.type} in the middle of a get`);
    } finally {
      this.given = true;
    }
  }
}
