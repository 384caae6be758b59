/** A file that a run leaves behind: whole or not at all, and that it can be written is known before the run. */
import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  fstatSync,
  lstatSync,
  realpathSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { chmod, open, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { SockError } from "../errors.ts";
import { errnoWords } from "../files/failure.ts";

/** What a file that is no plain one, or must stay the one it is, does not take: to be replaced. */
const IRREPLACEABLE = new Set(["EBUSY", "EPERM", "EACCES", "EXDEV"]);

export class ResultFile {
  readonly #given: string;
  /** Where links lead. */
  readonly #path: string;
  readonly #mode: number | undefined;
  /** A pipe, a device, our own stdout, a link to what is not there yet: written as it is. */
  readonly #asItIs: boolean;
  /** Our own stream, where that is a file. */
  readonly #own: number | undefined;

  /** Throws `io` where it could not be written. */
  constructor(path: string) {
    this.#given = path;
    try {
      const stat = statSync(path, { throwIfNoEntry: false });
      const found = stat ?? lstatSync(path, { throwIfNoEntry: false });
      this.#own = ownStream(path);
      this.#asItIs = found !== undefined && (!found.isFile() || streamOf(found) !== undefined);
      this.#path = stat === undefined || this.#asItIs ? resolve(path) : realpathSync(path);
      this.#mode = stat === undefined ? undefined : stat.mode & 0o777;
      if (stat?.isDirectory() === true || /(^|\/)\.{0,2}$/.test(path)) throw isFolder(path);
      accessSync(stat === undefined ? dirname(path) : path, constants.W_OK);
    } catch (thrown) {
      throw this.#failure(thrown);
    }
  }

  /** Whether what is written to one would take the other's place. */
  isSame(other: ResultFile): boolean {
    return !this.#asItIs && !other.#asItIs && this.#path === other.#path;
  }

  async write(text: string): Promise<void> {
    try {
      if (this.#own !== undefined) writeAll(this.#own, Buffer.from(text));
      else if (this.#asItIs) await this.#add(text);
      else await this.#replace(text);
    } catch (thrown) {
      throw this.#failure(thrown);
    }
  }

  async #add(text: string): Promise<void> {
    const file = await open(this.#path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT);
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
  }

  async #replace(text: string): Promise<void> {
    const beside = join(dirname(this.#path), `.sock-${randomBytes(8).toString("hex")}.tmp`);
    try {
      await writeFile(beside, text, { flag: "wx" });
      if (this.#mode !== undefined) await chmod(beside, this.#mode);
      await rename(beside, this.#path);
    } catch (thrown) {
      await rm(beside, { force: true }).catch(() => undefined);
      // mounted by itself, or in a folder that is not ours: then the file itself is all that can be written
      if (this.#mode === undefined || !IRREPLACEABLE.has(codeOf(thrown))) throw thrown;
      await writeFile(this.#path, text);
    }
  }

  #failure(thrown: unknown): SockError {
    if (thrown instanceof SockError) return thrown;
    const code = codeOf(thrown);
    const words = `can't write ${JSON.stringify(this.#given)}: ${errnoWords(code)}`;
    return new SockError(code === "ENOSPC" ? "no-space" : "io", words);
  }
}

function isFolder(path: string): SockError {
  return new SockError("io", `can't write ${JSON.stringify(path)}: it names a folder`);
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "failed";
}

/** The one of our own streams that writes to the same file, whose place in it a second descriptor would not know. */
export function ownStream(path: string): number | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  const fd = stat?.isFile() === true ? streamOf(stat) : undefined;
  return fd === 0 ? undefined : fd;
}

/** The system may take a part, and says only with the rest why. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}

/** Which of our own three streams is written to it, or read from it. */
function streamOf({ dev, ino }: Stats): number | undefined {
  return [1, 2, 0].find((fd) => {
    try {
      const own = fstatSync(fd);
      return own.dev === dev && own.ino === ino;
    } catch {
      return false;
    }
  });
}
