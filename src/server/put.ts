import { asSockError, SockError } from "../errors.ts";
import type { Folder } from "../files/folder.ts";
import { land } from "../files/landing.ts";
import { type Name, parseDestination, showPath, wireSegments } from "../files/names.ts";
import { Parents, STILL_MS } from "../files/parents.ts";
import { partialId } from "../files/partials.ts";
import type { Root } from "../files/root.ts";
import { StagedTree } from "../files/staging.ts";
import type { Entry, Put } from "../protocol/file-messages.ts";
import type { Outcome } from "../transfer/outcome.ts";
import { Receiver } from "../transfer/receiver.ts";
import type { Landing } from "../transfer/receiving-options.ts";
import type { Session } from "./session.ts";
import type { Place } from "./shares.ts";

/** Failures of one put that are told to the owner one by one; the rest is in the count at its end. */
const MOST_TOLD = 20;

/** Before the path of a tree that changes as one: not the place of a file. */
const TREE = "\0tree";

/** One `put`: entries come until `finish`, each is answered. A put that is refused as a whole is passed over to its end. */
export async function answerPut(session: Session, request: Put): Promise<void> {
  let conversation: PutConversation;
  try {
    conversation = await PutConversation.begin(session, request);
  } catch (thrown) {
    await refuse(session, request, asSockError(thrown));
    return;
  }
  await conversation.run();
}

class PutConversation {
  readonly #session: Session;
  readonly #request: Put;
  readonly #place: Place;
  readonly #receiver: Receiver;
  readonly #started = performance.now();
  readonly #into: readonly Name[] | undefined;
  /** With `atomic`: what comes is gathered there. */
  readonly #staged: StagedTree | undefined;
  /** Lets a newer connection of the same run go on with that. */
  readonly #end: (() => void) | undefined;
  readonly #live: Parents | undefined;
  /** With `atomic`, and nothing to be changed: the folder itself stands for what would be gathered. */
  readonly #dryLive: Folder | undefined;
  /** The only one so far, for the owner's line. */
  #only: Outcome | undefined;
  #seen = 0;
  #ended = false;
  /** Entries so far, and those of them that were only offered yet; counted where there is a limit. */
  #entries = 0;
  readonly #offered = new Set<number>();
  #told = 0;
  /** When it was last looked whether what came is where its path leads. */
  #looked = 0;

  static async begin(session: Session, request: Put): Promise<PutConversation> {
    session.require("put");
    const { context, grant, run } = session;
    const place = context.shares.place(grant, request.to);
    if (!place.writable) throw new SockError("read-only", "this folder is served read-only");
    const { segments, into } = parseDestination(place.path);
    if (request.atomic !== true) {
      if (into) mustNotBeFile(place, segments);
      return new PutConversation(session, request, place, undefined);
    }
    if (!into || context.rails.onExists(request.on_exists) !== "replace") {
      throw new SockError("policy", "only a folder that is replaced can change as one", "leave --atomic out");
    }
    if (request.dry === true) {
      const live = liveFolder(place.root, segments);
      return new PutConversation(session, request, place, undefined, live);
    }
    // a client that comes back takes over from its own dead connection, which we may not know of yet
    const ended = Promise.withResolvers<void>();
    const letGo = await context.claims.take(partialId(grant.hash, [TREE, ...segments]), {
      run,
      evict: () => {
        session.stop(evicted());
        return ended.promise;
      },
    });
    const end = (): void => {
      letGo();
      ended.resolve();
    };
    try {
      const staged = await StagedTree.begin(place.root, segments, { key: grant.hash, run });
      return new PutConversation(session, request, place, { staged, end });
    } catch (thrown) {
      end();
      throw thrown;
    }
  }

  private constructor(
    session: Session,
    request: Put,
    place: Place,
    held: { readonly staged: StagedTree; readonly end: () => void } | undefined,
    live?: Folder,
  ) {
    const { context, grant, run } = session;
    this.#session = session;
    this.#request = request;
    this.#place = place;
    const { segments, into } = parseDestination(place.path);
    this.#into = into ? segments : undefined;
    const staged = held?.staged;
    this.#staged = staged;
    this.#end = held?.end;
    this.#dryLive = live;
    const top = staged?.live ?? live;
    this.#live = top === undefined ? undefined : Parents.of(top);
    this.#receiver = new Receiver(session.channel, {
      digest: request.digest,
      onExists: context.rails.onExists(request.on_exists),
      verify: request.verify ?? false,
      sync: request.sync ?? false,
      checksum: request.checksum ?? false,
      dry: request.dry ?? false,
      mayCompare: session.allows("get"),
      pool: context.pool,
      owner: grant.hash,
      minFree: context.rails.options.minFree,
      maxFile: context.rails.options.maxFile,
      pace: context.rails.paceOf(grant.hash),
      protects: context.rails.protects(request.on_exists) ? Date.now() : undefined,
      land: (entry) => this.#admitted(entry, this.#land(entry)),
      onOutcome: (outcome) => this.#outcome(outcome),
      takeOver: (id, evict) => context.claims.take(id, { run, evict: () => this.#evict(evict) }),
    });
  }

  async run(): Promise<void> {
    const { channel } = this.#session;
    try {
      channel.pack(this.#session.packs && this.#request.compress !== "never" ? "auto" : "never");
      const kept = this.#staged?.kept === true ? { kept: true } : {};
      channel.send({ type: "ready", fresh: this.#fresh(), ...kept });
      for (;;) {
        const { message, frame } = await this.#session.next();
        if (message.type === "entry" && !this.#isInPlace()) {
          frame.release?.();
          await refuse(this.#session, this.#request, displaced());
          return;
        }
        switch (message.type) {
          case "entry":
          case "data":
          case "proof":
          case "end":
          case "abort":
            await this.#receiver.take(message, frame);
            break;
          case "finish":
            if (this.#receiver.busy) {
              throw new SockError("protocol", "the end came in the middle of an entry");
            }
            await this.#publish().finally(() => this.#mustBeInPlace());
            channel.send({ type: "result", ...this.#receiver.counts });
            this.#ended = true;
            return;
          default:
            throw new SockError("protocol", `${message.type} in the middle of a put`);
        }
      }
    } finally {
      await this.#receiver.close();
      this.#live?.close();
      this.#dryLive?.close();
      this.#staged?.close();
      this.#end?.();
      this.#report();
    }
  }

  /** With `atomic`: all at once, or nothing where something has failed. */
  async #publish(): Promise<void> {
    const staged = this.#staged;
    if (staged === undefined) return;
    const { failed } = this.#receiver.counts;
    try {
      if (failed > 0) throw new SockError("cut", `${failed} failed, so nothing was changed`);
      await this.#receiver.close();
      if ((await staged.publish()) === "replaced") await staged.remove();
    } catch (thrown) {
      await staged.remove();
      throw thrown;
    }
  }

  /** A client may come back after any entry and not speak of those before: so each is looked at, but for a moment. */
  #isInPlace(): boolean {
    const now = performance.now();
    if (now - this.#looked < STILL_MS) return true;
    this.#looked = now;
    return this.#place.isInPlace();
  }

  #mustBeInPlace(): void {
    if (!this.#place.isInPlace()) throw displaced();
  }

  /** Nothing is there that what comes would have to be compared with. */
  #fresh(): boolean {
    const { root } = this.#place;
    if (this.#request.dry === true || this.#into === undefined) return false;
    try {
      return root.isFresh(this.#into);
    } catch {
      return false;
    }
  }

  /** Throws what the owner's limits say. An offer and what comes of it are one entry. */
  #admitted(entry: Entry, landing: Landing): Landing {
    const { rails } = this.#session.context;
    if (entry.kind === "file") rails.admit(landing.shown, entry.length);
    if (rails.options.maxEntries === undefined) return landing;
    const isOffer = entry.kind === "file" && entry.offer === true;
    if (isOffer ? this.#offered.has(entry.entry) : this.#offered.delete(entry.entry)) return landing;
    rails.admitEntry(landing.shown, this.#entries);
    this.#entries += 1;
    if (isOffer) this.#offered.add(entry.entry);
    return landing;
  }

  #land(entry: Entry): Landing {
    const { root, prefix, path: to } = this.#place;
    if (this.#staged !== undefined) return this.#landStaged(this.#staged, entry);
    const path = "path" in entry ? entry.path : Buffer.from(entry.path64, "base64");
    const segments =
      this.#into === undefined
        ? land(root, to, path)
        : path === "." && entry.kind === "folder"
          ? this.#into
          : [...this.#into, ...wireSegments(path)];
    return { root, segments, shown: prefix + showPath(segments), live: this.#live };
  }

  #landStaged({ root }: StagedTree, entry: Entry): Landing {
    const path = "path" in entry ? entry.path : Buffer.from(entry.path64, "base64");
    const isTop = path === "." && entry.kind === "folder";
    const segments = isTop ? [] : wireSegments(path);
    const shown = this.#place.prefix + showPath([...(this.#into ?? []), ...segments]);
    return { root, segments, shown, ownsRoot: true, live: this.#live };
  }

  #outcome(outcome: Outcome): void {
    this.#seen += 1;
    this.#only = outcome;
    if (outcome.action !== "failed" || ++this.#told > MOST_TOLD) return;
    const code = outcome.error?.code ?? "failed";
    this.#session.report("put", outcome.shown, outcome.bytes, performance.now() - outcome.ms, code);
  }

  async #evict(evict: () => Promise<void>): Promise<void> {
    this.#session.stop(evicted());
    await evict();
  }

  #report(): void {
    const { counts } = this.#receiver;
    const only = this.#only;
    // of one that did not end nobody knows whether there was more to come
    if (only !== undefined && this.#seen === 1 && this.#ended) {
      if (only.action !== "failed") {
        this.#session.report("put", only.shown, only.bytes, this.#started, only.action);
      }
      return;
    }
    if (this.#seen === 0) return;
    const { files, bytes, skipped, failed } = counts;
    const more = `${skipped > 0 ? `, ${skipped} skipped` : ""}${failed > 0 ? `, ${failed} failed` : ""}`;
    const what = `${this.#request.to || "."}  ${files} ${files === 1 ? "file" : "files"}${more}`;
    const outcome = failed > 0 ? "some-failed" : "ok";
    this.#session.report("put", what, bytes, this.#started, this.#ended ? outcome : "cut");
  }
}

/** A file where a folder is to be: one refusal, instead of one for each file. Other obstacles each file meets itself. */
function mustNotBeFile({ root, prefix }: Place, segments: readonly Name[]): void {
  let kind: string;
  try {
    ({ kind } = root.statEntry(segments));
  } catch {
    return;
  }
  if (kind === "folder") return;
  throw new SockError(
    "not-folder",
    `${prefix}${showPath(segments)}: is a file, and what comes goes into a folder`,
  );
}

function displaced(): SockError {
  return new SockError(
    "changed",
    "the folder was replaced meanwhile, and what came went into the old one",
    "send it again",
  );
}

function evicted(): SockError {
  return new SockError("lost", "a newer connection of this client goes on with it");
}

/** What would be replaced as one; undefined where nothing is there. Throws what is in the way. */
function liveFolder(root: Root, segments: readonly Name[]): Folder | undefined {
  try {
    return root.openFolder(segments, { create: false });
  } catch (thrown) {
    if (asSockError(thrown).code === "not-found") return undefined;
    throw thrown;
  }
}

/** All of it is refused: what is on its way is passed over. */
async function refuse(session: Session, request: Put, { code, message, hint }: SockError): Promise<void> {
  session.channel.send({ type: "error", code, message, ...(hint === undefined ? {} : { hint }) });
  session.report("put", request.to, 0, performance.now(), code);
  await passOver(session);
}

async function passOver(session: Session): Promise<void> {
  for (;;) {
    const { message, frame } = await session.next();
    frame.release?.();
    if (message.type === "finish") return;
  }
}
