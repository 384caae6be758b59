/**
 * Pipes to and from a child. Bun itself gives a child sockets, which /dev/stdout and /dev/stdin can't open again
 * (ENXIO), so that many a script fails; where pipe2(2) is not to be had, they have to do.
 */
import { closeSync } from "node:fs";
import { enlargePipe, neverBlocks, pipe } from "./native.ts";

/** A pipe that has carried so much is made large, bytes: 64 KiB make every reader wait for every writer. */
const MUCH = 1024 * 1024;
const LARGE = 1024 * 1024;

interface Reader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** What a child writes, as it comes. */
export class ReadEnd {
  readonly #reader: Reader;
  /** Ours to close; undefined where it is Bun's. */
  #fd: number | undefined;
  #carried = 0;

  constructor(source: number | ReadableStream<Uint8Array>) {
    this.#fd = typeof source === "number" ? source : undefined;
    this.#reader = (typeof source === "number" ? Bun.file(source).stream() : source).getReader();
  }

  /** The next bytes, undefined at the end. */
  async read(): Promise<Uint8Array | undefined> {
    try {
      const { value, done } = await this.#reader.read();
      if (!done && value !== undefined) {
        this.#carry(value.length);
        return value;
      }
    } catch {
      // an end like any other
    }
    this.#close();
    return undefined;
  }

  /** Nobody reads it any more: whoever writes to it now gets SIGPIPE. */
  async cancel(): Promise<void> {
    try {
      await this.#reader.cancel();
    } finally {
      this.#close();
    }
  }

  #carry(bytes: number): void {
    const before = this.#carried;
    this.#carried += bytes;
    if (this.#fd !== undefined && before < MUCH && this.#carried >= MUCH) enlargePipe(this.#fd, LARGE);
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** A child's stdin. */
export class WriteEnd {
  readonly #sink: Bun.FileSink;
  #fd: number | undefined;
  #ended = false;

  constructor(target: number | Bun.FileSink) {
    this.#fd = typeof target === "number" ? target : undefined;
    this.#sink = typeof target === "number" ? Bun.file(target).writer() : target;
  }

  /** Resolves when the bytes are in the pipe, false where nobody reads it any more. */
  async write(bytes: Uint8Array): Promise<boolean> {
    if (this.#ended) return false;
    try {
      await this.#sink.write(bytes);
      await this.#sink.flush();
      return true;
    } catch {
      return false;
    }
  }

  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      await this.#sink.end();
    } catch {
      // nobody reads it any more
    } finally {
      if (this.#fd !== undefined) closeSync(this.#fd);
      this.#fd = undefined;
    }
  }
}

/** A pipe between us and a child that is to be started; undefined ends where Bun has to make its own. */
export class ChildPipe {
  #ours: number | undefined;
  #theirs: number | undefined;

  /** Throws `busy` where there are no descriptors left. */
  constructor(childReads: boolean) {
    const ends = pipe();
    if (ends === undefined) return;
    this.#ours = childReads ? ends.write : ends.read;
    this.#theirs = childReads ? ends.read : ends.write;
    if (childReads) neverBlocks(ends.write);
  }

  /** For Bun.spawn. */
  get theirs(): number | "pipe" {
    return this.#theirs ?? "pipe";
  }

  /** Our end, once the child has its own. */
  taken(): number | undefined {
    if (this.#theirs !== undefined) closeSync(this.#theirs);
    this.#theirs = undefined;
    const ours = this.#ours;
    this.#ours = undefined;
    return ours;
  }

  /** Where no child came of it. */
  close(): void {
    const ours = this.taken();
    if (ours !== undefined) closeSync(ours);
  }
}
