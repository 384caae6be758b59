/** What a server leaves for clients of the same user on this machine (`sock ls local:`): a key, and where it is. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { liveFolder, localKeyPath, type Presence } from "../files/local.ts";
import { isRunning } from "../files/lock.ts";
import { createState, listState, readRecord, recordText, removeState } from "../files/state.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { CAPABILITIES } from "../protocol/capabilities.ts";
import type { Grants } from "./grants.ts";
import { keyFile } from "./identity-store.ts";

/**
 * Makes the local key and its grant where they are missing. It allows all that the server itself allows: whoever reads
 * this folder could run the server. Revoked by its owner, it stays revoked.
 * @throws SockError `state`
 */
export function ensureLocalGrant(stateFolder: string, grants: Grants): void {
  const { spkiHash } = keyFile(localKeyPath(stateFolder));
  const known = grants.lookup(spkiHash, "");
  if (known.ok || known.code !== "unknown") return;
  grants.add({
    kind: "local",
    hash: Buffer.from(spkiHash).toString("hex"),
    name: "local",
    caps: [...CAPABILITIES],
    scope: "",
    cidr: [],
    expires: null,
    uses: null,
    key_ttl: null,
    parent: null,
    exec: [],
  });
}

/**
 * Says that this process serves here; the function that comes back takes it away again.
 * `addresses` are for clients on this machine, `reach` for new codes. Files of dead servers are removed.
 * @throws SockError `state`
 */
export function announce(
  stateFolder: string,
  pin: Uint8Array,
  addresses: readonly Address[],
  reach: readonly Address[],
): () => void {
  const folder = liveFolder(stateFolder);
  removeDead(folder);
  const path = join(folder, `${randomBytes(8).toString("hex")}.json`);
  const presence: Presence = {
    version: 1,
    pid: process.pid,
    addresses: addresses.map(formatAddress),
    reach: reach.map(formatAddress),
    pin: Buffer.from(pin).toString("hex"),
    started: Date.now(),
  };
  createState(path, recordText(presence));
  return () => {
    removeState(path);
  };
}

function removeDead(folder: string): void {
  for (const name of listState(folder)) {
    const path = join(folder, name);
    const pid = pidIn(path);
    if (pid === undefined || !isRunning(pid)) removeState(path);
  }
}

function pidIn(path: string): number | undefined {
  try {
    return readRecord(path, (value) => {
      const pid: unknown =
        typeof value === "object" && value !== null && "pid" in value ? value.pid : undefined;
      return typeof pid === "number" && Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
    });
  } catch {
    return undefined;
  }
}
