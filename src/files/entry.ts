/** What the file system says about one name, reduced to what sock uses. */
import type { BigIntStats } from "node:fs";
import { SockError } from "../errors.ts";

export interface Entry {
  kind: "file" | "folder" | "link" | "other";
  bytes: number;
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  /** Microseconds since 1970, rounded down. */
  mtimeUs: number;
  dev: bigint;
  ino: bigint;
}

/** Identity of a folder or file while it exists: what "the same" means, by any path. */
export interface FileId {
  dev: bigint;
  ino: bigint;
}

export function entryOf(stat: BigIntStats): Entry {
  const kind = stat.isFile()
    ? "file"
    : stat.isDirectory()
      ? "folder"
      : stat.isSymbolicLink()
        ? "link"
        : "other";
  return {
    kind,
    bytes: Number(stat.size),
    mode: Number(stat.mode) & 0o7777,
    mtimeUs: microseconds(stat.mtimeNs),
    dev: stat.dev,
    ino: stat.ino,
  };
}

/** Truncated towards minus infinity, so that times before 1970 come out whole. */
function microseconds(ns: bigint): number {
  return Number(ns >= 0n ? ns / 1000n : (ns - 999n) / 1000n);
}

export function sameFile(a: FileId, b: FileId): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

export function mustBeFile(entry: Entry): void {
  if (entry.kind === "folder") throw new SockError("is-folder", "is a folder");
  if (entry.kind !== "file") throw new SockError("not-file", "is not a regular file");
}
