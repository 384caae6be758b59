/** Commands of plain peers: read as they come, run by the shell of this machine, their outputs collected. */
import { SockError } from "../errors.ts";
import { Child } from "../os/child.ts";
import { baseEnvironment } from "../os/environment.ts";
import type { ReadEnd } from "../os/pipes.ts";
import { HELD_OPEN_MS } from "../protocol/constants.ts";
import { MAX_ANSWER_BYTES, REQUEST_PAUSE_MS } from "./limits.ts";
import type { PlainHost } from "./dialect.ts";
import type { Peer } from "./peer.ts";

/** Longest part of a command that the log shows, characters. */
const SHOWN = 200;

export interface Output {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

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
    try {
      const output = await run(line, host.cwd, gone.signal);
      if (!gone.signal.aborted) bytes = await send(output);
      outcome = gone.signal.aborted ? "lost" : "done";
    } catch (thrown) {
      if (thrown instanceof SockError) outcome = thrown.code;
      throw thrown;
    } finally {
      host.report(peer, line.slice(0, SHOWN), bytes, outcome);
    }
  }
}

/** What the line wrote, until its end or its client's. */
async function run(line: string, cwd: string, signal: AbortSignal): Promise<Output> {
  if (line.trim() === "") return { stdout: new Uint8Array(0), stderr: new Uint8Array(0) };
  let child: Child;
  try {
    const env = baseEnvironment();
    const argv = process.platform === "win32" ? ["cmd.exe", "/d", "/s", "/c", line] : ["/bin/sh", "-c", line];
    child = Child.start({ argv, cwd, env, stdin: false });
  } catch (thrown) {
    if (!(thrown instanceof SockError)) throw thrown;
    return { stdout: new Uint8Array(0), stderr: new TextEncoder().encode(`sock: ${thrown.message}\n`) };
  }
  const end = (): void => void child.end().catch(() => undefined);
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  try {
    const collected = new Collected(end);
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
  readonly #pieces: Record<"out" | "err", Uint8Array[]> = { out: [], err: [] };
  readonly #over: () => void;
  #bytes = 0;
  #full = false;

  constructor(over: () => void) {
    this.#over = over;
  }

  async all(stream: ReadEnd, name: "out" | "err"): Promise<void> {
    for (let piece = await stream.read(); piece !== undefined; piece = await stream.read()) {
      this.#bytes += piece.length;
      if (this.#bytes <= MAX_ANSWER_BYTES) {
        this.#pieces[name].push(piece.slice());
      } else if (!this.#full) {
        this.#full = true;
        this.#over();
      }
    }
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
      throw new SockError("too-large", `the command wrote more than ${MAX_ANSWER_BYTES} bytes and was ended`);
    }
    return { stdout: Buffer.concat(this.#pieces.out), stderr: Buffer.concat(this.#pieces.err) };
  }
}
