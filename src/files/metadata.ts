/** Permission bits and times of a file that was received. */
import * as fs from "node:fs";

/** Read once: asking for it changes it for a moment, for all threads. */
const UMASK = process.umask();

/** The times that a Date, and so every tool, can show: years 1 to 9999, in microseconds since 1970. */
const MIN_MTIME_US = -62_135_596_800_000_000;
const MAX_MTIME_US = 253_402_300_799_999_000;

/** The source's mode, less setuid, setgid and sticky and under the umask; null stands for a new file's usual one. */
export function permissionBits(mode: number | null): number {
  return (mode ?? 0o666) & 0o777 & ~UMASK;
}

/** Sets the source's mode, less setuid, setgid and sticky and under the umask; null stands for a new file's usual one. */
export function setMode(fd: number, mode: number | null): void {
  if (process.platform !== "win32") fs.fchmodSync(fd, permissionBits(mode));
}

/**
 * Sets the modification time, in microseconds since 1970; null leaves it. What lies outside the years 1 to 9999 is clamped to them;
 * the file system may clamp further (ext4: 1901 to 2446). Times before 1970 are kept to the millisecond.
 */
export function setMtime(fd: number, mtimeUs: number | null): void {
  if (mtimeUs === null) return;
  fs.futimesSync(fd, new Date(), timeArgument(clamp(mtimeUs)));
}

/** Whether a file that has one of these times needs not get the other: they are compared in ms, as file systems differ. */
export function sameTime(aUs: number, bUs: number): boolean {
  return Math.floor(clamp(aUs) / 1000) === Math.floor(clamp(bUs) / 1000);
}

/** The time of a folder, or of a file that is not open; `path` must not lead through a link. */
export function setPathMtime(path: string | Buffer, mtimeUs: number | null): void {
  if (mtimeUs !== null) fs.utimesSync(path, new Date(), timeArgument(clamp(mtimeUs)));
}

function clamp(mtimeUs: number): number {
  return Math.min(Math.max(mtimeUs, MIN_MTIME_US), MAX_MTIME_US);
}

/** Bun takes a negative number for "now", and rounds a fraction down: the quarter keeps the microsecond. */
function timeArgument(us: number): number | Date {
  if (us < 0) return new Date(Math.floor(us / 1000));
  return us % 1_000_000 === 0 ? us / 1_000_000 : (us + 0.25) / 1_000_000;
}
