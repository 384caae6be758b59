/** One grant: a key that the server knows and what it may do. One file each, `<id>.json`; never a secret. */
import { isHash, isStrings } from "../files/local.ts";
import { isCapability, sortCapabilities } from "../protocol/capabilities.ts";
import { isCidr } from "../protocol/cidr.ts";

/** `enrol`: a code for `sock join`. `direct`: a code used as it is. `key`: made by joining. `local`: this user's own. */
export const GRANT_KINDS = ["enrol", "direct", "key", "local"] as const;
export type GrantKind = (typeof GRANT_KINDS)[number];

export interface Grant {
  version: 1;
  /** The first 16 digits of `hash`; the file's name. */
  id: string;
  kind: GrantKind;
  /** SHA-256 of the key's SPKI, hex. */
  hash: string;
  name: string;
  /** In the order of CAPABILITIES; what a code allows is what its keys will be allowed. */
  caps: string[];
  /** A path under the served root, `/` between names; "" is all. */
  scope: string;
  /** Address ranges; none: from everywhere. */
  cidr: string[];
  /** ms since 1970. */
  created: number;
  /** ms since 1970, or null: never. */
  expires: number | null;
  /** Runs (direct) or keys (enrol) that it is good for, or null: any number. */
  uses: number | null;
  /** Enrol codes: how long their keys live from joining on, ms, or null: for ever. */
  key_ttl: number | null;
  /** The id of the code by which a key was enrolled. */
  parent: string | null;
  /** Commands that an exec key may run, each an argv. */
  exec: string[][];
}

const ID_DIGITS = 16;

export function grantId(hash: string): string {
  return hash.slice(0, ID_DIGITS);
}

export function isGrantId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

/** The scope as typed without slashes at its ends, or undefined where it is no path under the root. */
export function cleanScope(text: string): string | undefined {
  if (text.startsWith("/") || text.includes("\0") || text.includes("\\")) return undefined;
  const names = text.split("/").filter((name) => name !== "" && name !== ".");
  return names.includes("..") ? undefined : names.join("/");
}

/** A grant from a file's JSON. Throws an Error that names the field: what can't be understood allows nothing. */
export function asGrant(value: unknown): Grant {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("is not a grant");
  const record = new Map<string, unknown>(Object.entries(value));
  const field = <T>(key: string, is: (value: unknown) => value is T): T => {
    const found = record.get(key);
    if (!is(found)) throw new Error(`its ${key} is missing or wrong`);
    return found;
  };
  field("version", (it): it is 1 => it === 1);
  const caps = field("caps", (it): it is string[] => isStrings(it));
  const strange = caps.find((cap) => !isCapability(cap));
  if (strange !== undefined) throw new Error(`unknown capability ${JSON.stringify(strange.slice(0, 40))}`);
  const hash = field("hash", isHash);
  return {
    version: 1,
    id: grantId(hash),
    kind: field("kind", isKind),
    hash,
    name: field(
      "name",
      (it): it is string => typeof it === "string" && /^[a-z0-9][a-z0-9._-]{0,99}$/.test(it),
    ),
    caps: sortCapabilities(caps.filter(isCapability)),
    scope: field("scope", (it): it is string => typeof it === "string" && cleanScope(it) === it),
    cidr: field("cidr", (it): it is string[] => isStrings(it) && it.every(isCidr)),
    created: field("created", isCount),
    expires: field("expires", isCountOrNull),
    uses: field("uses", isCountOrNull),
    key_ttl: field("key_ttl", isCountOrNull),
    parent: field(
      "parent",
      (it): it is string | null => it === null || (typeof it === "string" && isGrantId(it)),
    ),
    exec: field("exec", (it): it is string[][] => Array.isArray(it) && it.every(isStrings)),
  };
}

function isKind(value: unknown): value is GrantKind {
  return GRANT_KINDS.some((kind) => kind === value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isCountOrNull(value: unknown): value is number | null {
  return value === null || isCount(value);
}
