/** How the bytes of one file go out: a small one in the frame of its entry, a large one in blocks, from where it is proved. */
import { SockError } from "../errors.ts";
import { createDigester, digestOf, type Digester } from "../files/digest.ts";
import type { DigestBatch } from "../files/digest-batch.ts";
import { isJustWritten, type Outgoing, STAMP_MS } from "../files/outgoing.ts";
import { type ReadBlock, sendBlocks } from "../files/sending.ts";
import { PROOF_BLOCK_BYTES, PROOFS_IN_FRAME, SMALL_FILE_BYTES } from "../protocol/constants.ts";
import type { FileItem, StreamItem } from "./items.ts";
import { type Pending, type SenderOptions, sourceOf } from "./pending.ts";
import type { Wire } from "./wire.ts";

const HASH_BYTES = 8;
/** A file that is written to all the time is given up after so many reads. */
const MOST_READS = 3;

export interface Whole {
  readonly bytes: Uint8Array;
  readonly mtimeUs: number;
  readonly mode: number;
}

/** All bytes of a small file, where it is as it was when it was looked at. */
export function readAsSeen(item: FileItem): Whole | undefined {
  const bytes = item.read?.();
  return bytes && { bytes, mtimeUs: item.mtimeUs, mode: item.mode };
}

/** All bytes of a small file, of one version. Throws `changed`, `not-found`… */
export async function readAtRest(item: FileItem): Promise<Whole> {
  for (let attempt = 1; ; attempt++) {
    const file = await openAtRest(item);
    try {
      if (file.length > SMALL_FILE_BYTES) throw changed(item.shown);
      const bytes = file.readWhole();
      if (bytes !== undefined) return { bytes, mtimeUs: file.mtimeUs, mode: item.mode };
      if (attempt === MOST_READS) throw changed(item.shown);
    } finally {
      file.close();
    }
  }
}

/** Sends entry, digest and bytes in one frame, as soon as they are hashed. */
export function sendSmall(
  wire: Wire,
  { options, digests }: Owner,
  pending: Pending,
  item: FileItem,
  { bytes, mtimeUs: mtime, mode }: Whole,
): void {
  const { length } = bytes;
  digests.add(bytes, (digest) => {
    // over another connection it is sent again
    if (wire.failure !== undefined || pending.answered) return;
    pending.sent = { bytes: length, digest };
    wire.sendSoon(
      { ...entryOf(pending, item), kind: "file", length, mtime, mode, digest, size: length },
      bytes,
    );
    options.onBytes?.(length, item);
  });
}

/** The receiver has a file as long as this one: its digest is enough where they are the same. */
export function offerSmall(
  wire: Wire,
  { options }: Owner,
  pending: Pending,
  item: FileItem,
  { bytes, mtimeUs: mtime, mode }: Whole,
): void {
  pending.compared = true;
  pending.offered = true;
  pending.have = 0;
  const digest = digestOf(options.digest, bytes);
  wire.sendSoon({
    ...entryOf(pending, item),
    kind: "file",
    length: bytes.length,
    mtime,
    mode,
    offer: true,
    digest,
  });
}

/** Sends entry, what proves the beginning, the rest, and the end. Throws the wire's failure, and what the file ran into. */
export async function sendLarge(
  wire: Wire,
  sender: Owner,
  pending: Pending,
  item: FileItem | StreamItem,
): Promise<void> {
  const { digest, pool, pace } = sender.options;
  const file = item.kind === "file" ? await openAtRest(item) : undefined;
  let digester = createDigester(digest, file?.length ?? null);
  try {
    const read: ReadBlock = item.kind === "file" ? (block, at) => opened(file).read(block, at) : item.read;
    wire.send({
      ...entryOf(pending, item),
      kind: "file",
      length: file?.length ?? null,
      mtime: file?.mtimeUs ?? null,
      // what the user asked for in place of the file's own
      mode: item.mode,
      ...(pending.have > 0 ? { resume: pending.have } : {}),
    });
    pending.named = true;
    if (item.kind === "stream" && sender.options.dry === true) return;
    let start = 0;
    if (pending.have > 0) {
      pending.from = undefined;
      sender.options.onCompare?.(pending.have);
      const hashed = await prove(wire, sender, pending, read, digester);
      start = await sender.proved(wire, pending);
      if (pending.answered) return;
      if (start !== hashed) {
        digester.close();
        digester = createDigester(digest, file?.length ?? null);
        await hashPrefix(sender, read, digester, start);
      }
    }
    if (start > 0) sender.options.onGoOn?.(start, item);
    let last = start;
    let unpaced = 0;
    const sink = {
      send: (block: Uint8Array) => {
        wire.send({ type: "data", entry: pending.id, size: block.length }, block);
        unpaced += block.length;
      },
      ready: async () => {
        await wire.ready();
        const wait = pace?.took(unpaced, () => wire.failure !== undefined || pending.answered);
        unpaced = 0;
        if (wait !== undefined) await wait;
      },
      flushed: () => wire.flushed(),
      get stopped() {
        return pending.answered;
      },
    };
    const progress = (bytes: number): void => {
      sender.options.onBytes?.(bytes - last, item);
      last = bytes;
      sender.reached(pending, bytes);
    };
    const sent = await sendBlocks(read, digester, pool, sink, progress, start);
    if (sent === undefined) {
      wire.send({ type: "abort", entry: pending.id, code: "interrupted" });
      return;
    }
    if (file?.changed() === true) throw changed(item.shown);
    pending.sent = sent;
    wire.send({ type: "end", entry: pending.id, bytes: sent.bytes, digest: sent.digest });
  } finally {
    digester.close();
    file?.close();
  }
}

/** Sends the hashes of what the receiver may have; ends early when it has heard enough. Returns the bytes that were hashed. */
async function prove(
  wire: Wire,
  { options }: Owner,
  pending: Pending,
  read: ReadBlock,
  digester: Digester,
): Promise<number> {
  const block = options.pool.take();
  const frame = new Uint8Array(PROOFS_IN_FRAME * HASH_BYTES);
  const view = new DataView(frame.buffer);
  let hashed = 0;
  let filled = 0;
  try {
    while (hashed < pending.have && pending.from === undefined && !pending.answered) {
      const want = Math.min(PROOF_BLOCK_BYTES, pending.have - hashed);
      const count = await read(block.subarray(0, want), hashed);
      if (count < want) throw changed(pending.item.kind === "enter" ? "" : pending.item.shown);
      const part = block.subarray(0, count);
      await digester.update(part);
      view.setBigUint64(filled, Bun.hash.xxHash3(part, 0n));
      filled += HASH_BYTES;
      hashed += count;
      if (filled === frame.length || hashed === pending.have) {
        wire.send({ type: "proof", entry: pending.id, size: filled }, frame.slice(0, filled));
        filled = 0;
        await wire.ready();
      }
    }
    return hashed;
  } finally {
    options.pool.give(block);
  }
}

async function hashPrefix(
  { options }: Owner,
  read: ReadBlock,
  digester: Digester,
  length: number,
): Promise<void> {
  const block = options.pool.take();
  try {
    for (let at = 0; at < length;) {
      const count = await read(block.subarray(0, Math.min(block.length, length - at)), at);
      if (count === 0) throw changed("the file");
      await digester.update(block.subarray(0, count));
      at += count;
    }
  } finally {
    options.pool.give(block);
  }
}

function entryOf(pending: Pending, item: FileItem | StreamItem): { type: string; entry: number } {
  return { type: "entry", entry: pending.id, ...item.path, ...sourceOf(item) };
}

/** What the sending of one file needs of its sender. */
interface Owner {
  readonly options: SenderOptions;
  readonly digests: DigestBatch;
  proved(wire: Wire, pending: Pending): Promise<number>;
  reached(pending: Pending, bytes: number): void;
}

/** Opens it when a write that comes while it is read would show in its time; one that is written to all the time as it is. */
async function openAtRest(item: FileItem): Promise<Outgoing> {
  for (let attempt = 1; ; attempt++) {
    const file = item.open();
    if (attempt === MOST_READS || !isJustWritten(file.mtimeUs)) return file;
    file.close();
    await Bun.sleep(STAMP_MS);
  }
}

function opened(file: Outgoing | undefined): Outgoing {
  if (file === undefined) throw new SockError("internal", "no file is open");
  return file;
}

function changed(shown: string): SockError {
  return new SockError(
    "changed",
    `${shown} changed while it was sent`,
    "send it again when nothing writes to it",
  );
}
