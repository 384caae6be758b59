/** `--samples FILE`: one line of JSON for each datagram that was sent. */
import { closeSync, openSync } from "node:fs";
import { SockError } from "../errors.ts";
import { errnoWords } from "../files/failure.ts";
import type { RoundTrips } from "../measure/round-trips.ts";
import { ownStream, writeAll } from "./result-file.ts";

const LINES_AT_ONCE = 10_000;
const FIRST_ROOM = 1024;

export class SampleLog {
  readonly #path: string;
  readonly #fd: number;
  readonly #isOwn: boolean;
  #sent = new Float64Array(FIRST_ROOM);
  #rtt = new Float64Array(FIRST_ROOM);

  /** Throws `io` now, and not after the run. */
  constructor(path: string) {
    this.#path = path;
    try {
      const own = ownStream(path);
      this.#isOwn = own !== undefined;
      this.#fd = own ?? openSync(path, "w");
    } catch (thrown) {
      throw failure(path, thrown);
    }
  }

  readonly listeners = {
    onSent: (number: number, at: number): void => {
      if (number >= this.#sent.length) {
        this.#sent = grown(this.#sent);
        this.#rtt = grown(this.#rtt);
      }
      this.#sent[number] = at;
    },
    onReply: (number: number, rttUs: number): void => {
      this.#rtt[number] = rttUs;
    },
  };

  async write(trips: RoundTrips): Promise<void> {
    try {
      for (let from = 0; from < trips.sent; from += LINES_AT_ONCE) {
        let text = "";
        for (let number = from; number < Math.min(trips.sent, from + LINES_AT_ONCE); number++) {
          const fate = trips.fate(number);
          const rtt = fate === "received" ? tenths(this.#rtt[number] ?? 0) : null;
          text += `${JSON.stringify({ number, sent_us: tenths(this.#sent[number] ?? 0), fate, rtt_us: rtt })}\n`;
        }
        writeAll(this.#fd, Buffer.from(text));
        // the session is looked after meanwhile
        await Bun.sleep(0);
      }
    } catch (thrown) {
      throw failure(this.#path, thrown);
    } finally {
      if (!this.#isOwn) closeSync(this.#fd);
    }
  }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

function grown(values: Float64Array): Float64Array<ArrayBuffer> {
  const more = new Float64Array(2 * values.length);
  more.set(values);
  return more;
}

function failure(path: string, thrown: unknown): SockError {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "failed";
  return new SockError(
    code === "ENOSPC" ? "no-space" : "io",
    `can't write ${JSON.stringify(path)}: ${errnoWords(code)}`,
  );
}
