import { openSync } from "node:fs";
import { SockError } from "../errors.ts";
import type { ServerEvent } from "../server/events.ts";
import { Output } from "./output.ts";

/** The owner's record: a line of JSON for each request, join and refusal, added to a file that others can't read. */
export class Audit {
  readonly #output: Output;

  /** @throws SockError `io` */
  constructor(file: string, onFailure: (error: SockError) => void) {
    try {
      this.#output = new Output(openSync(file, "a", 0o600));
    } catch (cause) {
      throw new SockError("io", `cannot write ${file}`, "--audit FILE", { cause });
    }
    this.#output.onFailure = (failure) =>
      onFailure(
        new SockError("io", `the audit file can't be written any more: ${failure.code ?? failure.message}`),
      );
  }

  add(event: ServerEvent): void {
    const { type, ...rest } = event;
    // a crowd that waits for a slow disk is cut off, and counted, as messages are
    this.#output.message(`${JSON.stringify({ time: new Date().toISOString(), type, ...rest })}\n`);
  }

  async close(): Promise<void> {
    await this.#output.drain();
  }
}
