import type { NewGrant } from "../../src/server/grants.ts";
import { type Identity, newIdentity } from "../../src/transport/identity.ts";

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A key and a grant for it that is not in any list yet. */
export function grantFor(
  changes: Partial<NewGrant> = {},
  identity: Identity = newIdentity(),
): { identity: Identity; grant: NewGrant } {
  const grant: NewGrant = {
    kind: "direct",
    hash: hex(identity.spkiHash),
    name: "ci",
    caps: ["echo", "put"],
    scope: "",
    cidr: [],
    expires: null,
    uses: null,
    key_ttl: null,
    parent: null,
    exec: [],
    ...changes,
  };
  return { identity, grant };
}
