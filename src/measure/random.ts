/** Numbers that look random and are the same for the same seed: what was lost once can be lost again. */

/** From 0 up to, but not, 1: mulberry32 (Tommy Ettinger, public domain), 32 bits of state. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed of one of many flows that share a seed, so that they do not lose the same. */
export function flowSeed(seed: number, flow: number): number {
  return (seed + Math.imul(flow, 0x9e3779b1)) >>> 0;
}
