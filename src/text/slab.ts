/**
 * Memory that decoded text is written to, one piece after another. What was handed out stays as it is until it is given
 * back; nobody has to, but fresh memory for each piece costs more than decoding it.
 */

/** Made at a time, bytes. */
const SLAB_BYTES = 1024 * 1024;
/** So many are kept that nobody has a piece of. */
const MOST_IDLE = 4;

export interface Slab {
  readonly bytes: Uint8Array;
  /** The same, to be written by words. */
  readonly words: DataView;
  /** Bytes at the beginning that pieces were made of. */
  used: number;
  /** Pieces that are not given back. */
  lent: number;
}

const known = new WeakMap<ArrayBufferLike, Slab>();
const idle: Slab[] = [];
let current = slabOf(0);

/** A slab that has so many bytes behind `used`. What is written there is nobody's until it is lent. */
export function room(bytes: number): Slab {
  if (current.bytes.length - current.used >= bytes) return current;
  const next = idle.pop();
  current = next !== undefined && next.bytes.length >= bytes ? next : slabOf(Math.max(bytes, SLAB_BYTES));
  return current;
}

/** The piece that was written up to `used`. */
export function lend(slab: Slab, used: number): Uint8Array {
  const piece = slab.bytes.subarray(slab.used, used);
  slab.used = used;
  slab.lent += 1;
  return piece;
}

/** Who had this has no use for it any more, and nobody else has; memory that is not from here is left alone. */
export function giveBack(piece: Uint8Array): void {
  const slab = known.get(piece.buffer);
  if (slab === undefined) return;
  slab.lent -= 1;
  if (slab.lent > 0) return;
  slab.used = 0;
  if (slab !== current && idle.length < MOST_IDLE) idle.push(slab);
}

export function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function slabOf(length: number): Slab {
  const bytes = new Uint8Array(length);
  const slab: Slab = { bytes, words: wordsOf(bytes), used: 0, lent: 0 };
  known.set(bytes.buffer, slab);
  return slab;
}
