/** SHA-256 on a few threads that all transfers of the process share. */
import { SockError } from "../errors.ts";
import { MAX_DIGEST_WORKERS } from "../protocol/constants.ts";
import type { DigestReply, DigestRequest } from "./digest-messages.ts";

/** The build puts every chunk and worker into one flat folder, so that this holds from source and compiled. */
const WORKER_URL = new URL("./digest-worker.ts", import.meta.url);

interface Waiting {
  resolve(reply: DigestReply): void;
  reject(error: SockError): void;
}

/** A thread and the replies that it owes, oldest first. */
class HashThread {
  /** Streams that are hashed there. */
  streams = 0;
  #failure: SockError | undefined;
  readonly #worker = new Worker(WORKER_URL);
  readonly #waiting: Waiting[] = [];

  constructor() {
    this.#worker.unref();
    this.#worker.addEventListener("message", (event: MessageEvent<DigestReply>) => {
      const waiting = this.#waiting.shift();
      // An idle thread must not keep the process alive, a busy one must.
      if (this.#waiting.length === 0) this.#worker.unref();
      waiting?.resolve(event.data);
    });
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail(event.message);
    });
    this.#worker.addEventListener("close", () => this.#fail("it ended"));
  }

  get dead(): boolean {
    return this.#failure !== undefined;
  }

  ask(request: DigestRequest): Promise<DigestReply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<DigestReply>();
    if (this.#waiting.length === 0) this.#worker.ref();
    this.#waiting.push({ resolve, reject });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#worker.postMessage(request);
    return promise;
  }

  #fail(words: string): void {
    if (this.#failure !== undefined) return;
    const failure = new SockError("internal", `the thread that hashes failed: ${words}`);
    this.#failure = failure;
    const index = threads.indexOf(this);
    if (index !== -1) threads.splice(index, 1);
    for (const waiting of this.#waiting.splice(0)) waiting.reject(failure);
    this.#worker.terminate();
  }
}

const threads: HashThread[] = [];
let lastId = 0;

/** The thread with the fewest streams; a new one rather than a shared one, up to the machine's measure. */
function leastBusy(): HashThread {
  const best = threads.toSorted((a, b) => a.streams - b.streams)[0];
  const most = Math.min(MAX_DIGEST_WORKERS, Math.max(1, navigator.hardwareConcurrency - 1));
  if (best !== undefined && (best.streams === 0 || threads.length >= most)) return best;
  const thread = new HashThread();
  threads.push(thread);
  return thread;
}

/** Digests of what lies one after another in `block`, as long as `lengths` say, hex without anything between. */
export async function digestMany(block: Uint8Array, lengths: Uint32Array): Promise<string> {
  const { digest } = await leastBusy().ask({ type: "many", id: ++lastId, block, lengths });
  if (digest === undefined) throw new SockError("internal", "the thread that hashes gave no digest");
  return digest;
}

/** SHA-256 on another thread. A block in shared memory is read in place, any other is copied. */
export class WorkerDigester {
  readonly elsewhere = true;
  readonly #id = ++lastId;
  readonly #thread = leastBusy();
  #open = true;

  constructor() {
    this.#thread.streams += 1;
  }

  async update(block: Uint8Array): Promise<void> {
    await this.#thread.ask({ type: "update", id: this.#id, block });
  }

  async digest(): Promise<string> {
    const { digest } = await this.#thread.ask({ type: "digest", id: this.#id });
    if (digest === undefined) throw new SockError("internal", "the thread that hashes gave no digest");
    this.#release();
    return digest;
  }

  close(): void {
    if (!this.#open) return;
    this.#release();
    // A dead thread has nothing left to drop.
    if (!this.#thread.dead) this.#thread.ask({ type: "drop", id: this.#id }).catch(() => undefined);
  }

  #release(): void {
    if (this.#open) this.#thread.streams -= 1;
    this.#open = false;
  }
}
