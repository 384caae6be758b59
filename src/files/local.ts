/**
 * What a running server leaves for clients of the same user on the same machine: a key, and one presence file for each
 * server that runs. The server writes, `local` reads; both know the layout from here.
 */
import { join } from "node:path";
import { isRunning } from "./lock.ts";
import { listState, readRecord } from "./state.ts";

export interface Presence {
  version: 1;
  pid: number;
  /** Where clients on this machine reach the server, as `formatAddress` writes it. */
  addresses: string[];
  /** Where others reach it: what goes into new codes. */
  reach: string[];
  /** SHA-256 of the server's SPKI, hex. */
  pin: string;
  /** ms since 1970. */
  started: number;
}

export function liveFolder(stateFolder: string): string {
  return join(stateFolder, "server", "live");
}

export function localKeyPath(stateFolder: string): string {
  return join(stateFolder, "server", "local.key");
}

/** Presence files of servers that run, the newest first; bad ones and those of dead processes are passed over. */
export function livePresences(stateFolder: string): Presence[] {
  const folder = liveFolder(stateFolder);
  const alive: Presence[] = [];
  for (const name of listState(folder).filter((candidate) => candidate.endsWith(".json"))) {
    try {
      const presence = readRecord(join(folder, name), asPresence);
      if (presence !== undefined && isRunning(presence.pid)) alive.push(presence);
    } catch {
      // another version's, or damaged: only a hint where a server is, never a right
    }
  }
  return alive.sort((a, b) => b.started - a.started);
}

/** The secret of the local key, 32 bytes, or undefined where no server has run. @throws SockError `state` */
export function readLocalKey(stateFolder: string): Uint8Array | undefined {
  return readRecord(localKeyPath(stateFolder), asSecret);
}

/** `{"version": 1, "secret": base64}`: 32 bytes of a private key. Throws an Error that says what is wrong. */
export function asSecret(value: unknown): Uint8Array {
  if (typeof value !== "object" || value === null || !("secret" in value))
    throw new Error("is not a key of sock");
  return secretBytes(value.secret);
}

/** 32 bytes from base64. Throws an Error that says what is wrong. */
export function secretBytes(value: unknown): Uint8Array {
  const bytes = typeof value === "string" ? Uint8Array.from(Buffer.from(value, "base64")) : undefined;
  if (bytes?.length !== 32) throw new Error("its secret is not 32 bytes in base64");
  return bytes;
}

export function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

export function isHash(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

function asPresence(value: unknown): Presence {
  if (typeof value !== "object" || value === null) throw new Error("is not a presence file");
  if (!("pid" in value && "addresses" in value && "reach" in value && "pin" in value && "started" in value)) {
    throw new Error("is not a presence file");
  }
  const { pid, addresses, reach, pin, started } = value;
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid <= 0 || typeof started !== "number")
    throw new Error("has a bad number");
  if (!isStrings(addresses) || !isStrings(reach) || !isHash(pin)) throw new Error("has a bad field");
  return { version: 1, pid, addresses, reach, pin, started };
}
