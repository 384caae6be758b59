/** The names in a folder, in the order of their bytes, without holding the event loop up for a million of them. */
import * as fs from "node:fs";
import type { Folder } from "./folder.ts";
import { compareNames, type Name, nameOf } from "./names.ts";
import type { Slice } from "./slice.ts";

/** Sorted in one go, some 5 ms; more are sorted in runs of this many names, and merged. */
const RUN = 8192;
/** Merged between two looks at the clock. */
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

// oxlint-disable-next-line no-control-regex -- what is not ASCII
const NOT_ASCII = /[^\u0000-\u007f]/;

function decode(raw: string): Name {
  return NOT_ASCII.test(raw) ? nameOf(Buffer.from(raw, "latin1")) : raw;
}

/** Undefined compares by UTF-16 units, the fastest. */
type Compare = ((a: string, b: string) => number) | undefined;

async function sortInSlices(names: string[], compare: Compare, slice: Slice): Promise<string[]> {
  if (names.length <= RUN) return names.sort(compare);
  let from: string[] = [];
  for (let start = 0; start < names.length; start += RUN) {
    for (const name of names.slice(start, start + RUN).sort(compare)) from.push(name);
    await slice.over();
  }
  for (let width = RUN; width < from.length; width *= 2) {
    const to: string[] = [];
    for (let start = 0; start < from.length; start += 2 * width) {
      const middle = Math.min(start + width, from.length);
      const end = Math.min(middle + width, from.length);
      let [left, right] = [start, middle];
      while (left < middle || right < end) {
        for (let step = 0; step < STEP && (left < middle || right < end); step++) {
          const isLeft =
            left < middle && (right >= end || !isGreater(from[left] ?? "", from[right] ?? "", compare));
          to.push(from[isLeft ? left++ : right++] ?? "");
        }
        await slice.over();
      }
    }
    from = to;
  }
  return from;
}

function isGreater(a: string, b: string, compare: Compare): boolean {
  return compare === undefined ? a > b : compare(a, b) > 0;
}
