/** One file that comes in `data` frames, from its entry to its publishing; it may go on from what is there already. */
import { SockError } from "../errors.ts";
import { createDigester, type Digester } from "../files/digest.ts";
import type { Entry as Existing } from "../files/entry.ts";
import { Incoming } from "../files/incoming.ts";
import { pathBytes, showPath } from "../files/names.ts";
import { Outgoing } from "../files/outgoing.ts";
import { partialId } from "../files/partials.ts";
import { Receiving } from "../files/receiving.ts";
import { RESUME_BYTES } from "../protocol/constants.ts";
import type { FileEntry } from "../protocol/file-messages.ts";
import type { Outcome } from "./outcome.ts";
import { formatBytes } from "../text/units.ts";
import { Proving } from "./proving.ts";
import { asLive, canBeProved, putMetadata, type Put } from "./small-entries.ts";
import type { Wire } from "./wire.ts";

/** The file that stands at the destination, read to find out whether it is the new one already. */
interface Basis {
  readonly file: Outgoing;
  readonly existing: Existing;
}

export class LargeFile {
  readonly entry: FileEntry;
  /** Set when it is over and well. */
  outcome: Outcome | undefined;
  readonly #put: Put;
  readonly #wire: Wire;
  #digester: Digester;
  #incoming: Incoming | undefined;
  #receiving: Receiving | undefined;
  #proving: Proving | undefined;
  #basis: Basis | undefined;
  #release: (() => void) | undefined;

  private constructor(put: Put, entry: FileEntry, wire: Wire) {
    this.#put = put;
    this.entry = entry;
    this.#wire = wire;
    this.#digester = createDigester(put.options.digest, entry.length);
  }

  /** Throws what refuses it; `evict` is called when a newer connection of the same run goes on with it. */
  static async begin(put: Put, entry: FileEntry, wire: Wire, evict: () => Promise<void>): Promise<LargeFile> {
    const large = new LargeFile(put, entry, wire);
    try {
      await large.#begin(evict);
      return large;
    } catch (thrown) {
      await large.discard();
      throw thrown;
    }
  }

  /** Bytes of the file that are there, with what was proved. */
  get bytes(): number {
    return this.#receiving?.bytes ?? 0;
  }

  async data(piece: Uint8Array, release?: () => void): Promise<void> {
    if (this.#receiving === undefined) throw new SockError("protocol", "data came before it was asked for");
    const { maxFile } = this.#put.options;
    if (maxFile !== undefined && this.#receiving.bytes + piece.length > maxFile) {
      throw new SockError(
        "too-large",
        `${this.#put.landing.shown}: longer than the ${formatBytes(maxFile)} that are taken there`,
        "the server was started with --max-file",
      );
    }
    await this.#receiving.data(piece, release);
  }

  async prove(hashes: Uint8Array): Promise<void> {
    const proving = this.#proving;
    // what was on its way when the answer was given
    if (proving === undefined) return;
    if (!(await proving.add(hashes))) return;
    this.#proving = undefined;
    this.#goOn(proving.proved);
  }

  async end(bytes: number, digest: string): Promise<void> {
    const { landing } = this.#put;
    if (this.#basis !== undefined && this.#proving === undefined) {
      if (bytes !== this.entry.length || (await this.#digester.digest()) !== digest) throw differs();
      if (this.#basis.file.changed()) throw new SockError("changed", `${landing.shown}: changed meanwhile`);
      const action = putMetadata(this.#put, this.entry, this.#basis.existing);
      this.outcome = this.#told({ bytes, digest, action });
      return;
    }
    if (this.#receiving === undefined) throw new SockError("protocol", "the end came before the bytes");
    const published = await this.#receiving.end(bytes, digest);
    const name = published.path.at(-1) ?? "";
    const shown = landing.shown.slice(0, landing.shown.lastIndexOf("/") + 1) + showPath([name]);
    this.outcome = this.#told({
      bytes,
      digest: published.digest,
      action: asLive(this.#put, published.action),
      shown,
    });
  }

  failed(error: SockError): Outcome {
    return this.#told({ bytes: this.bytes, digest: "", action: "failed", error });
  }

  /** The transfer broke: what came stays for the next one, where that can be. */
  async keep(): Promise<void> {
    if (this.#receiving === undefined) await this.#incoming?.keep();
    else await this.#receiving.keep();
    this.#close();
  }

  async discard(): Promise<void> {
    if (this.#receiving === undefined) this.#incoming?.discard();
    else await this.#receiving.discard();
    this.#close();
  }

  async #begin(evict: () => Promise<void>): Promise<void> {
    const { landing, options } = this.#put;
    const { length } = this.entry;
    const id =
      options.owner === undefined || length === null || length < RESUME_BYTES || options.dry
        ? undefined
        : partialId(options.owner, [pathBytes(landing.shown)]);
    if (id !== undefined) this.#release = await options.takeOver?.(id, evict);
    if (this.entry.resume !== undefined && id === undefined && this.#openBasis()) return;
    if (options.dry) {
      this.#goOn(0);
      return;
    }
    const incoming = (this.#incoming = this.#create(id));
    if (incoming.skipped) {
      this.outcome = this.#told({ bytes: 0, digest: "", action: "skipped" });
      return;
    }
    const have = Math.min(incoming.kept, this.entry.resume ?? 0);
    if (have > 0) {
      options.onCompare?.(have);
      const read = (block: Uint8Array, at: number): Promise<number> => incoming.readKept(block, at);
      this.#proving = new Proving(have, read, this.#digester, options.pool);
    } else if (this.entry.resume === undefined || incoming.kept > 0 || !this.#openBasis()) {
      this.#goOn(0);
    }
  }

  /** Reads the file that is there, if its bytes may be those of the new one. */
  #openBasis(): boolean {
    const { landing, options } = this.#put;
    const { length } = this.entry;
    let existing: Existing;
    try {
      existing = landing.root.statEntry(landing.segments, { follow: false });
    } catch {
      return false;
    }
    if (length === null || this.entry.resume !== length || !canBeProved(this.#put, existing, length))
      return false;
    let file: Outgoing;
    try {
      file = Outgoing.fromFd(landing.root.openForRead(landing.segments).fd);
    } catch {
      // not ours to read, but perhaps to replace
      return false;
    }
    this.#basis = { file, existing };
    options.onCompare?.(length);
    this.#proving = new Proving(length, (block, at) => file.read(block, at), this.#digester, options.pool);
    return true;
  }

  /** `at` bytes are proved; the sender goes on from there. */
  #goOn(at: number): void {
    const { options } = this.#put;
    const { entry, length } = this.entry;
    let from = at;
    if (this.#basis !== undefined && at < (length ?? 0)) {
      // another file: it is replaced, and what was hashed of it counts no more
      this.#basis.file.close();
      this.#basis = undefined;
      this.#digester.close();
      this.#digester = createDigester(options.digest, length);
      from = 0;
    }
    if (this.#basis === undefined && options.dry) {
      this.outcome = this.#told({ bytes: length ?? 0, digest: "", action: "replaced" });
      return;
    }
    if (this.#basis === undefined) {
      const incoming = (this.#incoming ??= this.#create(undefined));
      incoming.startAt(from);
      if (from > 0) options.onGoOn?.(from);
      this.#receiving = new Receiving(incoming, this.#digester, options.pool, length, from);
    }
    if (this.entry.resume !== undefined) this.#wire.send({ type: "from", entry, at: from });
  }

  #create(id: string | undefined): Incoming {
    const { landing, options } = this.#put;
    const { mode, mtime: mtimeUs, length } = this.entry;
    const { onExists, sync, verify, minFree } = options;
    return Incoming.create(landing.root, landing.segments, {
      onExists,
      mode,
      mtimeUs,
      length,
      sync,
      verify,
      partialId: id,
      ...(minFree === undefined ? {} : { minFree }),
    });
  }

  #told(what: Pick<Outcome, "bytes" | "digest" | "action"> & { error?: SockError; shown?: string }): Outcome {
    const { landing, started } = this.#put;
    return { kind: "file", shown: landing.shown, ...what, ms: performance.now() - started };
  }

  #close(): void {
    this.#digester.close();
    this.#basis?.file.close();
    this.#basis = undefined;
    this.#release?.();
    this.#release = undefined;
  }
}

function differs(): SockError {
  return new SockError("differs", "what is there is not what was read: the digests differ", "send it again");
}
