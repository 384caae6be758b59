/**
 * Counted uses of a code: `<state>/server/uses/<id>/<n>`, n from 1 on without gaps. A use is taken by making the first
 * file that does not exist, which only one process can; so there is no lock and no counter.
 */
import { join } from "node:path";
import { isHash } from "../files/local.ts";
import { createState, readRecord, recordText } from "../files/state.ts";
import type { Grant } from "./grant.ts";

export interface Use {
  /** Whose use it is, 64 hex digits: SHA-256 of the run's id, or the key that an enrol code let in. */
  run: string;
  /** ms since 1970. */
  at: number;
  /** Address that it came from. */
  from: string;
}

export type UseDecision = { ok: true } | { ok: false; code: "used-up"; message: string };

export function usesFolder(serverFolder: string, id: string): string {
  return join(serverFolder, "uses", id);
}

/** Takes a use for a run, or finds the one that it has already: reconnects are free. @throws SockError `state` */
export function takeUse(serverFolder: string, grant: Grant, use: Use): UseDecision {
  if (grant.uses === null) return { ok: true };
  const folder = usesFolder(serverFolder, grant.id);
  let last: Use | undefined;
  for (let slot = 1; slot <= grant.uses; slot += 1) {
    const path = join(folder, String(slot));
    let taken = readRecord(path, asUse);
    if (taken === undefined) {
      if (createState(path, recordText(use))) return { ok: true };
      taken = readRecord(path, asUse);
    }
    if (taken?.run === use.run) return { ok: true };
    last = taken;
  }
  return { ok: false, code: "used-up", message: usedUp(grant, last) };
}

/** The uses taken so far, the first one first. @throws SockError `state` */
export function takenUses(serverFolder: string, grant: Grant): Use[] {
  const folder = usesFolder(serverFolder, grant.id);
  const uses: Use[] = [];
  for (let slot = 1; slot <= (grant.uses ?? 0); slot += 1) {
    const use = readRecord(join(folder, String(slot)), asUse);
    if (use === undefined) break;
    uses.push(use);
  }
  return uses;
}

function usedUp(grant: Grant, last: Use | undefined): string {
  const times = grant.uses === 1 ? "" : ` all ${grant.uses} times, the last one`;
  const when = last === undefined ? "" : ` ${new Date(last.at).toISOString()} from ${last.from}`;
  return `the code ${grant.name} was used${times}${when}`;
}

function asUse(value: unknown): Use {
  if (typeof value === "object" && value !== null && "run" in value && "at" in value && "from" in value) {
    const { run, at, from } = value;
    if (isHash(run) && typeof at === "number" && Number.isSafeInteger(at) && typeof from === "string")
      return { run, at, from };
  }
  throw new Error("is not a use of a code");
}
