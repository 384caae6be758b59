/**
 * The state folder: keys, grants, joined hosts. Several processes write in it at once and any of them can be killed at
 * any moment, so a file is there with all of its contents or not at all: it is written under another name first.
 * Folders are 0700, files 0600. Calls are synchronous: files are small, and writes are rare.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { SockError } from "../errors.ts";
import { errnoOf } from "./errno.ts";

type Env = Record<string, string | undefined>;

/** Longest file that is read, bytes; ours have less than 2 KiB. */
const MAX_STATE_BYTES = 256 * 1024;
const TEMPORARY = /^\.tmp-[0-9a-f]{16}$/;
/** A temporary file of this age belongs to nobody any more, ms. */
const TEMPORARY_AGE_MS = 3_600_000;

/** Where state is kept: SOCK_HOME, else the platform's folder for settings. */
export function stateFolder(env: Env, platform: NodeJS.Platform, home: string): string {
  const own = env["SOCK_HOME"];
  if (own !== undefined && own !== "") return own;
  const appData = env["APPDATA"];
  if (platform === "win32" && appData !== undefined && appData !== "") return join(appData, "sock");
  const xdg = env["XDG_CONFIG_HOME"];
  // the specification says that a relative path is to be ignored
  return xdg !== undefined && xdg.startsWith("/") ? join(xdg, "sock") : join(home, ".config", "sock");
}

/**
 * Makes a folder for secrets, parents too; one that is there already is closed to others.
 * @throws SockError `state` when it can't be made or belongs to another user
 */
export function ensureFolder(path: string): void {
  attempt(path, "make", () => mkdirSync(path, { recursive: true, mode: 0o700 }));
  const stat = attempt(path, "look at", () => lstatSync(path));
  if (!stat.isDirectory()) throw new SockError("state", `${path} is not a folder`);
  if (process.geteuid === undefined) return;
  if (stat.uid !== process.geteuid()) {
    throw new SockError("state", `${path} belongs to another user`, "set SOCK_HOME to a folder of your own");
  }
  if ((stat.mode & 0o077) !== 0) attempt(path, "close", () => chmodSync(path, 0o700));
}

/** Writes or replaces a file; readers see the old contents or the new. @throws SockError `state` */
export function writeState(path: string, text: string): void {
  const temporary = writeTemporary(path, text);
  try {
    attempt(path, "write", () => renameSync(temporary, path));
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw thrown;
  }
}

/** Makes a file with all of its contents, or returns false because it exists. @throws SockError `state` */
export function createState(path: string, text: string): boolean {
  const temporary = writeTemporary(path, text);
  try {
    // unlike rename, link never replaces
    linkSync(temporary, path);
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === "EEXIST") return false;
    throw failed(path, "write", thrown);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** The file's text, or undefined where there is none; one that others may read is closed to them. @throws SockError `state` */
export function readState(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
    throw failed(path, "read", thrown);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > MAX_STATE_BYTES)
      throw new SockError("state", `${path} is not a file of sock`);
    const open = (stat.mode & 0o077) !== 0;
    if (open && process.geteuid !== undefined && stat.uid === process.geteuid()) chmodSync(path, 0o600);
    return readFileSync(fd, "utf8");
  } catch (thrown) {
    throw failed(path, "read", thrown);
  } finally {
    closeSync(fd);
  }
}

/** The file's JSON as `check` takes it, or undefined where there is none. @throws SockError `state` naming the file */
export function readRecord<T>(path: string, check: (value: unknown) => T): T | undefined {
  const text = readState(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return check(value);
  } catch (cause) {
    const why =
      cause instanceof SyntaxError
        ? "is not JSON, or only a half of it"
        : cause instanceof Error
          ? cause.message
          : "is bad";
    throw new SockError("state", `${path}: ${why}`, "repair or remove this file", { cause });
  }
}

/** A record as the text of a file: what people may have to read has lines. */
export function recordText(record: object): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

/** True when it was there. @throws SockError `state` */
export function removeState(path: string): boolean {
  try {
    rmSync(path);
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return false;
    throw failed(path, "remove", thrown);
  }
}

/** Names in a folder, without hidden ones, sorted; none where there is no folder. @throws SockError `state` */
export function listState(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith("."))
      .sort();
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return [];
    throw failed(folder, "list", thrown);
  }
}

/** Removes temporary files that a killed process left. */
export function sweepTemporaries(folder: string, now: number = Date.now()): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return;
  }
  for (const name of names.filter((candidate) => TEMPORARY.test(candidate))) {
    const path = join(folder, name);
    try {
      if (now - lstatSync(path).mtimeMs > TEMPORARY_AGE_MS) rmSync(path, { force: true });
    } catch {
      // another process was first
    }
  }
}

function writeTemporary(path: string, text: string): string {
  const folder = dirname(path);
  ensureFolder(folder);
  const temporary = join(folder, `.tmp-${randomBytes(8).toString("hex")}`);
  attempt(path, "write", () => {
    const fd = openSync(temporary, "wx", 0o600);
    try {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } catch (thrown) {
      rmSync(temporary, { force: true });
      throw thrown;
    } finally {
      closeSync(fd);
    }
  });
  return temporary;
}

function attempt<T>(path: string, verb: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw failed(path, verb, thrown);
  }
}

function failed(path: string, verb: string, thrown: unknown): SockError {
  if (thrown instanceof SockError) return thrown;
  const errno = errnoOf(thrown);
  const why =
    errno === "EACCES" || errno === "EPERM"
      ? "permission denied"
      : errno === "ENOSPC"
        ? "no space left"
        : (errno ?? String(thrown));
  return new SockError("state", `can't ${verb} ${path}: ${why}`, "SOCK_HOME names another state folder", {
    cause: thrown,
  });
}
