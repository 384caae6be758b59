import { basename } from "node:path";
import { read } from "node:fs";
import { SockError } from "../errors.ts";
import { Outgoing } from "../files/outgoing.ts";
import type { Source } from "./put.ts";

const STDIN = 0;
/** Pause before the next try where someone made stdin non-blocking and it is empty, ms. */
const EMPTY_PAUSE_MS = 5;

export type OpenSource = Source & { close(): void };

/** A regular file. Throws `not-found`, `is-folder`, `not-file`, `permission`. */
export function fileSource(path: string, mode: number | undefined): OpenSource {
  const file = Outgoing.open(path);
  return {
    name: basename(path),
    length: file.length,
    mtimeUs: file.mtimeUs,
    mode: mode ?? file.mode,
    read: (block, position) => file.read(block, position),
    changed: () => file.changed(),
    close: () => file.close(),
  };
}

/** stdin to its end, in pieces as they come. An abort cuts it, and a stream that was cut is never complete. */
export function stdinSource(mode: number | undefined, signal: AbortSignal): OpenSource {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => undefined);
  const stop = (): void =>
    reject(signal.reason instanceof SockError ? signal.reason : new SockError("interrupted", "stopped"));
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  return {
    name: "stdin",
    length: null,
    mtimeUs: null,
    mode: mode ?? null,
    // a read that nobody will ever answer must not keep us
    read: (block) => Promise.race([readStdin(block), aborted]),
    changed: () => false,
    close: () => signal.removeEventListener("abort", stop),
  };
}

function readStdin(block: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    const attempt = (): void => {
      read(STDIN, block, 0, block.length, null, (error, bytes) => {
        if (error === null) resolve(bytes);
        else if (error.code === "EAGAIN") setTimeout(attempt, EMPTY_PAUSE_MS);
        else if (error.code === "EISDIR") reject(new SockError("is-folder", "stdin is a folder"));
        else reject(new SockError("io", `cannot read stdin: ${error.code ?? error.message}`));
      });
    };
    attempt();
  });
}
