/** The names in a folder, in the order of their bytes, without holding the event loop up for a million of them. */
import * as fs from "node:fs";
import type { Folder } from "./folder.ts";
import { compareNames, isAscii, type Name, nameOf } from "./names.ts";
import type { Slice } from "./slice.ts";

/** Sorted in one go, in some 5 ms. */
const RUN = 8192;
/** Names between two looks at the clock. */
const STEP = 2048;

export interface SortedNames {
  readonly length: number;
  at(index: number): Name;
}

/**
 * On Linux each name is read as a string with one character for each byte (`latin1`): a third of the memory of buffers,
 * made off the main thread, and compared as bytes are, which for UTF-8 is the order of code points.
 */
export async function sortedNames(folder: Folder, slice: Slice): Promise<SortedNames> {
  if (process.platform !== "linux") {
    const names = await sortInSlices(await fs.promises.readdir(folder.path()), compareNames, slice);
    return { length: names.length, at: (index) => names[index] ?? "" };
  }
  const raw = await fs.promises.readdir(folder.path(), { encoding: "latin1" });
  const names = await sortInSlices(raw, undefined, slice);
  return { length: names.length, at: (index) => decode(names[index] ?? "") };
}

function decode(raw: string): Name {
  return isAscii(raw) ? raw : nameOf(Buffer.from(raw, "latin1"));
}

/** Undefined compares by UTF-16 units, the fastest. */
type Compare = ((a: string, b: string) => number) | undefined;

/** Spread by one unit after the other until few have the same beginning: comparing a million strings here takes seconds. */
async function sortInSlices(names: string[], compare: Compare, slice: Slice): Promise<string[]> {
  if (names.length <= RUN) return names.sort(compare);
  const sorted: string[] = [];
  /** What is still to be sorted, the first last; all of one have the same `start` units in front. */
  const open = [{ names, start: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.names.length <= RUN) {
      for (const name of next.names.sort(compare)) sorted.push(name);
      await slice.over();
      continue;
    }
    const start = await commonStart(next.names, next.start, slice);
    const buckets = new Map<number, string[]>();
    for (const [index, name] of next.names.entries()) {
      const weight = weightAt(name, start);
      const bucket = buckets.get(weight);
      if (bucket === undefined) buckets.set(weight, [name]);
      else bucket.push(name);
      if (index % STEP === 0) await slice.over();
    }
    for (const weight of [...buckets.keys()].sort((a, b) => b - a)) {
      open.push({ names: buckets.get(weight) ?? [], start: start + 1 });
    }
  }
  return sorted;
}

async function commonStart(names: readonly string[], from: number, slice: Slice): Promise<number> {
  const [first = ""] = names;
  let common = first.length;
  for (const [index, name] of names.entries()) {
    let at = from;
    while (at < common && first.charCodeAt(at) === name.charCodeAt(at)) at++;
    common = at;
    if (index % STEP === 0) await slice.over();
  }
  return common;
}

/** The unit at a place, in the order of code points: surrogates come after all others, the end before. */
function weightAt(name: string, at: number): number {
  if (at >= name.length) return -1;
  const unit = name.charCodeAt(at);
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x2800 : unit;
}
