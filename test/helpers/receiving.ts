/** What senders say to a receiver, frame by frame. */
import { expect } from "bun:test";
import * as fs from "node:fs";
import { BlockPool } from "../../src/files/blocks.ts";
import { digestOf } from "../../src/files/digest.ts";
import { wireSegments } from "../../src/files/names.ts";
import { PROOF_BLOCK_BYTES } from "../../src/protocol/constants.ts";
import type { Entry, FileEntry, SenderMessage } from "../../src/protocol/file-messages.ts";
import type { Header } from "../../src/protocol/frame.ts";
import { Receiver } from "../../src/transfer/receiver.ts";
import type { ReceiverOptions } from "../../src/transfer/receiving-options.ts";
import type { Playground } from "../files/playground.ts";
import { RecordedWire } from "./wire.ts";

/** The time of all that is sent, us. */
export const MTIME = 1_700_000_000_000_000;
const pool = new BlockPool();

/** A receiver on a root, and what it answers. */
export class Talk {
  readonly ground: Playground;
  readonly wire = new RecordedWire();
  readonly receiver: Receiver;

  constructor(ground: Playground, options: Partial<ReceiverOptions> = {}) {
    this.ground = ground;
    const root = ground.root();
    const pathOf = (entry: Entry): string => ("path" in entry ? entry.path : "");
    this.receiver = new Receiver(this.wire, {
      digest: "sha256",
      onExists: "replace",
      verify: false,
      sync: false,
      checksum: false,
      dry: false,
      mayCompare: true,
      pool,
      owner: "owner",
      land: (entry) => ({ root, segments: wireSegments(pathOf(entry)), shown: pathOf(entry) }),
      ...options,
    });
  }

  /** What is answered at once. */
  async says(message: SenderMessage, body?: Uint8Array): Promise<Header | undefined> {
    const before = this.wire.sent.length;
    await this.receiver.take(message, { body });
    expect(this.wire.sent.length).toBeLessThanOrEqual(before + 1);
    return this.wire.sent[before];
  }
}

export const sha256 = (bytes: Uint8Array): string => digestOf("sha256", bytes);
export const text = (words: string): Uint8Array => new TextEncoder().encode(words);

export function file(
  entry: number,
  path: string,
  length: number | null,
  more: Partial<FileEntry> = {},
): FileEntry {
  return { type: "entry", entry, kind: "file", path, length, mtime: MTIME, mode: 0o600, ...more };
}

export const offer = (
  entry: number,
  path: string,
  length: number,
  more: Partial<FileEntry> = {},
): FileEntry => file(entry, path, length, { offer: true, ...more });
export const whole = (
  entry: number,
  path: string,
  bytes: Uint8Array,
  more: Partial<FileEntry> = {},
): FileEntry => file(entry, path, bytes.length, { digest: sha256(bytes), size: bytes.length, ...more });
export const data = (entry: number, bytes: Uint8Array): [SenderMessage, Uint8Array] => [
  { type: "data", entry, size: bytes.length },
  bytes,
];
export const end = (entry: number, bytes: Uint8Array): SenderMessage => ({
  type: "end",
  entry,
  bytes: bytes.length,
  digest: sha256(bytes),
});

/** Proofs of the first `have` bytes. */
export function proof(entry: number, bytes: Uint8Array, have = bytes.length): [SenderMessage, Uint8Array] {
  const hashes: Buffer[] = [];
  for (let at = 0; at < have; at += PROOF_BLOCK_BYTES) {
    const hash = Buffer.alloc(8);
    hash.writeBigUInt64BE(Bun.hash.xxHash3(bytes.subarray(at, Math.min(at + PROOF_BLOCK_BYTES, have)), 0n));
    hashes.push(hash);
  }
  const body = Buffer.concat(hashes);
  return [{ type: "proof", entry, size: body.length }, body];
}

/** A file that is there, of that time. */
export function there(
  ground: Playground,
  name: string,
  bytes: Uint8Array,
  seconds = MTIME / 1e6,
  mode = 0o600,
): void {
  fs.writeFileSync(ground.path(name), bytes, { mode });
  fs.utimesSync(ground.path(name), seconds, seconds);
}
