/**
 * The receiving side of files, the same for a `put` (the server) and a `get` (the client): takes a sender's messages one
 * after another and answers each entry once, by `done` or `stop`. What it remembers does not grow with the tree.
 */
import { asSockError, SockError } from "../errors.ts";
import { digestOf } from "../files/digest.ts";
import { Slice } from "../files/slice.ts";
import type { Entry, FileEntry, SenderMessage } from "../protocol/file-messages.ts";
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
  /** Files and links that were not wanted. */
  leftOut = 0;
  readonly #wire: Wire;
  readonly #options: ReceiverOptions;
  readonly #places = new Places();
  readonly #recent = new RecentPaths();
  readonly #slice = new Slice();
  /** The file that comes in `data` frames. */
  #large: LargeFile | undefined;

  constructor(wire: Wire, options: ReceiverOptions) {
    this.#wire = wire;
    this.#options = options;
  }

  /** The sender may not end now. */
  get busy(): boolean {
    return this.#large !== undefined;
  }

  /** One message; the next one only when this has resolved. Throws what ends the connection. */
  async take(message: SenderMessage, frame: Received): Promise<void> {
    const length = frame.body?.length ?? 0;
    switch (message.type) {
      case "entry":
        if (this.#large !== undefined) {
          throw new SockError("protocol", "an entry began in the middle of another");
        }
        await this.#entry(message, frame);
        frame.release?.();
        break;
      case "data":
        if (this.#large?.entry.entry === message.entry && frame.body !== undefined) {
          await this.#step(this.#large, (large) => large.data(frame.body ?? EMPTY, frame.release));
          this.#options.onBytes?.(length);
        } else frame.release?.();
        break;
      case "proof":
        if (this.#large?.entry.entry === message.entry) {
          await this.#step(this.#large, (large) => large.prove(frame.body ?? EMPTY));
        }
        break;
      case "end":
        if (this.#large?.entry.entry === message.entry) {
          await this.#step(this.#large, (large) => large.end(message.bytes, message.digest));
        }
        break;
      case "abort":
        await this.#aborted(message.entry, message.code);
        break;
      default:
        throw new SockError("protocol", `the peer sent ${JSON.stringify(message satisfies never)}`);
    }
    const pause = this.#options.pace?.took(length, () => this.#wire.failure !== undefined);
    if (pause !== undefined) await pause;
    if (this.#wire.congested) await this.#wire.ready();
    const wait = this.#slice.over();
    if (wait !== undefined) await wait;
  }

  /** Lets everything go. What came of a large file is kept where that is possible: the connection may come back. */
  async close(): Promise<void> {
    const large = this.#large;
    this.#large = undefined;
    if (large !== undefined) {
      await large.keep();
      this.#tell(large.failed(new SockError("cut", "the transfer broke")));
    }
    this.#places.close();
  }

  async #entry(entry: Entry, { body }: Received): Promise<void> {
    const started = performance.now();
    if (this.#options.isLeftOut?.(entry) === true) {
      if (entry.kind !== "folder") this.leftOut += 1;
      this.#wire.sendSoon({
        type: "done",
        entry: entry.entry,
        bytes: 0,
        digest: "",
        action: "skipped",
        path: "",
      });
      return;
    }
    let shown = "path" in entry ? entry.path : Buffer.from(entry.path64, "base64").toString();
    try {
      const landing = this.#options.land(entry);
      ({ shown } = landing);
      const put: Put = {
        options: this.#options,
        place: this.#places.of(landing.root),
        landing,
        started,
      };
      if (entry.kind === "folder") this.#answer(entry, putFolder(put, entry));
      else if (entry.kind === "link") this.#once(put, () => this.#answer(entry, putLink(put, entry)));
      else await this.#file(put, entry, body);
    } catch (thrown) {
      const error = asSockError(thrown);
      if (error.code === "protocol") throw error;
      this.#refuse(entry, shown, started, error);
    }
  }

  async #file(put: Put, entry: FileEntry, body: Uint8Array | undefined): Promise<void> {
    const { options } = put;
    if (entry.offer === true) {
      const weighed = weigh(put, entry);
      if ("have" in weighed) this.#wire.sendSoon({ type: "want", entry: entry.entry, have: weighed.have });
      else this.#answer(entry, weighed);
      return;
    }
    if (options.dry && entry.resume === undefined) {
      if (entry.length !== null)
        throw new SockError("protocol", "a file came where nothing is to be changed");
      this.#answer(entry, foreseenStream(put, entry));
      return;
    }
    if (entry.digest !== undefined && body !== undefined) {
      if (digestOf(options.digest, body) !== entry.digest) throw differs();
      options.onBytes?.(body.length);
      if (!options.sync && !options.verify) {
        this.#once(put, () => this.#answer(entry, putSmall(put, entry, body)));
        return;
      }
    }
    this.#recent.add(put.landing);
    this.#large = await LargeFile.begin(put, entry, this.#wire, () => this.close());
    if (this.#large.outcome !== undefined) await this.#finished(this.#large);
    else if (entry.digest !== undefined && body !== undefined) {
      const { digest } = entry;
      await this.#step(this.#large, async (large) => {
        await large.data(body.slice());
        await large.end(body.length, digest);
      });
    }
  }

  /** Two entries of one path would be one file at the end: the second is refused. */
  #once(put: Put, action: () => void): void {
    this.#recent.check(put.landing);
    action();
    this.#recent.add(put.landing);
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
    if (large?.entry.entry !== entry) {
      // of a file that was wanted, and could not be opened any more
      this.counts.failed += 1;
      return;
    }
    this.#large = undefined;
    if (code === "interrupted") await large.keep();
    else await large.discard();
    const error = new SockError(code, "the sender gave it up");
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
      path: path.toWellFormed(),
    });
    this.#tell(outcome);
  }

  #refuse(entry: Entry, shown: string, started: number, error: SockError): void {
    this.#stop(entry, error);
    const ms = performance.now() - started;
    this.#tell({ kind: entry.kind, shown, bytes: 0, digest: "", action: "failed", error, ms });
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

function differs(): SockError {
  return new SockError("differs", "what arrived is not what was read: the digests differ", "send it again");
}
