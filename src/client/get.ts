import { asSockError, SockError } from "../errors.ts";
import type { Compress, Digest, Entry, Links, Source, WirePath } from "../protocol/file-messages.ts";
import { type Counts, count, type Outcome } from "../transfer/outcome.ts";
import { Receiver } from "../transfer/receiver.ts";
import type { Landing, ReceiverOptions } from "../transfer/receiving-options.ts";
import { type Segments, showPath, wireSegments } from "../files/names.ts";
import { retrying, type RetryOptions } from "./retry.ts";
import type { Session } from "./session.ts";

export interface GetRequest {
  readonly paths: readonly WirePath[];
  readonly digest: Digest;
  readonly links: Links;
  readonly compress: Compress;
}

export interface GetOptions extends RetryOptions {
  readonly receiver: Omit<ReceiverOptions, "land" | "onOutcome" | "onBytes" | "onGoOn">;
  /** Says where the path goes, once it is known what it is; throws what is in the way. */
  place(source: number, kind: "file" | "folder"): Landing;
  /** Nothing is there that could be the same. */
  fresh(): boolean;
  /** Paths below what was asked for that are not wanted. */
  readonly isLeftOut?: ((path: Segments, isFolder: boolean) => boolean) | undefined;
  onFailed(source: number, error: SockError): void;
  onOutcome?(outcome: Outcome): void;
  onBytes?(bytes: number): void;
  /** What the server did not send at all: it could not be read, or is nothing that is sent. */
  onLost?(count: { failed: number; passed: number }): void;
  /** One of the paths is a file, this long, bytes. */
  onFile?(length: number | null): void;
  /** A file goes on after so many bytes. */
  onGoOn?(bytes: number): void;
}

/** One of our paths, as the server said what it is. */
interface Asked {
  readonly kind: "file" | "folder";
  /** Undefined where it can't be placed here: its entries are refused. */
  readonly landing: Landing | SockError;
}

/** Fetches the paths, over as many connections as it takes. Throws what ended all. */
export async function get(
  open: () => Promise<Session>,
  request: GetRequest,
  options: GetOptions,
): Promise<Counts> {
  const totals: Counts = { files: 0, bytes: 0, skipped: 0, failed: 0 };
  let moved = 0;
  /** Entries that were told of on earlier connections: those that are there now are not told again. */
  let toldBefore = 0;
  return retrying(
    async () => {
      const session = await open();
      moved += 1;
      let told = 0;
      try {
        const outcome = (one: Outcome): void => {
          moved += 1;
          told += 1;
          if (one.action === "same" && told <= toldBefore) return;
          count(totals, one);
          options.onOutcome?.(one);
        };
        const bytes = (count: number): void => {
          moved += count;
          options.onBytes?.(count);
        };
        await once(session, request, { ...options, onOutcome: outcome, onBytes: bytes });
        return totals;
      } finally {
        toldBefore = Math.max(toldBefore, told);
        session.close();
      }
    },
    () => moved,
    options,
  );
}

async function once(session: Session, request: GetRequest, options: GetOptions): Promise<void> {
  session.require("get");
  const { channel } = session;
  const { paths, digest, links, compress } = request;
  const asked: Asked[] = [];
  const isNotWanted = options.isLeftOut === undefined ? undefined : leftOut(options.isLeftOut);
  const receiver = new Receiver(channel, {
    ...options.receiver,
    land: (entry) => {
      const place = landing(entry, asked);
      if (entry.kind === "file" && "path" in entry && entry.path === ".") options.onFile?.(entry.length);
      return place;
    },
    onGoOn: (bytes) => options.onGoOn?.(bytes),
    isLeftOut: (entry) => isOwnTop(entry, asked) || isNotWanted?.(entry) === true,
    // a break is no outcome: it is tried again
    onOutcome: (one) => {
      if (channel.failure === undefined) options.onOutcome?.(one);
    },
    onBytes: (count) => options.onBytes?.(count),
  });
  session.pack(compress);
  channel.send({ type: "get", paths, digest, links, compress, fresh: options.fresh() });
  try {
    for (;;) {
      const { message, frame } = await session.next();
      switch (message.type) {
        case "source":
          asked.push(next(message, asked.length, paths.length, options));
          break;
        case "entry":
        case "data":
        case "proof":
        case "end":
        case "abort":
          await receiver.take(message, frame);
          break;
        case "result":
          if (receiver.busy || asked.length !== paths.length) {
            throw new SockError("protocol", "the server ended before all was sent");
          }
          channel.send({ type: "finish" });
          options.onLost?.({
            failed: Math.max(0, message.failed - receiver.counts.failed),
            passed: Math.max(0, message.skipped - receiver.counts.skipped - receiver.leftOut),
          });
          return;
        default:
          throw new SockError("protocol", `the server answered a get with ${message.type}`);
      }
    }
  } catch (thrown) {
    const error = asSockError(thrown);
    if (error.code === "protocol") channel.refuse(error);
    throw thrown;
  } finally {
    await receiver.close();
  }
}

function next(message: Source, due: number, most: number, options: GetOptions): Asked {
  const { source } = message;
  if (source !== due || source >= most) {
    throw new SockError("protocol", "the server sent what nobody asked for");
  }
  if (message.kind === "failed") {
    const error = new SockError(message.code, message.message, message.hint);
    options.onFailed(source, error);
    return { kind: "file", landing: error };
  }
  try {
    return { kind: message.kind, landing: options.place(source, message.kind) };
  } catch (thrown) {
    const error = asSockError(thrown);
    options.onFailed(source, error);
    return { kind: message.kind, landing: error };
  }
}

function leftOut(excludes: (path: Segments, isFolder: boolean) => boolean): (entry: Entry) => boolean {
  return (entry) => {
    const path = "path" in entry ? entry.path : Buffer.from(entry.path64, "base64");
    return path !== "." && excludes(wireSegments(path), entry.kind === "folder");
  };
}

/** Only what is in the folder was asked for: the one that it goes into keeps its own mode and time. */
function isOwnTop(entry: Entry, all: readonly Asked[]): boolean {
  const landing = all[entry.source ?? 0]?.landing;
  if (landing === undefined || landing instanceof SockError || entry.kind !== "folder") return false;
  return "path" in entry && entry.path === "." && landing.segments.length === 0 && landing.ownsRoot !== true;
}

/** A server can't choose where: entries are below what was asked for, or the asked for file itself. */
function landing(entry: Entry, all: readonly Asked[]): Landing {
  const asked = all[entry.source ?? 0];
  if (asked === undefined) {
    throw new SockError("protocol", "the server sent what nobody asked for");
  }
  if (asked.landing instanceof SockError) throw asked.landing;
  const path = "path" in entry ? entry.path : Buffer.from(entry.path64, "base64");
  const isTop = path === ".";
  if (isTop !== (asked.kind === "file" || (isTop && entry.kind === "folder"))) {
    throw new SockError("protocol", "the server sent what nobody asked for");
  }
  if (asked.kind === "file" && entry.kind !== "file") {
    throw new SockError("protocol", "the server sent something else than it said");
  }
  if (isTop) return asked.landing;
  const below = wireSegments(path);
  const { root, segments, shown } = asked.landing;
  const own = [...segments, ...below];
  return { root, segments: own, shown: `${shown}/${showPath(below)}` };
}
