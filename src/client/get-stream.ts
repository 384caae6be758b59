import { asSockError, SockError } from "../errors.ts";
import { createDigester, digestOf, type Digester } from "../files/digest.ts";
import type { Compress, Digest, FileEntry, WirePath } from "../protocol/file-messages.ts";
import type { Session } from "./session.ts";

export interface Streamed {
  readonly bytes: number;
  readonly digest: string;
}

export interface StreamOptions {
  readonly digest: Digest;
  readonly compress: Compress;
  /** Must not resolve before it is done with the bytes: their memory is given back then. */
  write(bytes: Uint8Array): Promise<void>;
  onBegin?(length: number | null): void;
  onBytes?(bytes: number): void;
}

const DONE = { action: "new", path: "-" } as const;

/**
 * Fetches one file to a stream, which has no way back: what is wrong at the end shows in what is thrown. It is never tried
 * again. Throws what either side ran into.
 */
export async function getStream(session: Session, path: WirePath, options: StreamOptions): Promise<Streamed> {
  session.require("get");
  const { channel } = session;
  channel.send({
    type: "get",
    paths: [path],
    digest: options.digest,
    links: "follow",
    compress: options.compress,
    fresh: true,
  });
  let isKnown = false;
  let file: StreamedFile | undefined;
  let failure: SockError | undefined;
  let done: Streamed | undefined;
  try {
    for (;;) {
      const { message, frame } = await session.next();
      switch (message.type) {
        case "source":
          if (isKnown) throw unasked();
          isKnown = true;
          if (message.kind === "failed") failure = new SockError(message.code, message.message, message.hint);
          else if (message.kind === "folder") {
            failure = new SockError("is-folder", "is a folder", "sock get HOST:PATH fetches it as one");
            throw failure;
          }
          break;
        case "entry": {
          if (
            !isKnown ||
            message.kind !== "file" ||
            file !== undefined ||
            done !== undefined ||
            message.offer === true
          ) {
            throw unasked();
          }
          options.onBegin?.(message.length);
          file = new StreamedFile(message, options);
          if (message.digest !== undefined)
            done = await file.whole(frame.body ?? new Uint8Array(0), message.digest);
          break;
        }
        case "data":
          if (file?.entry !== message.entry || frame.body === undefined) throw unasked();
          await file.data(frame.body);
          frame.release?.();
          break;
        case "end":
          if (file?.entry !== message.entry) throw unasked();
          done = await file.end(message.bytes, message.digest);
          break;
        case "abort":
          failure = new SockError(message.code, "the server could not go on with the file");
          channel.send({ type: "stop", entry: message.entry, code: message.code, message: failure.message });
          break;
        case "missed":
          failure ??= new SockError(message.code, message.message, message.hint);
          break;
        case "result":
          channel.send({ type: "finish" });
          if (failure !== undefined) throw failure;
          if (done === undefined) throw new SockError("cut", "the server ended before all was sent");
          return done;
        default:
          throw new SockError("protocol", `the server answered a get with ${message.type}`);
      }
      if (done !== undefined && file !== undefined) {
        channel.send({ type: "done", entry: file.entry, ...done, ...DONE });
        file = undefined;
      }
    }
  } catch (thrown) {
    if (failure === undefined || thrown !== failure || failure.code === "is-folder")
      channel.refuse(asSockError(thrown));
    throw thrown;
  } finally {
    file?.close();
  }
}

class StreamedFile {
  readonly entry: number;
  readonly #length: number | null;
  readonly #options: StreamOptions;
  readonly #digester: Digester;
  #written = 0;

  constructor(entry: FileEntry, options: StreamOptions) {
    this.entry = entry.entry;
    this.#length = entry.length;
    this.#options = options;
    this.#digester = createDigester(options.digest, entry.length);
  }

  async data(piece: Uint8Array): Promise<void> {
    if (this.#length !== null && this.#written + piece.length > this.#length) {
      throw new SockError("changed", "more bytes came than were announced", "did it grow meanwhile?");
    }
    await Promise.all([this.#options.write(piece), this.#digester.update(piece)]);
    this.#written += piece.length;
    this.#options.onBytes?.(this.#written);
  }

  async whole(bytes: Uint8Array, digest: string): Promise<Streamed> {
    if (digestOf(this.#options.digest, bytes) !== digest) throw differs();
    await this.#options.write(bytes);
    return { bytes: bytes.length, digest };
  }

  async end(bytes: number, digest: string): Promise<Streamed> {
    const own = await this.#digester.digest();
    if (bytes !== this.#written || bytes !== (this.#length ?? bytes)) {
      throw new SockError("cut", `${this.#written} of ${this.#length ?? bytes} bytes arrived`);
    }
    if (own !== digest) throw differs();
    return { bytes, digest };
  }

  close(): void {
    this.#digester.close();
  }
}

function unasked(): SockError {
  return new SockError("protocol", "the server sent what nobody asked for");
}

function differs(): SockError {
  return new SockError("differs", "what arrived is not what was read: the digests differ");
}
