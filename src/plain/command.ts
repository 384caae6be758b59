/** Commands of plain peers: read as they come, run by the shell of this machine, their outputs collected. */
import { SockError } from "../errors.ts";
import { Child } from "../os/child.ts";
import { baseEnvironment } from "../os/environment.ts";
import type { ReadEnd } from "../os/pipes.ts";
import { HELD_OPEN_MS } from "../protocol/constants.ts";
import { MAX_ANSWER_BYTES, MAX_ANSWERS_BYTES, REQUEST_PAUSE_MS } from "./limits.ts";
import type { PlainHost } from "./dialect.ts";
import type { Peer } from "./peer.ts";

/** Longest part of a command that the log shows, characters. */
const SHOWN = 200;
/** Pieces up to this are sent in one write, bytes. */
const TOGETHER = 64 * 1024;

/** What a command wrote, in the pieces in which it came. */
export interface Output {
  readonly stdout: readonly Uint8Array[];
  readonly stderr: readonly Uint8Array[];
}

/** Bytes that all commands together have written and that were not sent yet. */
let heldBytes = 0;

/** Runs each command of a client, and lets `send` answer it; gives the bytes of the answer. */
export async function answerCommands(
  peer: Peer,
  host: PlainHost,
  send: (output: Output) => Promise<number>,
): Promise<void> {
  const gone = new AbortController();
  peer.whenGone(() => gone.abort());
  for (;;) {
    const request = await peer.request(REQUEST_PAUSE_MS);
    if (request === undefined) return;
    const line = new TextDecoder().decode(request).replace(/[\r\n]+$/, "");
    let bytes = 0;
    let outcome = "lost";
    const collected = new Collected();
    try {
      const output = await run(line, host.cwd, gone.signal, collected);
      if (!gone.signal.aborted) bytes = await send(output);
      outcome = gone.signal.aborted ? "lost" : "done";
    } catch (thrown) {
      if (thrown instanceof SockError) outcome = thrown.code;
      throw thrown;
    } finally {
      collected.release();
      host.report(peer, line.slice(0, SHOWN), bytes, outcome);
    }
  }
}

/** What the line wrote, until its end or its client's. */
async function run(line: string, cwd: string, signal: AbortSignal, collected: Collected): Promise<Output> {
  if (line.trim() === "") return { stdout: [], stderr: [] };
  let child: Child;
  try {
    const env = baseEnvironment();
    const argv = process.platform === "win32" ? ["cmd.exe", "/d", "/s", "/c", line] : ["/bin/sh", "-c", line];
    child = Child.start({ argv, cwd, env, stdin: false });
  } catch (thrown) {
    if (!(thrown instanceof SockError)) throw thrown;
    return { stdout: [], stderr: [new TextEncoder().encode(`sock: ${thrown.message}\n`)] };
  }
  const end = (): void => void child.end().catch(() => undefined);
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  try {
    collected.onFull = end;
    const outputs = Promise.all([collected.all(child.stdout, "out"), collected.all(child.stderr, "err")]);
    await child.ended;
    await collected.settled(outputs);
    await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
    return collected.output();
  } finally {
    signal.removeEventListener("abort", end);
  }
}

class Collected {
  /** There is no room for more: the command has to end. */
  onFull: () => void = () => undefined;
  readonly #pieces: Record<"out" | "err", Uint8Array[]> = { out: [], err: [] };
  #bytes = 0;
  #held = 0;
  #full = false;

  async all(stream: ReadEnd, name: "out" | "err"): Promise<void> {
    for (let piece = await stream.read(); piece !== undefined; piece = await stream.read()) {
      this.#bytes += piece.length;
      const fits = this.#bytes <= MAX_ANSWER_BYTES && heldBytes + piece.length <= MAX_ANSWERS_BYTES;
      if (fits && !this.#full) {
        heldBytes += piece.length;
        this.#held += piece.length;
        this.#pieces[name].push(piece.slice());
      } else if (!this.#full) {
        this.#full = true;
        // it has no answer now, and others may need the room
        for (const pieces of Object.values(this.#pieces)) pieces.length = 0;
        this.release();
        this.onFull();
      }
    }
  }

  /** All was sent, or never will be. */
  release(): void {
    heldBytes -= this.#held;
    this.#held = 0;
  }

  /** What a child of the command still holds open is waited for while something comes, and no longer. */
  async settled(outputs: Promise<unknown>): Promise<void> {
    for (let seen = -1; seen !== this.#bytes;) {
      seen = this.#bytes;
      const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), HELD_OPEN_MS));
      if ((await Promise.race([outputs.then(() => true), late])) !== false) return;
    }
  }

  /** Throws `too-large`. */
  output(): Output {
    if (this.#full) {
      throw new SockError("too-large", `the command wrote more than there is room for and was ended`);
    }
    return { stdout: this.#pieces.out, stderr: this.#pieces.err };
  }
}

export function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

/** In few writes: a naive client may take its one recv(1024) for all that there is. */
export async function writeAll(peer: Peer, pieces: readonly Uint8Array[]): Promise<void> {
  let together: Uint8Array[] = [];
  for (const piece of pieces) {
    together.push(piece);
    if (lengthOf(together) < TOGETHER) continue;
    await peer.write(Buffer.concat(together));
    together = [];
  }
  await peer.write(Buffer.concat(together));
}
