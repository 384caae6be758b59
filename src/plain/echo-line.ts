/** Round trips over one connection with a plain echo server: a stream of bytes that has to come back as it went. */
import { SockError } from "../errors.ts";
import { ANSWER_BEGIN_MS, ANSWER_STALL_MS } from "./limits.ts";
import { type Peer, QUIET } from "./peer.ts";

/** Not a power of two, nor near one: what is lost or doubled on the way shifts all that follows. */
const PERIOD = 251;
/** What waits for the kernel, bytes, above which nothing more should be sent. */
const MOST_UNSENT = 1024 * 1024;

interface Out {
  readonly seq: number;
  readonly at: number;
}

export class PlainEchoLine {
  readonly #peer: Peer;
  readonly #size: number;
  readonly #bytes: Uint8Array;
  readonly #expected: Uint8Array;
  #out: Out[] = [];
  #unsent = 0;
  #wasAnswered = false;
  #closed = false;

  /** `expected` makes of any bytes, one by one, what has to come back for them. */
  constructor(peer: Peer, size: number, expected: (bytes: Uint8Array) => Uint8Array) {
    this.#peer = peer;
    this.#size = size;
    this.#bytes = new Uint8Array(size + PERIOD).map((_, index) => index % PERIOD);
    this.#expected = expected(this.#bytes);
  }

  get congested(): boolean {
    return this.#unsent >= MOST_UNSENT;
  }

  send(seq: number): void {
    this.#out.push({ seq, at: performance.now() });
    this.#unsent += this.#size;
    const taken = (): void => {
      this.#unsent -= this.#size;
    };
    // that it broke is told by what is read
    this.#peer.write(this.#of(this.#bytes, seq)).then(taken, taken);
  }

  /** The number of the next one that is back, and right. Throws `differs`, `lost`, `silent`. */
  async back(): Promise<number> {
    let missing = this.#size;
    while (missing > 0) {
      const piece = await this.#piece();
      const first = this.#out[0];
      if (first === undefined) throw tooMuch();
      const taken = piece.subarray(0, missing);
      this.#peer.unread(piece.subarray(taken.length));
      const at = this.#size - missing;
      const expected = this.#of(this.#expected, first.seq).subarray(at, at + taken.length);
      if (Buffer.compare(taken, expected) !== 0) {
        throw new SockError(
          "differs",
          "what came back is not what was sent",
          "is it an echo server? --trace shows the bytes",
        );
      }
      missing -= taken.length;
    }
    this.#wasAnswered = true;
    return this.#out.shift()?.seq ?? -1;
  }

  /** Gently, for a server that was sent a reset may have no idea of it. */
  async close(): Promise<SockError | undefined> {
    this.#closed = true;
    if (this.#out.length === 0) return (await this.#peer.finish()) > 0 ? tooMuch() : undefined;
    this.#peer.close();
    return undefined;
  }

  #of(bytes: Uint8Array, seq: number): Uint8Array {
    const from = seq % PERIOD;
    return bytes.subarray(from, from + this.#size);
  }

  async #piece(): Promise<Uint8Array> {
    const patience = this.#wasAnswered ? ANSWER_STALL_MS : ANSWER_BEGIN_MS;
    for (;;) {
      const piece = await this.#peer.readWithin(patience);
      if (piece === undefined) throw new SockError("lost", "the peer has closed the connection");
      if (piece !== QUIET) return piece;
      if (this.#closed) throw new SockError("lost", "the measurement is over");
      const since = performance.now() - (this.#out[0]?.at ?? Infinity);
      if (since >= patience) throw new SockError("silent", `no answer in ${patience / 1000} s`);
    }
  }
}

function tooMuch(): SockError {
  return new SockError("differs", "more comes back than was sent");
}
