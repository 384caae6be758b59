/** Versions of a folder, of which a reader sees one after another, and never two at once. */
import { utimesSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Pair, plant } from "./pair.ts";

const READER = resolve(import.meta.dir, "version-reader.ts");

/** A version whose files are as long as any other's: only their times differ. */
export function plantVersion(at: Pair["here"], number: number): void {
  const text = String(number).padStart(6, "0");
  plant(at("v"), { a: text, b: text, "sub/c": text, same: "same" });
  // milliseconds are what is compared
  const seconds = 1_700_000_000 + number;
  for (const name of ["a", "b", "sub/c"]) utimesSync(at("v", name), seconds, seconds);
  utimesSync(at("v", "same"), 1_600_000_000, 1_600_000_000);
}

export interface Seen {
  readonly rounds: number;
  readonly missing: number;
  readonly mixed: number;
  readonly versions: number;
  readonly gone: number;
}

/** What somebody who reads `folder` over and over sees while `change` is called for 1 to `changes`. */
export async function seenMeanwhile(
  folder: string,
  stop: string,
  changes: number,
  change: (number: number) => Promise<void>,
): Promise<Seen> {
  const reader = Bun.spawn([process.execPath, READER, folder, stop], {
    stdout: "pipe",
    env: { PATH: process.env["PATH"] ?? "" },
  });
  const said = reader.stdout.text();
  try {
    for (let number = 1; number <= changes; number++) await change(number);
  } finally {
    writeFileSync(stop, "");
    await said;
  }
  return Object(JSON.parse((await said).split("\n")[1] ?? "null"));
}
