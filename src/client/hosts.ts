/** Which server a word means, and what is needed to reach it: from the environment, the joined hosts, or this machine. */
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { SockError } from "../errors.ts";
import { errnoOf } from "../files/errno.ts";
import { livePresences, readLocalKey } from "../files/local.ts";
import type { FileId } from "../files/entry.ts";
import { stateFolder } from "../files/state.ts";
import { type Address, parseAddress } from "../protocol/address.ts";
import { MAX_PASTE_CHARS } from "../protocol/constants.ts";
import { parseJoinCode } from "../protocol/join-code.ts";
import { nearest } from "../text/suggest.ts";
import { type Host, listHosts, readHost } from "./host-store.ts";
import { escapeForDisplay } from "../text/escape.ts";

export interface Target {
  /** For messages and paths. */
  name: string;
  addresses: Address[];
  /** SHA-256 of the server's SPKI, 32 bytes. */
  pin: Uint8Array;
  /** The client's private key, 32 bytes. */
  secret: Uint8Array;
  /** What the owner said that the server's programs print in. */
  encoding?: string;
  /** From the environment: nothing about it may be written to disk. */
  ephemeral: boolean;
}

type Env = Record<string, string | undefined>;
const PREFIX = "SOCK_JOIN_";
const LOCAL = "local";

/** What no file verb may reach: the folder of this user's keys. */
export function ownFolders(env: Env): readonly FileId[] {
  const { dev, ino } =
    statSync(stateFolder(env, process.platform, homedir()), { bigint: true, throwIfNoEntry: false }) ?? {};
  return dev === undefined || ino === undefined ? [] : [{ dev, ino }];
}

/** What the same command would be with a host, given one: `web1`, or nothing for the default one. */
export type Meant = (host: string) => string;

/**
 * The server behind a word, with or without a colon; undefined and a colon alone are the default host: SOCK_JOIN,
 * SOCK_JOIN_FILE, or the only joined one. Where there is none, `meant` says what the word may be instead.
 * @throws SockError `no-code`, `not-found`, `usage` (several hosts; a damaged code), `state`
 */
export function resolveHost(
  word: string | undefined,
  env: Env,
  folder: string = stateFolder(env, process.platform, homedir()),
  meant?: Meant,
): Target {
  if (word === undefined || word === ":") return defaultHost(env, folder);
  const name = word.toLowerCase().replace(/:$/, "");
  if (name === LOCAL) return localServer(folder);
  const variable = PREFIX + name.toUpperCase().replace(/[^A-Z0-9]/g, "_");
  const code = variable === `${PREFIX}FILE` ? undefined : env[variable];
  if (code !== undefined) return fromCode(code, variable, name);
  const host = readHost(folder, name);
  if (host !== undefined) return fromHost(host);
  throw notFound(word, env, folder, meant);
}

function defaultHost(env: Env, folder: string): Target {
  const code = env["SOCK_JOIN"];
  const file = env["SOCK_JOIN_FILE"];
  if (code !== undefined && (code.trim() !== "" || !file)) return fromCode(code, "SOCK_JOIN");
  if (file) return fromCode(readCodeFile(file), "SOCK_JOIN_FILE");
  const hosts = listHosts(folder);
  const [only, second] = hosts;
  const named = namesInEnv(env);
  if (only === undefined)
    throw new SockError(
      "no-code",
      "no server is joined here",
      named.length > 0
        ? `name one: ${named.join(" ")}; or SOCK_JOIN, without a name behind it, is the default one`
        : "sock join, with the code that sock invite printed; or SOCK_JOIN with one of sock invite --direct",
    );
  if (second === undefined) return fromHost(only);
  throw new SockError(
    "usage",
    "several servers are joined here: name one",
    hosts.map((host) => host.name).join(" "),
  );
}

/** A code from the environment; it must be a direct one: an enrol code would be spent by the first job. */
function fromCode(text: string, variable: string, name?: string): Target {
  if (text.trim() === "") {
    throw new SockError(
      "no-code",
      `${variable} is empty`,
      "pull requests from forks get no secrets; else set it to a code of sock invite --direct",
    );
  }
  const { direct, pin, secret, addresses } = parseJoinCode(text);
  if (!direct) {
    throw new SockError(
      "no-code",
      `the code in ${variable} is only for joining`,
      "sock join once, or a code of sock invite --direct",
    );
  }
  const [first] = addresses;
  const called = first === undefined ? "server" : first.kind === "tcp" ? first.host : first.path;
  return { name: name ?? called, addresses, pin, secret, ephemeral: true };
}

function readCodeFile(path: string): string {
  try {
    // a device or a huge file is no code; 4 bytes are the longest UTF-8 character
    const stat = statSync(path);
    if (stat.isFile() && stat.size > 4 * MAX_PASTE_CHARS)
      throw new SockError("usage", "SOCK_JOIN_FILE is too long for a code");
    return readFileSync(path, "utf8");
  } catch (thrown) {
    if (thrown instanceof SockError) throw thrown;
    const errno = errnoOf(thrown);
    if (errno === "ENOENT")
      throw new SockError("not-found", `SOCK_JOIN_FILE: no file ${JSON.stringify(path)}`);
    throw new SockError(
      "io",
      `SOCK_JOIN_FILE: can't read ${JSON.stringify(path)}: ${errno ?? "failed"}`,
      undefined,
      { cause: thrown },
    );
  }
}

function fromHost(host: Host): Target {
  return {
    name: host.name,
    addresses: host.addresses.map((text) => parseAddress(text)),
    pin: Uint8Array.from(Buffer.from(host.pin, "hex")),
    secret: Uint8Array.from(Buffer.from(host.secret, "base64")),
    ...(host.encoding === undefined ? {} : { encoding: host.encoding }),
    ephemeral: false,
  };
}

function localServer(folder: string): Target {
  const [newest] = livePresences(folder);
  const secret = readLocalKey(folder);
  if (newest === undefined || secret === undefined) {
    throw new SockError("not-found", "no server of yours runs on this machine", "sock serve starts one");
  }
  return {
    name: LOCAL,
    addresses: newest.addresses.map((text) => parseAddress(text)),
    pin: Uint8Array.from(Buffer.from(newest.pin, "hex")),
    secret,
    ephemeral: false,
  };
}

/** Of the codes in SOCK_JOIN_NAME. */
function namesInEnv(env: Env): string[] {
  return Object.keys(env)
    .filter((key) => key.startsWith(PREFIX) && key !== `${PREFIX}FILE`)
    .map((key) => key.slice(PREFIX.length).toLowerCase());
}

function notFound(word: string, env: Env, folder: string, meant?: Meant): SockError {
  const what = `no host ${JSON.stringify(word.slice(0, 80))}`;
  return new SockError("not-found", what, notFoundHint(word, env, folder, meant));
}

function notFoundHint(word: string, env: Env, folder: string, meant?: Meant): string {
  const joined = listHosts(folder).map((host) => host.name);
  const servers = [...joined, ...namesInEnv(env)];
  const names = [...servers, LOCAL];
  const hasDefault = Boolean(env["SOCK_JOIN"] || env["SOCK_JOIN_FILE"]);
  // as ssh has it; who somebody is, their key says
  const own = word.toLowerCase().replace(/^.*@/, "");
  const [named = "", port] = own.split(":", 2);
  if (port !== undefined && servers.includes(named)) {
    const corrects = joined.includes(named) ? `; sock hosts set ${named} address=HOST:PORT corrects it` : "";
    return `did you mean ${named}? its port came with the code${corrects}`;
  }
  if (isAddress(word)) {
    const place = word.includes(":") ? word : `${word}:PORT`;
    return `sock join CODE gives it a name; one that speaks no sock is tcp://${place}, or udp://${place}`;
  }
  const near = names.includes(own) ? own : nearest(own, names);
  if (near !== undefined) return `did you mean ${near}? known are ${names.join(" ")}`;
  const byDefault = hasDefault ? "; : is the one of SOCK_JOIN" : "";
  const known = `known are ${names.join(" ")}; sock join adds one${byDefault}`;
  if (meant === undefined) return known;
  const [only, second] = servers;
  const host = hasDefault ? "" : only === undefined || second !== undefined ? "HOST" : only;
  return `${escapeForDisplay(meant(host))}; ${known}`;
}

/** `10.0.0.7`, `db1:7625`: what other tools call a host. */
function isAddress(word: string): boolean {
  return /^[\w.-]+:\d{1,5}$/.test(word) || /^\d{1,3}(\.\d{1,3}){3}$/.test(word) || word === "localhost";
}
