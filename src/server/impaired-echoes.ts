/** `--impair` for the echo: each answer at its time, in their order. What else a session carries waits for nothing. */
import { SockError } from "../errors.ts";
import { ImpairedStream } from "../measure/impaired-stream.ts";
import { Pause } from "../os/timer.ts";
import type { Frame } from "../protocol/frame.ts";
import type { Channel } from "../transport/channel.ts";
import type { ServerImpairment } from "./impaired-runs.ts";

/** Echoes of one session that may wait for their time, bytes; above it no more are read. */
const MOST_WAITING = 4 * 1024 * 1024;
/** What one is counted as besides its body, bytes. */
const FRAME_BYTES = 256;

/** The n-th session that echoes has the n-th row of chances. */
export class ImpairedEchoes {
  readonly #impair: ServerImpairment;
  #count = 0;

  constructor(impair: ServerImpairment) {
    this.#impair = impair;
  }

  over(channel: Channel): DelayedEchoes {
    const { how, seed } = this.#impair;
    return new DelayedEchoes(channel, new ImpairedStream(how, seed, this.#count++));
  }
}

interface Waiting {
  readonly at: number;
  readonly frame: Frame;
  readonly reset: boolean;
}

/** The echoes of one session. */
export class DelayedEchoes {
  readonly #channel: Channel;
  readonly #stream: ImpairedStream;
  #queue: Waiting[] = [];
  #waiting = 0;
  #work: Promise<void> | undefined;
  readonly #pause = new Pause();
  #onRoom: () => void = () => undefined;

  constructor(channel: Channel, stream: ImpairedStream) {
    this.#channel = channel;
    this.#stream = stream;
    channel.beforeEnd(() => this.flush());
    channel.onFailure(() => {
      this.#queue = [];
      this.#waiting = 0;
      this.#pause.cut();
      this.#onRoom();
    });
  }

  /** Takes an answer; resolves when more may come. */
  async add(frame: Frame): Promise<void> {
    const writes = this.#stream.write(frame.body ?? new Uint8Array(0), performance.now());
    // a frame is whole or not there: a stall in its middle holds all of it
    const at = writes.at(-1)?.at ?? 0;
    this.#queue.push({ at, frame, reset: writes.some(({ reset }) => reset) });
    this.#waiting += cost(frame);
    this.#work ??= this.#run().finally(() => {
      this.#work = undefined;
    });
    while (this.#waiting >= MOST_WAITING) await new Promise<void>((resolve) => (this.#onRoom = resolve));
  }

  /** Resolves when none waits; undefined where none does. */
  flush(): Promise<void> | undefined {
    return this.#work;
  }

  async #run(): Promise<void> {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      await this.#pause.until(next.at);
      if (this.#queue[0] !== next) return;
      if (next.reset) {
        this.#channel.fail(new SockError("lost", "the connection was broken on purpose (--impair reset)"));
        this.#channel.connection.terminate();
        return;
      }
      this.#queue.shift();
      this.#waiting -= cost(next.frame);
      this.#channel.send(next.frame.header, next.frame.body);
      if (this.#channel.congested) await this.#channel.ready().catch(() => undefined);
      this.#onRoom();
    }
  }
}

function cost({ body }: Frame): number {
  return FRAME_BYTES + (body?.length ?? 0);
}
