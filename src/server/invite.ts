/** New codes: for `sock invite`, for the line that `serve` prints, and pairs for machines without state. */
import { SockError } from "../errors.ts";
import { livePresences } from "../files/local.ts";
import { type Address, formatAddress, parseAddress } from "../protocol/address.ts";
import { DEFAULT_CAPABILITIES, isCapability } from "../protocol/capabilities.ts";
import {
  DEFAULT_PORT,
  DIRECT_TTL_MS,
  ENROL_TTL_MS,
  ENROL_USES,
  MAX_CODE_ADDRESSES,
  MAX_USES,
} from "../protocol/constants.ts";
import { encodeJoinCode } from "../protocol/join-code.ts";
import { parseLabel } from "../protocol/label.ts";
import { encodeServeSecret, parseServeSecret } from "../protocol/serve-secret.ts";
import { type Identity, identityFromSecret, newIdentity } from "../transport/identity.ts";
import { parseCidr } from "../protocol/cidr.ts";
import { cleanScope, type Grant, grantId } from "./grant.ts";
import { Grants, type NewGrant } from "./grants.ts";
import { loadServerIdentity, serverFolder } from "./identity-store.ts";
import { reach } from "./reach.ts";
import { parseRights } from "./rights.ts";

/** What a code allows when nothing is said: all but running programs. */
export const DEFAULT_ALLOW: readonly string[] = DEFAULT_CAPABILITIES;

/** What a code is to allow, as it was typed; what is left out has its default. */
export interface InviteOptions {
  name?: string | undefined;
  /** Capabilities. */
  allow: readonly string[];
  direct: boolean;
  /** Known to this process only, and gone with it. */
  forRun?: boolean;
  /** ms; null: never expires. */
  ttlMs?: number | null | undefined;
  uses?: number | null | undefined;
  /** Life of the keys that an enrol code lets in, ms. */
  keyTtlMs?: number | undefined;
  cidr: readonly string[];
  scope?: string | undefined;
}

export interface Invitation {
  code: string;
  grant: Grant;
  /** The addresses in the code, as `formatAddress` writes them. */
  reach: string[];
}

/**
 * A new code for the server of this state folder. `hosts` (`NAME[:PORT]`) are where clients will find it; none: what the
 * running server said, else this machine's own addresses.
 * @throws SockError `usage`; `state` when no server has run from this folder
 */
export function invite(stateFolder: string, hosts: readonly string[], options: InviteOptions): Invitation {
  const identity = loadServerIdentity(stateFolder);
  if (identity === undefined) throw noServer(stateFolder);
  return issue(Grants.open(stateFolder), identity, codeAddresses(stateFolder, hosts), options);
}

/** A new code of a server that is at hand. @throws SockError `usage`, `state` */
export function issue(
  grants: Grants,
  identity: Identity,
  addresses: Address[],
  options: InviteOptions,
): Invitation {
  const client = newIdentity();
  const { secret } = client;
  // the code first: what is wrong with an address must not leave a grant behind
  const code = encodeJoinCode({ direct: options.direct, pin: identity.spkiHash, secret, addresses });
  const grant = newGrant(client, options);
  return {
    code,
    grant: options.forRun === true ? grants.addForRun(grant) : grants.add(grant),
    reach: addresses.map(formatAddress),
  };
}

/** The two secrets of a pair: what the server gets as SOCK_SERVE, the client as SOCK_JOIN. @throws SockError `usage` */
export function pair(hosts: readonly string[], options: InviteOptions): { serve: string; join: string } {
  if (hosts.length === 0) {
    throw new SockError("usage", "a pair needs the server's address", "--host sock:7625");
  }
  if (options.uses !== undefined || options.keyTtlMs !== undefined) {
    throw new SockError(
      "usage",
      "a pair counts no uses and enrols no keys",
      "leave out --uses and --key-ttl",
    );
  }
  const server = newIdentity();
  const client = newIdentity();
  const addresses = hosts.map((host) => parseAddress(host));
  const grant = newGrant(client, { ...options, direct: true });
  return {
    join: encodeJoinCode({ direct: true, pin: server.spkiHash, secret: client.secret, addresses }),
    serve: encodeServeSecret({
      secret: server.secret,
      client: client.spkiHash,
      expires: grant.expires,
      name: grant.name,
      caps: grant.caps.filter(isCapability),
      scope: grant.scope,
      cidr: grant.cidr,
      exec: grant.exec,
    }),
  };
}

/** Key and grants of a server that has only SOCK_SERVE. @throws SockError `usage` */
export function fromServeSecret(text: string): { identity: Identity; grants: Grants } {
  const half = parseServeSecret(text);
  const hash = Buffer.from(half.client).toString("hex");
  const grant: Grant = {
    version: 1,
    id: grantId(hash),
    kind: "direct",
    hash,
    name: parseLabel(half.name),
    caps: half.caps,
    scope: scopeOf(half.scope),
    cidr: half.cidr.map(parseCidr),
    created: 0,
    expires: half.expires,
    uses: null,
    key_ttl: null,
    parent: null,
    exec: half.exec,
  };
  return { identity: identityFromSecret(half.secret), grants: Grants.fixed([grant]) };
}

export function noServer(stateFolder: string): SockError {
  const folder = serverFolder(stateFolder);
  return new SockError(
    "state",
    `no server has run from ${folder}`,
    "start sock serve first, as the same user, or set SOCK_HOME",
  );
}

function newGrant(client: Identity, options: InviteOptions): NewGrant {
  const { direct, keyTtlMs } = options;
  const hash = Buffer.from(client.spkiHash).toString("hex");
  const ttl = options.ttlMs === undefined ? (direct ? DIRECT_TTL_MS : ENROL_TTL_MS) : options.ttlMs;
  const uses = options.uses === undefined ? (direct ? null : ENROL_USES) : options.uses;
  if (ttl !== null && !(Number.isSafeInteger(ttl) && ttl > 0))
    throw new SockError("usage", "--ttl is a time of more than 0");
  if (uses !== null && !(Number.isSafeInteger(uses) && uses > 0 && uses <= MAX_USES)) {
    throw new SockError("usage", `--uses is a number from 1 to ${MAX_USES}`);
  }
  if (direct && keyTtlMs !== undefined) {
    throw new SockError("usage", "a direct code lets no other keys in", "--ttl is its own life");
  }
  const { caps, exec } = parseRights(options.allow);
  return {
    kind: direct ? "direct" : "enrol",
    hash,
    name: options.name === undefined ? `code-${hash.slice(0, 6)}` : parseLabel(options.name),
    caps,
    scope: scopeOf(options.scope ?? ""),
    cidr: options.cidr.map(parseCidr),
    expires: ttl === null ? null : Date.now() + ttl,
    uses,
    key_ttl: keyTtlMs ?? null,
    parent: null,
    exec,
  };
}

function scopeOf(text: string): string {
  const scope = cleanScope(text);
  if (scope !== undefined) return scope;
  throw new SockError(
    "usage",
    `bad scope ${JSON.stringify(text.slice(0, 100))}`,
    "a path under the served folder, as releases/web",
  );
}

function codeAddresses(stateFolder: string, hosts: readonly string[]): Address[] {
  const said = livePresences(stateFolder)[0]?.reach.map((text) => parseAddress(text)) ?? [];
  const port = said.find((address) => address.kind === "tcp")?.port ?? DEFAULT_PORT;
  if (hosts.length > 0) return hosts.map((host) => parseAddress(host, port));
  if (said.length > 0) return said.slice(0, MAX_CODE_ADDRESSES);
  return reach([
    { kind: "tcp", host: "0.0.0.0", port },
    { kind: "tcp", host: "::", port },
  ]).addresses;
}
