import { mkdirSync, realpathSync, statfsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import { SockError } from "../errors.ts";
import { BlockPool } from "../files/blocks.ts";
import { stateFolder } from "../files/state.ts";
import { type Address, formatAddress, parseAddress } from "../protocol/address.ts";
import { DEFAULT_PORT } from "../protocol/constants.ts";
import type { Identity } from "../transport/identity.ts";
import { Claims } from "./claims.ts";
import type { Report } from "./events.ts";
import { Grants } from "./grants.ts";
import { openServerIdentity } from "./identity-store.ts";
import { fromServeSecret, type Invitation, type InviteOptions, issue } from "./invite.ts";
import { announce, ensureLocalGrant } from "./presence.ts";
import { reach } from "./reach.ts";
import { Server } from "./serve.ts";
import { ANSWERED } from "./session.ts";
import { type FolderSpec, Shares } from "./shares.ts";
import { NO_RAILS, type RailOptions, Rails } from "./rails.ts";
import { Room } from "./room.ts";
import { sweepShares } from "./sweep.ts";
import { Terminals } from "./terminals.ts";
import { removeStaleSockets } from "../files/unix-socket.ts";
import { ImpairedEchoes } from "./impaired-echoes.ts";
import type { ServerImpairment } from "./impaired-runs.ts";
import { UdpRuns } from "./udp-runs.ts";

export interface StartOptions {
  /** `DIR`, `NAME=DIR`, `NAME=DIR:ro`; none: this folder, or ./drop where that is too much. */
  readonly folders: readonly string[];
  /** As typed; none: all addresses, the default port. */
  readonly listen: readonly string[];
  /** Public names for codes. */
  readonly hosts: readonly string[];
  readonly env: Record<string, string | undefined>;
  readonly report: Report;
  readonly rails?: RailOptions;
  /** How long a terminal waits for its client, ms. */
  readonly lingerMs?: number | undefined;
  readonly loginShell?: string | undefined;
  /** What the echo and datagrams are made worse by. */
  readonly impair?: ServerImpairment | undefined;
}

export interface ServedFolder {
  readonly name: string;
  readonly dir: string;
  readonly writable: boolean;
  /** Bytes free for us there. */
  readonly free: number;
  /** A home or `/`: who can write there can run programs. */
  readonly risky: boolean;
}

/** A server that runs, and what its owner wants to know of it. */
export interface Started {
  readonly server: Server;
  readonly grants: Grants;
  /** For people. */
  readonly listening: readonly string[];
  readonly reachedAt: readonly string[];
  /** Clients outside a private network will not find it. */
  readonly private: boolean;
  /** The capabilities that this server has verbs for. */
  readonly answers: readonly string[];
  readonly folders: readonly ServedFolder[];
  /** Undefined where everything is in SOCK_SERVE. */
  readonly state: string | undefined;
  invite(options: InviteOptions): Invitation;
  /** Takes back what it left in the state folder. */
  close(): void;
}

const DEFAULT_LISTEN: Address[] = [{ kind: "tcp", host: "0.0.0.0", port: DEFAULT_PORT }];
const DEFAULT_OPTIONAL: Address[] = [{ kind: "tcp", host: "::", port: DEFAULT_PORT }];

/** Throws `usage`, `state`, `not-found`, `port-in-use`… with a hint; nothing is left running then. */
export async function startServer(options: StartOptions): Promise<Started> {
  const { env, report } = options;
  const state = stateFolder(env, process.platform, homedir());
  const secret = env["SOCK_SERVE"];
  const wanted = options.listen.map((text) => parseAddress(text));
  const rails = new Rails(options.rails ?? NO_RAILS);
  const all = options.folders.length > 0 ? options.folders.map(parseFolder) : [defaultFolder(state)];
  const folders = rails.options.readOnly ? all.map((folder) => ({ ...folder, writable: false })) : all;
  for (const folder of folders) checkFolder(folder);
  await removeStaleSockets(wanted);
  let identity: Identity;
  let grants: Grants;
  if (secret !== undefined && secret.trim() !== "") {
    ({ identity, grants } = fromServeSecret(secret));
  } else {
    identity = openServerIdentity(state);
    grants = Grants.open(state, (error) => report({ type: "warning", what: error.message }));
    ensureLocalGrant(state, grants);
  }
  const stateless = secret !== undefined && secret.trim() !== "";
  const shares = new Shares(folders, forbidden(state));
  const terminals = new Terminals(options.lingerMs);
  const server = await Server.start({
    identity,
    context: {
      grants,
      shares,
      report,
      encoding: localeCharset(env),
      pool: new BlockPool(),
      claims: new Claims(),
      rails,
      terminals,
      room: new Room(),
      loginShell: options.loginShell,
      udp: new UdpRuns(options.impair),
      impairedEchoes: options.impair && new ImpairedEchoes(options.impair),
    },
    addresses: wanted.length > 0 ? wanted : DEFAULT_LISTEN,
    optional: wanted.length > 0 ? [] : DEFAULT_OPTIONAL,
  });
  const reached = reach(server.addresses);
  const first = server.addresses.find((address) => address.kind === "tcp");
  const port = first?.kind === "tcp" ? first.port : DEFAULT_PORT;
  const named = options.hosts.map((host) => parseAddress(host, port));
  const addresses = [...named, ...reached.addresses];
  const withdraw = stateless
    ? () => undefined
    : announce(state, identity.spkiHash, localAddresses(server.addresses), addresses);
  const sweeping = sweepShares(shares, report);
  return {
    server,
    grants,
    listening: server.addresses.map(formatAddress),
    reachedAt: addresses.map(formatAddress),
    private: named.length === 0 && reached.private,
    answers: ANSWERED.filter((cap) => rails.answers(cap)),
    folders: shares.list.map((share) => described(share)),
    state: stateless ? undefined : state,
    invite: (invitation) => issue(grants, identity, addresses.slice(0, 4), invitation),
    close: () => {
      withdraw();
      sweeping.stop();
      shares.close();
    },
  };
}

/** `DIR`, `NAME=DIR`, each with `:ro`. A DIR with a `=` in its name is written `./a=b`. */
function parseFolder(text: string): FolderSpec {
  const writable = !text.endsWith(":ro");
  const rest = writable ? text.replace(/:rw$/, "") : text.slice(0, -":ro".length);
  const match = /^([\p{L}\p{N}][\p{L}\p{N}._-]{0,63})=(.+)$/u.exec(rest);
  const dir = match?.[2] ?? rest;
  if (dir === "")
    throw new SockError("usage", `no folder in ${JSON.stringify(text)}`, "sock serve DIR, or NAME=DIR");
  return { name: match?.[1], dir, writable };
}

/** This folder; where it is `/`, a home, or holds the state folder: ./drop, which is made. */
function defaultFolder(state: string): FolderSpec {
  const here = process.cwd();
  if (!isRisky(here) && !holds(here, state)) return { name: undefined, dir: ".", writable: true };
  mkdirSync("drop", { recursive: true });
  return { name: undefined, dir: "drop", writable: true };
}

function checkFolder({ dir }: FolderSpec): void {
  let isFolder: boolean;
  try {
    isFolder = statSync(dir).isDirectory();
  } catch {
    throw new SockError("not-found", `there is no folder ${dir}`, `mkdir ${dir}, or is it spelled wrong?`);
  }
  if (!isFolder) throw new SockError("usage", `${dir} is not a folder`, "sock serve serves folders");
}

function holds(dir: string, inner: string): boolean {
  const top = real(dir);
  for (let at = real(inner); ; at = dirname(at)) {
    if (at === top) return true;
    if (at === dirname(at)) return false;
  }
}

/** The real path of what exists of it. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(resolve(path));
    return parent === resolve(path) ? parent : resolve(real(parent), path.split(/[/\\]/).at(-1) ?? "");
  }
}

function isRisky(dir: string): boolean {
  const path = real(dir);
  return path === dirname(path) || path === real(homedir());
}

function forbidden(state: string): { dev: bigint; ino: bigint }[] {
  try {
    const { dev, ino } = statSync(state, { bigint: true });
    return [{ dev, ino }];
  } catch {
    return [];
  }
}

function described(share: { name: string; dir: string; writable: boolean }): ServedFolder {
  let free = 0;
  try {
    const { bavail, bsize } = statfsSync(share.dir);
    free = bavail * bsize;
  } catch {
    // only for display
  }
  return { ...share, free, risky: isRisky(share.dir) };
}

/** Where clients on this machine find it: wildcards are loopback. */
function localAddresses(addresses: readonly Address[]): Address[] {
  return addresses.map((address) => {
    if (address.kind === "unix") return address;
    const host = address.host === "0.0.0.0" ? "127.0.0.1" : address.host === "::" ? "::1" : address.host;
    return { ...address, host };
  });
}

/** Charset of the POSIX locale (LC_ALL, LC_CTYPE, LANG), lower case; null where it says none. */
function localeCharset(env: Record<string, string | undefined>): string | null {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  return /\.([\w-]+)/.exec(locale)?.[1]?.toLowerCase() ?? null;
}
