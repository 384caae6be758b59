/** What the owner does with the list from the command line: always with the state folder of a server that has run. */
import { type ListedGrant, type Grant, Grants } from "./grants.ts";
import { loadServerIdentity } from "./identity-store.ts";
import { noServer } from "./invite.ts";

/** @throws SockError `state` where no server has run from this folder, or the list is damaged */
function openList(stateFolder: string): Grants {
  if (loadServerIdentity(stateFolder) === undefined) throw noServer(stateFolder);
  return Grants.open(stateFolder);
}

/** All keys and codes, the oldest first. @throws SockError `state` */
export function listClients(stateFolder: string): ListedGrant[] {
  return openList(stateFolder).list();
}

/** @throws SockError `state`, `not-found`, `usage` */
export async function changeCaps(
  stateFolder: string,
  name: string,
  verb: "allow" | "deny",
  caps: readonly string[],
): Promise<Grant[]> {
  const list = openList(stateFolder);
  let changed: Grant[] = [];
  for (const cap of caps) changed = await list.setCaps(name, verb, cap);
  return changed;
}

/** Revokes names or ids, and the keys that came by them; nothing when one of them is unknown. @throws SockError `state`, `not-found` */
export function revokeClients(
  stateFolder: string,
  names: readonly string[],
): (Grant & { readonly wasRevoked: boolean })[] {
  const list = openList(stateFolder);
  for (const name of names) list.find(name);
  const before = new Set(list.list().flatMap(({ id, state }) => (state === "revoked" ? [id] : [])));
  const revoked = new Map(names.flatMap((name) => list.revoke(name)).map((grant) => [grant.id, grant]));
  return [...revoked.values()].map((grant) => ({ ...grant, wasRevoked: before.has(grant.id) }));
}
