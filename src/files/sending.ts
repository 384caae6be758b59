import { SockError } from "../errors.ts";
import { BLOCKS_IN_FLIGHT } from "../protocol/constants.ts";
import type { BlockPool } from "./blocks.ts";
import type { Digester } from "./digest.ts";

/** Where a file's bytes go. */
export interface BlockSink {
  /** The block must stay as it is until `flushed` has resolved. */
  send(block: Uint8Array): void;
  /** Resolves when more may be sent. */
  ready(): Promise<void>;
  /** Resolves when what was sent is with the kernel. */
  flushed(): Promise<void>;
  /** The receiver wants no more of it. */
  readonly stopped: boolean;
}

/** Fills a block from a position of the stream on; 0 is the end. */
export type ReadBlock = (block: Uint8Array, position: number) => Promise<number>;

/**
 * Reads, hashes and sends side by side: while a block is hashed and on its way, the next one is read.
 * Bytes before `start` were given to `digester` already. @returns undefined when the receiver stopped it
 */
export async function sendBlocks(
  read: ReadBlock,
  digester: Digester,
  pool: BlockPool,
  sink: BlockSink,
  onProgress?: (bytes: number) => void,
  start = 0,
): Promise<{ bytes: number; digest: string } | undefined> {
  const work: Promise<void>[] = [];
  let failure: unknown;
  let failed = false;
  let bytes = start;
  let ahead = readAhead(read, pool, start);
  try {
    for (;;) {
      const { block, filled } = await ahead;
      if (filled === 0 || sink.stopped || failed) {
        pool.give(block);
        break;
      }
      bytes += filled;
      ahead = readAhead(read, pool, bytes);
      // thrown later, by the loop's own `await ahead`
      ahead.catch(() => undefined);
      const part = block.subarray(0, filled);
      const hashed = digester.update(part);
      sink.send(part);
      work.push(
        Promise.all([hashed, sink.flushed()])
          .then(
            () => undefined,
            (thrown: unknown) => {
              if (!failed) failure = thrown;
              failed = true;
            },
          )
          .finally(() => pool.give(block)),
      );
      onProgress?.(bytes);
      if (work.length >= BLOCKS_IN_FLIGHT) await work.shift();
      await sink.ready();
    }
  } finally {
    await Promise.all(work);
  }
  if (sink.stopped) return undefined;
  if (failed) throw failure instanceof Error ? failure : new SockError("internal", String(failure));
  return { bytes, digest: await digester.digest() };
}

async function readAhead(
  read: ReadBlock,
  pool: BlockPool,
  position: number,
): Promise<{ block: Uint8Array; filled: number }> {
  const block = pool.take();
  try {
    return { block, filled: await read(block, position) };
  } catch (thrown) {
    pool.give(block);
    throw thrown;
  }
}
