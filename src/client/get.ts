import { asSockError, SockError } from "../errors.ts";
import type { Compress, Digest, Entry, Links, Missed, Source, WirePath } from "../protocol/file-messages.ts";
import { type Counts, count, type Outcome } from "../transfer/outcome.ts";
import { Receiver } from "../transfer/receiver.ts";
import type { Landing, ReceiverOptions } from "../transfer/receiving-options.ts";
import { type Segments, showPath, wireSegments } from "../files/names.ts";
import { retrying, type RetryOptions } from "./retry.ts";
import { released, type Session } from "./session.ts";

export interface GetRequest {
  readonly paths: readonly WirePath[];
  readonly digest: Digest;
  readonly links: Links;
  readonly compress: Compress;
}

export interface GetOptions extends RetryOptions {
  readonly receiver: Omit<ReceiverOptions, "land" | "onOutcome" | "onBytes" | "onGoOn" | "onCompare">;
  /** Says where the path goes, once it is known what it is; throws what is in the way. */
  place(source: number, kind: "file" | "folder"): Landing | Promise<Landing>;
  /** Nothing is there that could be the same. */
  fresh(): boolean;
  /** Paths below what was asked for that are not wanted. */
  readonly isLeftOut?: ((path: Segments, isFolder: boolean) => boolean) | undefined;
  /** The connection is for what comes after it too. */
  readonly keeps?: boolean | undefined;
  onFailed(source: number, error: SockError): void;
  onOutcome?(outcome: Outcome): void;
  onBytes?(bytes: number, there: number): void;
  /** One of the paths is a file, this long, bytes. */
  onFile?(length: number | null): void;
  /** A file goes on after so many bytes. */
  onGoOn?(bytes: number): void;
  /** So many bytes of a file that are here are compared first. */
  onCompare?(bytes: number): void;
}

export interface Got extends Counts {
  readonly connections: number;
  /** Files and links that the last of them told of, and that are here. */
  readonly there: number;
}

/** One of our paths, as the server said what it is. */
interface Asked {
  readonly kind: "file" | "folder";
  /** Something came of it, or the server said why not. */
  begun: boolean;
  /** Undefined where it can't be placed here: its entries are refused. */
  readonly landing: Landing | SockError;
}

/** Fetches the paths, over as many connections as it takes. Throws what ended all. */
export async function get(
  open: () => Promise<Session>,
  request: GetRequest,
  options: GetOptions,
): Promise<Got> {
  const totals: Counts = { files: 0, bytes: 0, skipped: 0, failed: 0 };
  /** How far any connection came: entries with their end, and bytes of the next one. */
  const furthest = { told: 0, bytes: 0 };
  let progress = 0;
  let opened = 0;
  const reached = (entries: number, count: number): void => {
    if (entries < furthest.told || (entries === furthest.told && count <= furthest.bytes)) return;
    [furthest.told, furthest.bytes] = [entries, count];
    progress += 1;
  };
  /** Entries that were told of on earlier connections: those that are there now are not told again. */
  let toldBefore = 0;
  return retrying(
    async () => {
      const session = await open();
      opened += 1;
      let told = 0;
      let there = 0;
      try {
        const outcome = (one: Outcome): void => {
          told += 1;
          if (one.kind !== "folder" && one.error === undefined) there += 1;
          reached(told, 0);
          // what does not come is told by each connection
          if ((one.action === "same" || one.error !== undefined) && told <= toldBefore) return;
          count(totals, one);
          options.onOutcome?.(one);
        };
        const bytes = (count: number, there: number): void => {
          reached(told, there);
          options.onBytes?.(count, there);
        };
        return await released(session, options.keeps, async () => {
          await once(session, request, { ...options, onOutcome: outcome, onBytes: bytes });
          return { ...totals, connections: opened, there };
        });
      } finally {
        toldBefore = Math.max(toldBefore, told);
      }
    },
    // a first session is one more than none; that there are others after it is no progress
    () => progress + Math.min(opened, 1),
    options,
  );
}

async function once(session: Session, request: GetRequest, options: GetOptions): Promise<void> {
  session.require("get");
  const { channel } = session;
  const { paths, digest, links, compress } = request;
  const asked: Asked[] = [];
  let isFailureKnown = false;
  const tell = (one: Outcome): void => {
    // a break is no outcome: it is tried again
    if (channel.failure !== undefined) return;
    // what has no place here was told of once, for all that is in it
    if (asked.some(({ landing }) => landing === one.error)) return;
    if (one.action === "failed") isFailureKnown = true;
    options.onOutcome?.(one);
  };
  const receiver = new Receiver(channel, {
    ...options.receiver,
    isPrivate: true,
    land: (entry) => {
      const place = landing(entry, asked, links);
      if (entry.kind === "file" && "path" in entry && entry.path === ".") options.onFile?.(entry.length);
      return place;
    },
    onGoOn: (bytes) => options.onGoOn?.(bytes),
    onCompare: (bytes) => options.onCompare?.(bytes),
    ...(options.isLeftOut === undefined ? {} : { isLeftOut: leftOut(options.isLeftOut) }),
    onOutcome: tell,
    onBytes: (count, there) => options.onBytes?.(count, there),
  });
  session.pack(compress);
  channel.send({ type: "get", paths, digest, links, compress, fresh: options.fresh() });
  try {
    for (;;) {
      const { message, frame } = await session.next();
      switch (message.type) {
        case "source":
          asked.push(await next(message, asked.length, paths.length, options));
          break;
        case "missed": {
          if (message.skipped !== true) isFailureKnown = true;
          const missed = missedOutcome(message, asked, options);
          if (missed !== undefined) tell(missed);
          break;
        }
        case "entry":
        case "data":
        case "proof":
        case "end":
        case "abort":
          await receiver.take(message, frame);
          break;
        case "result":
          if (receiver.busy || asked.length !== paths.length || asked.some(isDue)) {
            throw new SockError("protocol", "the server ended before all was sent");
          }
          if (message.failed > 0 && !isFailureKnown && !asked.some(isMisplaced)) {
            throw new SockError("protocol", "the server counts failures that it has not told of");
          }
          channel.send({ type: "finish" });
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

async function next(message: Source, due: number, most: number, options: GetOptions): Promise<Asked> {
  const { source } = message;
  if (source !== due || source >= most) {
    throw new SockError("protocol", "the server sent what nobody asked for");
  }
  if (message.kind === "failed") {
    const error = new SockError(message.code, message.message, message.hint);
    options.onFailed(source, error);
    return { kind: "file", begun: false, landing: error };
  }
  try {
    return { kind: message.kind, begun: false, landing: await options.place(source, message.kind) };
  } catch (thrown) {
    const error = asSockError(thrown);
    options.onFailed(source, error);
    return { kind: message.kind, begun: false, landing: error };
  }
}

function leftOut(excludes: (path: Segments, isFolder: boolean) => boolean): (entry: Entry) => boolean {
  return (entry) => {
    const path = "path" in entry ? entry.path : Buffer.from(entry.path64, "base64");
    return path !== "." && excludes(wireSegments(path), entry.kind === "folder");
  };
}

/** What the server can't send, or passes over; undefined below what can't be placed here anyway. */
function missedOutcome(
  message: Missed,
  all: readonly Asked[],
  { isLeftOut }: GetOptions,
): Outcome | undefined {
  const asked = all[message.source];
  if (asked === undefined) {
    throw new SockError("protocol", "the server told of what nobody asked for");
  }
  asked.begun = true;
  if (asked.landing instanceof SockError) return undefined;
  const path = "path" in message ? message.path : Buffer.from(message.path64, "base64");
  const isTop = path === ".";
  // what was asked for by its name is never passed over
  if (isTop ? message.skipped === true : asked.kind === "file") {
    throw new SockError("protocol", "the server told of what nobody asked for");
  }
  const segments = isTop ? [] : wireSegments(path);
  if (segments.length > 0 && isLeftOut?.(segments, false) === true) return undefined;
  const shown = [asked.landing.shown, ...(segments.length > 0 ? [showPath(segments)] : [])].join("/");
  const error = new SockError(message.code, message.message, message.hint);
  const action = message.skipped === true ? "skipped" : "failed";
  return { kind: "file", shown, bytes: 0, digest: "", action, error, ms: 0 };
}

/** It can't be placed here, or does not come: that was told. */
function isMisplaced({ landing: place }: Asked): boolean {
  return place instanceof SockError;
}

/** A file that was promised, and of which nothing came. */
function isDue(asked: Asked): boolean {
  return asked.kind === "file" && !asked.begun && !isMisplaced(asked);
}

/** A server can't choose where: entries are below what was asked for, or the asked for file itself. */
function landing(entry: Entry, all: readonly Asked[], links: Links): Landing {
  const asked = all[entry.source ?? 0];
  if (asked === undefined || (entry.kind === "link" && links !== "keep")) {
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
  asked.begun = true;
  if (isTop) return asked.landing;
  const below = wireSegments(path);
  const { root, segments, shown, live } = asked.landing;
  const inside = shown === "." ? showPath(below) : `${shown}/${showPath(below)}`;
  return { root, segments: [...segments, ...below], shown: inside, live };
}
