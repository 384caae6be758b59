/**
 * Program output as UTF-8, streaming. Programs of both kinds share a session, so the encoding is decided line by line
 * (decide.ts), unless the first bytes say what all of it is. The outcome is a function of the bytes, the ticks of the
 * injected clock and the prior: where chunks are cut changes nothing. stdout and stderr each need their own stream.
 */
import { type Force, UNDECIDED_MS } from "./decide.ts";
import { type Decoding, decoderOf, isGb } from "./encoding.ts";
import { type LineOptions, LineStream } from "./line-stream.ts";
import { opening } from "./opening.ts";
import { type C1, copy, FixedStream, join, NOTHING, RawStream, type TextStream } from "./stream.ts";
import { SockError } from "../errors.ts";

export interface TextOptions {
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  /** Left out: replaced. */
  readonly c1?: C1 | undefined;
}

/**
 * The stream for one program's stdout, or its stderr. UTF-8 and GBK are what a line is that could be both; another
 * encoding that is stated is taken as it is, one that is only guessed is what the lines are that are no UTF-8.
 * @throws SockError `usage` for an encoding that TextDecoder doesn't know
 */
export function textStream(decoding: Decoding, options: TextOptions): TextStream {
  if (decoding.kind === "raw") return new RawStream();
  const { clock, c1 = "replaced" } = options;
  const { encoding, stated } = decoding;
  if (encoding === "utf-8" || isGb(encoding)) {
    const prior = encoding === "utf-8" ? "utf-8" : "gb18030";
    return new OpeningStream({ clock, c1, prior, stated, locked: false });
  }
  const legacy = decoderOf(encoding);
  if (legacy === undefined) throw new SockError("usage", `unknown encoding ${JSON.stringify(encoding)}`);
  if (stated || encoding.startsWith("utf-16")) return new FixedStream(legacy, c1);
  return new OpeningStream({ clock, c1, prior: "utf-8", stated, legacy, locked: false });
}

/** A whole text at once: a datagram, a line, a name. @throws SockError `usage` as `textStream` */
export function decodeText(bytes: Uint8Array, decoding: Decoding, c1: C1 = "replaced"): string {
  const stream = textStream(decoding, { clock: () => 0, c1 });
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(join([stream.push(bytes), stream.end()]));
}

/** Holds back the little of a stream's beginning that may be UTF-16 or a byte order mark, then hands over. */
class OpeningStream implements TextStream {
  readonly #options: LineOptions;
  #rest: TextStream | undefined;
  /** All that has come, of which the first `#shown` bytes are out already. */
  #first: Uint8Array = NOTHING;
  #shown = 0;
  #since: number | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  get due(): number | undefined {
    if (this.#rest !== undefined) return this.#rest.due;
    return this.#since === undefined ? undefined : this.#since + UNDECIDED_MS;
  }

  push(bytes: Uint8Array): Uint8Array {
    if (this.#rest !== undefined) return this.#rest.push(bytes);
    const late = this.tick();
    if (this.#handedOver()) return join([late, this.push(bytes)]);
    this.#first = this.#first.length === 0 ? bytes : join([this.#first, bytes]);
    return this.#look("none");
  }

  tick(): Uint8Array {
    if (this.#rest !== undefined) return this.#rest.tick();
    const { due } = this;
    return due === undefined || this.#options.clock() < due ? NOTHING : this.#look("timeout");
  }

  end(): Uint8Array {
    if (this.#rest !== undefined) return this.#rest.end();
    return join([this.#look("end"), this.#ended()]);
  }

  #ended(): Uint8Array {
    return this.#rest?.end() ?? NOTHING;
  }

  /** By what `tick` saw. */
  #handedOver(): boolean {
    return this.#rest !== undefined;
  }

  #look(force: Force): Uint8Array {
    const first = this.#first;
    const found = opening(first, first.length, force);
    if (found.kind === "open") return this.#wait(found.plain);
    this.#first = NOTHING;
    if (found.kind === "utf-16le") {
      this.#rest = new FixedStream(new TextDecoder("utf-16le"), this.#options.c1);
      return this.#rest.push(first.subarray(this.#wideFrom(first, found.from)));
    }
    const lines = new LineStream({ ...this.#options, locked: found.kind === "utf-8" });
    this.#rest = lines;
    return lines.adopt(first, Math.max(found.from, this.#shown), this.#since, force);
  }

  #wait(plain: number): Uint8Array {
    const out = copy(this.#first.subarray(this.#shown, plain));
    this.#shown = plain;
    if (plain === this.#first.length) this.#since = undefined;
    else this.#since ??= this.#options.clock();
    this.#first = copy(this.#first); // the chunk is its owner's
    return out;
  }

  /** An ASCII character that is out already is not said twice, and no character is taken from its second half on. */
  #wideFrom(first: Uint8Array, from: number): number {
    if (this.#shown % 2 === 0) return Math.max(from, this.#shown);
    return first[this.#shown] === 0 ? this.#shown + 1 : this.#shown - 1;
  }
}
