/**
 * A lock between processes: a file that only one can make. The file system has no better one without FFI.
 *
 * A lock whose process is dead is removed by the one process that makes a claim on exactly that lock (its token):
 * without the claim, two that both saw the dead lock could remove the living one that came after it.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { SockError } from "../errors.ts";
import { errnoOf } from "./errno.ts";
import { createState, readRecord, recordText, removeState } from "./state.ts";

interface Holder {
  pid: number;
  token: string;
}

const WAIT_MS = 5_000;
const PAUSE_MS = 10;
/** Locks of this process, to tell them from those of an earlier process with the same id (containers: 1). */
const ours = new Set<string>();

/**
 * Runs `work` while no other process runs anything under the same name in this folder.
 * @throws SockError `state` when the lock is not free in time
 */
export async function withLock<T>(
  folder: string,
  name: string,
  work: () => T | Promise<T>,
  waitMs: number = WAIT_MS,
): Promise<T> {
  const path = join(folder, `.${name}.lock`);
  const mine: Holder = { pid: process.pid, token: randomBytes(8).toString("hex") };
  const deadline = performance.now() + waitMs;
  ours.add(mine.token);
  try {
    while (!createState(path, recordText(mine))) {
      const holder = readRecord(path, asHolder);
      if (performance.now() > deadline) throw stuck(path, holder);
      if (holder !== undefined && !isAlive(holder)) breakLock(path, holder, mine);
      else await Bun.sleep(PAUSE_MS + Math.random() * PAUSE_MS);
    }
    try {
      return await work();
    } finally {
      removeState(path);
    }
  } finally {
    ours.delete(mine.token);
  }
}

/** True while a process with this id runs, of whichever user. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return errnoOf(thrown) === "EPERM";
  }
}

function isAlive(holder: Holder): boolean {
  return holder.pid === process.pid ? ours.has(holder.token) : isRunning(holder.pid);
}

function breakLock(path: string, dead: Holder, mine: Holder): void {
  const claim = `${path}.${dead.token}`;
  if (!createState(claim, recordText(mine))) {
    const claimant = readRecord(claim, asHolder);
    // killed within these few lines: rare enough to leave it to a person
    if (claimant !== undefined && !isAlive(claimant)) throw stuck(claim, claimant);
    return;
  }
  try {
    if (readRecord(path, asHolder)?.token === dead.token) removeState(path);
  } finally {
    removeState(claim);
  }
}

function stuck(path: string, holder: Holder | undefined): SockError {
  const who = holder === undefined ? "another process" : `process ${holder.pid}`;
  return new SockError("state", `${path} is held by ${who}`, "when no other sock runs, remove this file");
}

function asHolder(value: unknown): Holder {
  if (typeof value === "object" && value !== null && "pid" in value && "token" in value) {
    const { pid, token } = value;
    if (
      Number.isSafeInteger(pid) &&
      typeof pid === "number" &&
      pid > 0 &&
      typeof token === "string" &&
      /^[0-9a-f]{16}$/.test(token)
    ) {
      return { pid, token };
    }
  }
  throw new Error("is not a lock of sock");
}
