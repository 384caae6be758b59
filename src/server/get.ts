import { asSockError, SockError } from "../errors.ts";
import { showPath, wireSegments } from "../files/names.ts";
import { Outgoing } from "../files/outgoing.ts";
import type { Get, WirePath } from "../protocol/file-messages.ts";
import type { Item } from "../transfer/items.ts";
import type { Outcome } from "../transfer/outcome.ts";
import { Sender } from "../transfer/sender.ts";
import { treeItems } from "../transfer/tree-items.ts";
import type { Session } from "./session.ts";

/** Failures of one get that are told to the owner one by one; the rest is in the count at its end. */
const MOST_TOLD = 20;

/** Sends files and trees, and waits for the client's word that the same bytes are in place there. */
export async function answerGet(session: Session, request: Get): Promise<void> {
  session.require("get");
  const { channel, context } = session;
  const started = performance.now();
  let only: Outcome | undefined;
  let seen = 0;
  let told = 0;
  let ended = false;
  const sender = new Sender(items(session, request), {
    digest: request.digest,
    // whatever the client does about files that it has, it is its own
    onExists: "any",
    dry: "any",
    pool: context.pool,
    pace: context.rails.paceOf(session.grant.hash),
    onMissed: ({ source, path }, { code, message, hint }, skipped) =>
      channel.sendSoon({
        type: "missed",
        source,
        ...path,
        code,
        message,
        ...(hint === undefined ? {} : { hint }),
        ...(skipped ? { skipped } : {}),
      }),
    onOutcome: (outcome) => {
      only = outcome;
      seen += 1;
      if (outcome.action !== "failed" || ++told > MOST_TOLD) return;
      const code = outcome.error?.code ?? "failed";
      session.report("get", outcome.shown, outcome.bytes, performance.now() - outcome.ms, code);
    },
  });
  // a get is the last that this client asks for here, or the next says it anew
  channel.pack(session.packs ? request.compress : "never");
  const answers = readAnswers(session, sender);
  // awaited below; until then a failure is only remembered
  answers.catch(() => undefined);
  try {
    try {
      await sender.run(channel, request.fresh);
    } catch (thrown) {
      // the reader's own failure says more
      if (channel.failure === undefined) await answers;
      throw thrown;
    }
    channel.send({ type: "result", ...sender.counts });
    await answers;
    ended = true;
  } finally {
    await sender.close();
    const first = only;
    if (seen === 1 && first !== undefined) {
      if (first.action !== "failed") session.report("get", first.shown, first.bytes, started, "ok");
    } else if (seen > 1) {
      const { files, bytes, failed } = sender.counts;
      session.report(
        "get",
        `${shownPaths(request)}  ${files} files`,
        bytes,
        started,
        ended ? (failed > 0 ? "some-failed" : "ok") : "cut",
      );
    } else if (channel.failure !== undefined)
      session.report("get", shownPaths(request), sender.underWay, started, "cut");
  }
}

/** The client's answers, read while files are sent, until it says that it has the result. */
async function readAnswers(session: Session, sender: Sender): Promise<void> {
  try {
    for (;;) {
      const { message, frame } = await session.next();
      frame.release?.();
      switch (message.type) {
        case "want":
        case "from":
        case "stop":
        case "done":
          sender.take(message);
          break;
        case "finish":
          if (!sender.finished) throw new SockError("protocol", "the end came before the result");
          return;
        default:
          throw new SockError("protocol", `${message.type} in the middle of a get`);
      }
    }
  } catch (thrown) {
    session.channel.refuse(asSockError(thrown));
    throw thrown;
  } finally {
    sender.wake();
  }
}

async function* items(session: Session, request: Get): AsyncGenerator<Item> {
  for (const [source, path] of request.paths.entries()) yield* itemsOf(session, request, source, path);
}

async function* itemsOf(
  session: Session,
  request: Get,
  source: number,
  wire: WirePath,
): AsyncGenerator<Item> {
  const { context, grant } = session;
  const path = "path" in wire ? wire.path : Buffer.from(wire.path64, "base64");
  try {
    const place = context.shares.place(grant, path);
    const { root, prefix } = place;
    const segments = place.path.length === 0 ? [] : wireSegments(withoutSlash(place.path));
    const entry = root.statEntry(segments);
    const shown = prefix + showPath(segments);
    if (entry.kind === "folder") {
      yield { kind: "source", source, is: "folder" };
      yield* treeItems(root, segments, { links: request.links, source, shown });
      return;
    }
    const open = (): Outgoing => Outgoing.fromFd(root.openForRead(segments).fd, shown);
    const { length, mtimeUs, mode, close } = looked(open());
    close();
    yield { kind: "source", source, is: "file" };
    yield { kind: "file", path: { path: "." }, shown, source, length, mtimeUs, mode, open };
  } catch (thrown) {
    yield { kind: "source", source, is: asSockError(thrown) };
  }
}

function looked(file: Outgoing): { length: number; mtimeUs: number; mode: number; close: () => void } {
  const { length, mtimeUs, mode } = file;
  return { length, mtimeUs, mode, close: () => file.close() };
}

function withoutSlash(path: string | Uint8Array): string | Uint8Array {
  if (typeof path === "string") return path.replace(/\/$/, "");
  return path.at(-1) === 0x2f ? path.subarray(0, -1) : path;
}

function shownPaths({ paths }: Get): string {
  const [first] = paths;
  const shown =
    first === undefined ? "" : "path" in first ? first.path : Buffer.from(first.path64, "base64").toString();
  return paths.length > 1 ? `${shown} and ${paths.length - 1} more` : shown;
}
