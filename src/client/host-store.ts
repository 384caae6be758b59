/** Servers that this client has joined: `<state>/client/hosts/<name>.json`. */
import { timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { SockError } from "../errors.ts";
import { isHash, isStrings, secretBytes } from "../files/local.ts";
import { withLock } from "../files/lock.ts";
import { createState, listState, readRecord, recordText, removeState, writeState } from "../files/state.ts";
import { type Address, formatAddress, parseAddress } from "../protocol/address.ts";
import { MAX_CODE_ADDRESSES } from "../protocol/constants.ts";
import { numbered, parseLabel, toLabel } from "../protocol/label.ts";
import { encodingName } from "../text/encoding.ts";

export interface Host {
  version: 1;
  /** The file's name too. */
  name: string;
  /** As `formatAddress` writes them, the best first. */
  addresses: string[];
  /** SHA-256 of the server's SPKI, hex. */
  pin: string;
  /** The client's private key for this server, 32 bytes in base64. */
  secret: string;
  /** What the server's programs print in, as `encodingName` has it; left out: found out. */
  encoding?: string;
  /** ms since 1970. */
  joined: number;
}

export interface NewHost {
  /** What the server calls itself: only a suggestion. */
  suggested: string;
  /** `--as NAME`: this name or none. */
  as?: string | undefined;
  addresses: readonly Address[];
  pin: Uint8Array;
  secret: Uint8Array;
}

export function clientFolder(stateFolder: string): string {
  return join(stateFolder, "client");
}

/** All joined hosts, sorted by name. @throws SockError `state` naming a bad file */
export function listHosts(stateFolder: string): Host[] {
  return listState(hostsFolder(stateFolder))
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length))
    .sort()
    .flatMap((name) => readHost(stateFolder, name) ?? []);
}

/** One host, or undefined. @throws SockError `state` naming a bad file */
export function readHost(stateFolder: string, name: string): Host | undefined {
  if (!isFileName(name)) return undefined;
  return readRecord(hostPath(stateFolder, name), (value) => {
    const host = asHost(value);
    if (host.name !== name) throw new Error("its name is not the file's");
    return host;
  });
}

/**
 * Remembers a server under its name; `-2` where another server has that. Joining the same server again replaces key and
 * addresses, and keeps the rest.
 * @throws SockError `exists` when `as` is another server's; `usage` when it is no name; `state`
 */
export async function addHost(stateFolder: string, server: NewHost, now: number = Date.now()): Promise<Host> {
  const label = server.as === undefined ? toLabel(server.suggested, "server") : parseLabel(server.as);
  for (const name of server.as === undefined ? numbered(label) : [label]) {
    const fresh: Host = {
      version: 1,
      name,
      addresses: server.addresses.map(formatAddress),
      pin: Buffer.from(server.pin).toString("hex"),
      secret: Buffer.from(server.secret).toString("base64"),
      joined: now,
    };
    if (createState(hostPath(stateFolder, name), recordText(fresh))) return fresh;
    const known = readHost(stateFolder, name);
    if (known === undefined || !samePin(known, server.pin)) continue;
    if (known.secret === fresh.secret) return known;
    const { addresses, secret, joined } = fresh;
    return await change(stateFolder, name, (host) => ({ ...host, addresses, secret, joined }));
  }
  throw new SockError(
    "exists",
    `${label} is another server's name here`,
    `sock leave ${label}, or another name with --as`,
  );
}

/**
 * Sets what a person may know better than the code: `address` (up to four, with commas) or `encoding` ("" or "auto":
 * found out again).
 * @throws SockError `usage`, `not-found`, `state`
 */
export async function setHost(stateFolder: string, name: string, key: string, value: string): Promise<Host> {
  if (key === "address") {
    const addresses = value.split(",").map((text) => formatAddress(parseAddress(text)));
    if (addresses.length > MAX_CODE_ADDRESSES) {
      throw new SockError("usage", `a host has at most ${MAX_CODE_ADDRESSES} addresses`);
    }
    return await change(stateFolder, name, (host) => ({ ...host, addresses }));
  }
  if (key !== "encoding") {
    throw new SockError(
      "usage",
      `${JSON.stringify(key.slice(0, 40))} can't be set`,
      "address=HOST:PORT or encoding=gbk",
    );
  }
  const stated = value === "" ? "auto" : encodingName(value);
  const encoding = stated === "auto" ? undefined : stated;
  return await change(stateFolder, name, ({ encoding: _old, ...host }) =>
    encoding === undefined ? host : { ...host, encoding },
  );
}

/** Forgets a server and the key for it. @throws SockError `not-found`, `state` */
export function removeHost(stateFolder: string, name: string): void {
  if (!isFileName(name) || !removeState(hostPath(stateFolder, name))) throw unknownHost(name);
}

async function change(stateFolder: string, name: string, edit: (host: Host) => Host): Promise<Host> {
  if (readHost(stateFolder, name) === undefined) throw unknownHost(name);
  return await withLock(clientFolder(stateFolder), "hosts", () => {
    const host = readHost(stateFolder, name);
    if (host === undefined) throw unknownHost(name);
    const changed = edit(host);
    writeState(hostPath(stateFolder, name), recordText(changed));
    return changed;
  });
}

function unknownHost(name: string): SockError {
  return new SockError("not-found", `no host ${JSON.stringify(name.slice(0, 80))}`, "sock hosts lists them");
}

function hostsFolder(stateFolder: string): string {
  return join(clientFolder(stateFolder), "hosts");
}

/** The only way from a name to a file; callers have checked it, or made it with `toLabel`. */
function hostPath(stateFolder: string, name: string): string {
  return join(hostsFolder(stateFolder), `${name}.json`);
}

function isFileName(name: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{1,99}$/.test(name);
}

function samePin(host: Host, pin: Uint8Array): boolean {
  return timingSafeEqual(Buffer.from(host.pin, "hex"), pin);
}

function asHost(value: unknown): Host {
  if (typeof value !== "object" || value === null) throw new Error("is not a host");
  if (!(
    "name" in value &&
    "addresses" in value &&
    "pin" in value &&
    "secret" in value &&
    "joined" in value
  )) {
    throw new Error("is not a host: a field is missing");
  }
  const { name, addresses, pin, secret, joined } = value;
  if (!("version" in value) || value.version !== 1) throw new Error("its version is not 1");
  if (typeof name !== "string" || typeof joined !== "number" || typeof secret !== "string")
    throw new Error("has a field of the wrong type");
  if (!isStrings(addresses) || !isHash(pin)) throw new Error("its addresses or pin are wrong");
  for (const address of addresses) parseAddress(address);
  secretBytes(secret);
  const host: Host = { version: 1, name, addresses, pin, secret, joined };
  if (!("encoding" in value) || value.encoding === undefined) return host;
  if (typeof value.encoding !== "string") throw new Error("its encoding is not a text");
  return { ...host, encoding: value.encoding };
}
