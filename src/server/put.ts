import { asSockError, SockError } from "../errors.ts";
import { createDigester } from "../files/digest.ts";
import { Incoming } from "../files/incoming.ts";
import { land } from "../files/landing.ts";
import { showPath } from "../files/names.ts";
import { Receiving } from "../files/receiving.ts";
import type { Done, Entry, Put } from "../protocol/messages.ts";
import type { ReceivedFrame } from "../transport/channel.ts";
import type { Session } from "./session.ts";

/** One `put`: entries come one after another, each is answered by `done` or `stop`, `finish` ends it. */
export async function answerPut(session: Session, request: Put): Promise<void> {
  const conversation = new PutConversation(session, request);
  try {
    await conversation.run();
  } finally {
    await conversation.discard();
  }
}

interface Current {
  readonly entry: number;
  readonly receiving: Receiving;
  readonly shown: string;
  readonly prefix: string;
  readonly started: number;
}

class PutConversation {
  readonly #session: Session;
  readonly #request: Put;
  readonly #counts = { files: 0, bytes: 0, skipped: 0, failed: 0 };
  #current: Current | undefined;

  constructor(session: Session, request: Put) {
    this.#session = session;
    this.#request = request;
  }

  async run(): Promise<void> {
    for (;;) {
      const { message, frame } = await this.#session.next();
      switch (message.type) {
        case "entry":
          if (this.#current !== undefined)
            throw new SockError("protocol", "an entry began in the middle of another");
          await this.#begin(message);
          break;
        case "data":
          if (this.#current?.entry === message.entry) await this.#data(this.#current, frame);
          else frame.release?.();
          break;
        case "end":
          if (this.#current?.entry === message.entry)
            await this.#end(this.#current, message.bytes, message.digest);
          break;
        case "abort":
          if (this.#current?.entry === message.entry)
            await this.#fail(this.#current, new SockError(message.code, "the client gave it up"));
          break;
        case "finish":
          if (this.#current !== undefined)
            throw new SockError("protocol", "the end came in the middle of an entry");
          this.#session.channel.send({ type: "result", ...this.#counts });
          return;
        default:
          throw new SockError("protocol", `${message.type} in the middle of a put`);
      }
    }
  }

  async discard(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    await current.receiving.discard();
    this.#session.report("put", current.shown, current.receiving.bytes, current.started, "cut");
  }

  /** Refusals are answers; what follows of a refused entry is passed over until the next one. */
  async #begin(entry: Entry): Promise<void> {
    const { context, grant } = this.#session;
    const request = this.#request;
    const started = performance.now();
    let shown = request.to;
    try {
      this.#session.require("put");
      const place = context.shares.place(grant, request.to);
      if (!place.writable) throw new SockError("read-only", "this folder is served read-only");
      const segments = land(
        place.root,
        place.path,
        "path" in entry ? entry.path : Buffer.from(entry.path64, "base64"),
      );
      const { prefix } = place;
      shown = prefix + showPath(segments);
      const incoming = Incoming.create(place.root, segments, {
        onExists: request.on_exists,
        mode: entry.mode,
        mtimeUs: entry.mtime,
        length: entry.length,
        sync: request.sync ?? false,
        verify: request.verify ?? false,
      });
      if (incoming.skipped) {
        incoming.discard();
        this.#answer({ entry: entry.entry, bytes: 0, digest: "", action: "skipped", path: shown }, started);
        return;
      }
      const digester = createDigester(request.digest, entry.length);
      const receiving = new Receiving(incoming, digester, context.pool, entry.length);
      this.#current = { entry: entry.entry, receiving, shown, prefix, started };
    } catch (thrown) {
      this.#refuse(entry.entry, shown, 0, started, asSockError(thrown));
    }
  }

  async #data(current: Current, frame: ReceivedFrame): Promise<void> {
    if (frame.body === undefined) return;
    try {
      await current.receiving.data(frame.body, frame.release);
    } catch (thrown) {
      await this.#fail(current, asSockError(thrown));
    }
  }

  async #end(current: Current, bytes: number, digest: string): Promise<void> {
    try {
      const published = await current.receiving.end(bytes, digest);
      this.#current = undefined;
      await current.receiving.discard();
      const path = current.prefix + showPath(published.path);
      const { digest: own, action } = published;
      this.#answer({ entry: current.entry, bytes, digest: own, action, path }, current.started);
    } catch (thrown) {
      await this.#fail(current, asSockError(thrown));
    }
  }

  #answer(done: Omit<Done, "type">, started: number): void {
    if (done.action === "skipped") this.#counts.skipped += 1;
    else this.#counts.files += 1;
    this.#counts.bytes += done.bytes;
    this.#session.channel.send({ type: "done", ...done });
    this.#session.report("put", done.path, done.bytes, started, done.action);
  }

  async #fail(current: Current, error: SockError): Promise<void> {
    this.#current = undefined;
    await current.receiving.discard();
    this.#refuse(current.entry, current.shown, current.receiving.bytes, current.started, error);
  }

  #refuse(entry: number, shown: string, bytes: number, started: number, error: SockError): void {
    this.#counts.failed += 1;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    this.#session.channel.send({ type: "stop", entry, code: error.code, message: error.message, ...hint });
    this.#session.report("put", shown, bytes, started, error.code);
  }
}
