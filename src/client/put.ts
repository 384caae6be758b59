import { asSockError, SockError } from "../errors.ts";
import type { BlockPool } from "../files/blocks.ts";
import type { Compress, Digest, OnExists, Ready } from "../protocol/file-messages.ts";
import type { FileItem, Item, StreamItem } from "../transfer/items.ts";
import { Line } from "../transfer/line.ts";
import type { Counts, Outcome } from "../transfer/outcome.ts";
import { Pace } from "../transfer/pace.ts";
import { Sender } from "../transfer/sender.ts";
import { retrying, type RetryOptions } from "./retry.ts";
import { released, type Session } from "./session.ts";

export interface PutOptions extends RetryOptions {
  readonly digest: Digest;
  readonly onExists: OnExists;
  readonly verify: boolean;
  readonly sync: boolean;
  readonly checksum: boolean;
  readonly dry: boolean;
  readonly atomic: boolean;
  /** One small file or a stream: it goes out without asking what is there. */
  readonly direct: boolean;
  readonly pool: BlockPool;
  readonly compress: Compress;
  readonly pace?: Pace | undefined;
  /** The connection is for what comes after it too. */
  readonly keeps?: boolean | undefined;
  onOutcome?(outcome: Outcome): void;
  onBytes?(bytes: number, item: FileItem | StreamItem): void;
  /** A file goes on after so many bytes that are there. */
  onGoOn?(bytes: number): void;
  /** So many bytes of a file that are there are compared first. */
  onCompare?(bytes: number): void;
}

/**
 * Sends what `items` give to `to`, over as many connections as it takes. What failed on its own is told by `onOutcome` and
 * counted. Throws what ended all.
 */
export async function put(
  open: () => Promise<Session>,
  items: AsyncIterable<Item>,
  to: string,
  options: PutOptions,
): Promise<Counts> {
  /** Entries that were answered, on any connection. */
  let settled = 0;
  const sender = new Sender(items, {
    digest: options.digest,
    onExists: options.onExists,
    dry: options.dry,
    pool: options.pool,
    pace: options.pace,
    onGoOn: (bytes) => options.onGoOn?.(bytes),
    onCompare: (bytes) => options.onCompare?.(bytes),
    onOutcome: (outcome) => {
      settled += 1;
      options.onOutcome?.(outcome);
    },
    onBytes: (bytes, item) => options.onBytes?.(bytes, item),
  });
  let opened = 0;
  try {
    return await retrying(
      async () => {
        const session = await open();
        opened += 1;
        return released(session, options.keeps, async () => {
          await once(session, sender, to, options, {
            direct: opened === 1 && options.direct,
            goesOn: settled > 0,
          });
          return sender.counts;
        });
      },
      // a first session is one more than none; that there are others after it is no progress
      () => sender.progress + Math.min(opened, 1),
      options,
    );
  } finally {
    await sender.close();
  }
}

/** One connection: until everything has its answer. */
async function once(
  session: Session,
  sender: Sender,
  to: string,
  options: PutOptions,
  { direct, goesOn }: { readonly direct: boolean; readonly goesOn: boolean },
): Promise<void> {
  session.require("put");
  const { channel } = session;
  const { digest, onExists, verify, sync, checksum, dry, atomic, compress } = options;
  channel.send({
    type: "put",
    to,
    digest,
    on_exists: onExists,
    verify,
    sync,
    checksum,
    dry,
    atomic,
    compress,
  });
  session.pack(options.compress);
  const line = new Line(channel);
  const { promise: ready, resolve, reject } = Promise.withResolvers<Ready>();
  ready.catch(() => undefined);
  const answers = readAnswers(session, sender, resolve);
  answers.catch((thrown: unknown) => {
    reject(thrown);
    line.fail(asSockError(thrown));
    sender.wake();
  });
  let isReady = false;
  try {
    if (direct) await sender.run(line, true);
    else {
      const { fresh, kept } = await ready;
      isReady = true;
      if (atomic && !dry && goesOn && kept !== true) throw gone();
      await sender.run(line, fresh);
    }
  } catch (thrown) {
    const error = asSockError(thrown);
    if (error.code === "protocol") channel.refuse(error);
    // a put that was refused has to be ended all the same; one that changes as one is not to change
    else if (channel.failure === undefined && !(atomic && isReady)) channel.send({ type: "finish" });
    throw thrown;
  }
  if (atomic && sender.counts.failed > 0) {
    throw new SockError("cut", `${sender.counts.failed} failed, so nothing was changed there`);
  }
  channel.send({ type: "finish" });
  await answers;
}

function gone(): SockError {
  return new SockError(
    "changed",
    "the connection broke, and another put has changed the folder there meanwhile: this one changed nothing",
    "send it again",
  );
}

/** What the server says, until the result. */
async function readAnswers(session: Session, sender: Sender, ready: (ready: Ready) => void): Promise<void> {
  for (;;) {
    const { message } = await session.next();
    switch (message.type) {
      case "ready":
        ready(message);
        break;
      case "want":
      case "from":
      case "stop":
      case "done":
        sender.take(message);
        break;
      case "result":
        if (!sender.finished) throw new SockError("protocol", "the server ended without an answer");
        if (message.failed > 0 && sender.counts.failed === 0) {
          throw new SockError("protocol", "the server counts failures that it has not told of");
        }
        return;
      default:
        throw new SockError("protocol", `the server answered a put with ${message.type}`);
    }
  }
}

export { Pace };
