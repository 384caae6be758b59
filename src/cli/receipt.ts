/** `--receipt FILE`: one line for each file whose bytes were proved, as sha256sum writes and reads them. */
import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { fsFailure } from "../files/failure.ts";

/** Lines are written together up to this, characters. */
const GATHER_CHARS = 64 * 1024;

export class Receipt {
  readonly #path: string;
  readonly #fd: number;
  #text = "";

  /** Throws what the system throws, before anything is transferred. */
  constructor(path: string, algorithm: string) {
    if (algorithm !== "sha256") {
      throw new SockError("usage", "--receipt is for sha256", "leave --digest out");
    }
    this.#path = path;
    try {
      this.#fd = fs.openSync(path, "w");
    } catch (thrown) {
      throw fsFailure(thrown, path);
    }
  }

  add(digest: string, path: string): void {
    // GNU coreutils: a name with \ or a newline is escaped, and the line says so with a \ in front
    const escaped = path.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
    this.#text += `${escaped === path ? "" : "\\"}${digest}  ${escaped}\n`;
    if (this.#text.length >= GATHER_CHARS) this.#write();
  }

  close(): void {
    this.#write();
    fs.closeSync(this.#fd);
  }

  #write(): void {
    try {
      fs.writeSync(this.#fd, this.#text);
    } catch (thrown) {
      throw fsFailure(thrown, this.#path);
    }
    this.#text = "";
  }
}
