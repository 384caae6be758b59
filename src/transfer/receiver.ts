/**
 * The receiving side of files, the same for a `put` (the server) and a `get` (the client): takes a sender's messages one
 * after another and answers each entry once, by `done` or `stop`. What it remembers does not grow with the tree.
 */
import { asSockError, SockError } from "../errors.ts";
import { digestOf } from "../files/digest.ts";
import { DigestBatch } from "../files/digest-batch.ts";
import { Slice } from "../files/slice.ts";
import type { Entry, FileEntry, SenderMessage } from "../protocol/file-messages.ts";
import { ENTRIES_IN_FLIGHT, MAX_PASSED_OVER_BYTES } from "../protocol/constants.ts";
import { LargeFile } from "./large-file.ts";
import { type Counts, count, type Outcome } from "./outcome.ts";
import { Places } from "./places.ts";
import type { ReceiverOptions } from "./receiving-options.ts";
import { RecentPaths } from "./recent-paths.ts";
import { foreseenStream, putFolder, putLink, putSmall, type Put, weigh } from "./small-entries.ts";
import type { Wire } from "./wire.ts";

export interface Received {
  readonly body: Uint8Array | undefined;
  readonly release?: (() => void) | undefined;
}

export class Receiver {
  readonly counts: Counts = { files: 0, bytes: 0, skipped: 0, failed: 0 };
  readonly #wire: Wire;
  readonly #options: ReceiverOptions;
  readonly #places = new Places();
  readonly #recent = new RecentPaths();
  readonly #slice = new Slice();
  readonly #digests: DigestBatch;
  /** What went wrong while a batch was published; the next message throws it. */
  #failure: SockError | undefined;
  /** The highest number of an entry so far. */
  #last = -1;
  /** The file that comes in `data` frames. */
  #large: LargeFile | undefined;
  /** Offers that were wanted, and whose bytes have not begun. */
  readonly #wanted = new Map<number, Wanted>();
  /** Bytes since the last entry that were of no use: what was on its way when it was stopped. */
  #passedOver = 0;

  constructor(wire: Wire, options: ReceiverOptions) {
    this.#wire = wire;
    this.#options = options;
    this.#digests = new DigestBatch(options.digest);
  }

  /** The sender may not end now. */
  get busy(): boolean {
    return this.#large !== undefined || this.#wanted.size > 0 || !this.#digests.empty;
  }

  /** One message; the next one only when this has resolved. Throws what ends the connection. */
  async take(message: SenderMessage, frame: Received): Promise<void> {
    const length = frame.body?.length ?? 0;
    switch (message.type) {
      case "entry":
        if (this.#large !== undefined) {
          throw new SockError("protocol", "an entry began in the middle of another");
        }
        this.#last = Math.max(this.#last, message.entry);
        this.#passedOver = 0;
        if ((await this.#entry(message, frame)) === "done") frame.release?.();
        break;
      case "data":
        if (this.#large?.entry.entry === message.entry && frame.body !== undefined) {
          await this.#step(this.#large, (large) => large.data(frame.body ?? EMPTY, frame.release));
          this.#options.onBytes?.(length, this.#large?.bytes ?? 0);
        } else this.#passOver(message, frame);
        break;
      case "proof":
        if (this.#large?.entry.entry === message.entry) {
          await this.#step(this.#large, (large) => large.prove(frame.body ?? EMPTY));
        }
        // they go on for a while after the answer to them
        this.#passOver(message, frame);
        break;
      case "end":
        if (this.#large?.entry.entry === message.entry) {
          await this.#step(this.#large, (large) => large.end(message.bytes, message.digest));
        } else this.#passOver(message, frame);
        break;
      case "abort":
        this.#countPassedOver(0);
        await this.#aborted(message.entry, message.code);
        break;
      default:
        throw new SockError("protocol", `the peer sent ${JSON.stringify(message satisfies never)}`);
    }
    if (this.#digests.full) await this.#digests.some();
    if (this.#failure !== undefined) throw this.#failure;
    const pause = this.#options.pace?.took(length, () => this.#wire.failure !== undefined);
    if (pause !== undefined) await pause;
    if (this.#wire.congested) await this.#wire.ready();
    const wait = this.#slice.over();
    if (wait !== undefined) await wait;
  }

  /** Lets everything go. What came of a large file is kept where that is possible: the connection may come back. */
  async close(): Promise<void> {
    // what has arrived whole is published, even if nobody hears of it any more
    await this.#digests.all();
    const large = this.#large;
    this.#large = undefined;
    if (large !== undefined) {
      await large.keep();
      this.#tell(large.failed(new SockError("cut", "the transfer broke")));
    }
    this.#places.close();
  }

  /** `kept`: the body is still needed, and is released later. */
  async #entry(entry: Entry, frame: Received): Promise<"done" | "kept"> {
    const started = performance.now();
    const isWanted = this.#wanted.delete(entry.entry);
    if (this.#isLeftOut(entry)) {
      this.#wire.sendSoon({
        type: "done",
        entry: entry.entry,
        bytes: 0,
        digest: "",
        action: "skipped",
        path: "",
      });
      return "done";
    }
    let shown = "path" in entry ? entry.path : Buffer.from(entry.path64, "base64").toString();
    try {
      const landing = this.#options.land(entry);
      ({ shown } = landing);
      this.#recent.claim(landing, entry, isWanted);
      const put: Put = {
        options: this.#options,
        place: this.#places.of(landing.root),
        landing,
        started,
      };
      if (entry.kind === "folder") this.#answer(entry, putFolder(put, entry));
      else if (entry.kind === "link") this.#answer(entry, putLink(put, entry));
      else return await this.#file(put, entry, frame);
    } catch (thrown) {
      const error = asSockError(thrown);
      if (error.code === "protocol") throw error;
      this.#refuse(entry, shown, started, error);
    }
    return "done";
  }

  /** A path that can't be looked at is refused where it is landed: it is that entry's failure, and not the end of all. */
  #isLeftOut(entry: Entry): boolean {
    try {
      return this.#options.isLeftOut?.(entry) === true;
    } catch {
      return false;
    }
  }

  async #file(put: Put, entry: FileEntry, frame: Received): Promise<"done" | "kept"> {
    const { options } = put;
    const { body } = frame;
    if (entry.offer === true) {
      const weighed = weigh(put, entry);
      if ("have" in weighed) this.#want(put, entry, weighed.have);
      else this.#answer(entry, weighed);
      return "done";
    }
    if (options.dry && entry.resume === undefined) {
      if (entry.length !== null)
        throw new SockError("protocol", "a file came where nothing is to be changed");
      this.#answer(entry, foreseenStream(put, entry));
      return "done";
    }
    if (entry.digest !== undefined && body !== undefined) {
      if (!options.sync && !options.verify) {
        this.#digests.add(body, (digest) => {
          this.#small(put, entry, body, digest);
          frame.release?.();
        });
        return "kept";
      }
      if (digestOf(options.digest, body) !== entry.digest) throw differs();
      options.onBytes?.(body.length, 0);
    }
    this.#large = await LargeFile.begin(put, entry, this.#wire, () => this.close());
    if (this.#large.outcome !== undefined) await this.#finished(this.#large);
    else if (entry.digest !== undefined && body !== undefined) {
      const { digest } = entry;
      await this.#step(this.#large, async (large) => {
        await large.data(body.slice());
        await large.end(body.length, digest);
      });
    }
    return "done";
  }

  #small(put: Put, entry: FileEntry, body: Uint8Array, digest: string): void {
    const { landing, options, started } = put;
    try {
      if (digest !== entry.digest) throw differs();
      options.onBytes?.(body.length, 0);
      this.#answer(entry, putSmall(put, entry, body));
    } catch (thrown) {
      const error = asSockError(thrown);
      if (error.code === "protocol") this.#failure ??= error;
      else this.#refuse(entry, landing.shown, started, error);
    }
  }

  #passOver({ entry }: { entry: number }, frame: Received): void {
    frame.release?.();
    if (entry > this.#last) throw new SockError("protocol", "a part came of an entry that has not begun");
    this.#countPassedOver(frame.body?.length ?? 0);
  }

  #countPassedOver(bytes: number): void {
    this.#passedOver += bytes + FRAME_BYTES;
    if (this.#passedOver > MAX_PASSED_OVER_BYTES) {
      throw new SockError("protocol", "the peer goes on with what was stopped");
    }
  }

  #want({ landing: { shown }, started }: Put, { entry, kind }: FileEntry, have: number): void {
    if (this.#wanted.size >= ENTRIES_IN_FLIGHT) {
      throw new SockError("protocol", "more was offered than may be on its way");
    }
    this.#wanted.set(entry, { kind, shown, started });
    this.#wire.sendSoon({ type: "want", entry, have });
  }

  async #step(large: LargeFile, action: (large: LargeFile) => Promise<void>): Promise<void> {
    try {
      await action(large);
      if (large.outcome !== undefined) await this.#finished(large);
    } catch (thrown) {
      this.#large = undefined;
      await large.discard();
      const error = asSockError(thrown);
      this.#stop(large.entry, error);
      this.#tell(large.failed(error));
    }
  }

  async #finished(large: LargeFile): Promise<void> {
    this.#large = undefined;
    await large.discard();
    if (large.outcome !== undefined) this.#answer(large.entry, large.outcome);
  }

  async #aborted(entry: number, code: SockError["code"]): Promise<void> {
    const large = this.#large;
    const error = new SockError(code, "the sender gave it up");
    if (large?.entry.entry !== entry) {
      const wanted = this.#wanted.get(entry);
      this.#wanted.delete(entry);
      // could not be opened any more
      if (wanted !== undefined) this.#tell(failedOutcome(wanted, error));
      // else it may be what we stopped ourselves
      else if (code !== "interrupted") this.counts.failed += 1;
      return;
    }
    this.#large = undefined;
    if (code === "interrupted") await large.keep();
    else await large.discard();
    this.#stop(large.entry, error);
    this.#tell(large.failed(error));
  }

  #answer(entry: Entry, outcome: Outcome): void {
    const { bytes, digest, action, shown: path } = outcome;
    this.#wire.sendSoon({
      type: "done",
      entry: entry.entry,
      bytes,
      digest,
      action,
      path: this.#options.isPrivate === true ? "" : path.toWellFormed(),
    });
    this.#tell(outcome);
  }

  #refuse(entry: Entry, shown: string, started: number, error: SockError): void {
    this.#stop(entry, error);
    this.#tell(failedOutcome({ kind: entry.kind, shown, started }, error));
  }

  #stop(entry: Entry, { code, message, hint }: SockError): void {
    const more = hint === undefined ? {} : { hint };
    this.#wire.sendSoon({ type: "stop", entry: entry.entry, code, message, ...more });
  }

  #tell(outcome: Outcome): void {
    count(this.counts, outcome);
    this.#options.onOutcome?.(outcome);
  }
}

const EMPTY = new Uint8Array(0);
/** What a frame counts as beside its body, bytes. */
const FRAME_BYTES = 1024;

interface Wanted {
  readonly kind: Outcome["kind"];
  readonly shown: string;
  readonly started: number;
}

function failedOutcome({ kind, shown, started }: Wanted, error: SockError): Outcome {
  return { kind, shown, bytes: 0, digest: "", action: "failed", error, ms: performance.now() - started };
}

function differs(): SockError {
  return new SockError("differs", "what arrived is not what was read: the digests differ", "send it again");
}
