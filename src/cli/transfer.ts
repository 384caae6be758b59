/** What put and get have in common: their flags, and how they say what became of a file. */
import type { RetryOptions } from "../client/retry.ts";
import { Pace } from "../client/put.ts";
import { splitTarget } from "../client/target.ts";
import { SockError } from "../errors.ts";
import type { Segments } from "../files/names.ts";
import { formatDuration } from "../text/units.ts";
import { speaksNoSock } from "./host-word.ts";
import { DIALECT_ARGS } from "./plain-options.ts";
import type { Context, FlagGroups } from "./verb.ts";

export type Links = "keep" | "follow" | "skip";
export type OnExistsFlag = "replace" | "refuse" | "rename" | "skip";
export type DigestFlag = "sha256" | "xxh3";

/** Least of --bwlimit, bytes a second: where less is stated, kilobytes are meant. */
const LEAST_PACE = 1000;

const ON_EXISTS: OnExistsFlag[] = ["replace", "refuse", "rename", "skip"];
const DIGESTS: DigestFlag[] = ["sha256", "xxh3"];

const COMPRESS: ("auto" | "always" | "never")[] = ["auto", "always", "never"];
const LINKS: Links[] = ["keep", "follow", "skip"];

export const TRANSFER_ARGS = {
  "on-exists": {
    type: "enum",
    options: ON_EXISTS,
    valueHint: "HOW",
    description:
      "replace, refuse, skip, or rename what comes to NAME.new (replace; from plain peers: rename)",
  },
  digest: {
    type: "enum",
    options: DIGESTS,
    default: "sha256",
    valueHint: "HOW",
    description: "sha256, or xxh3: fast, no proof against forgery",
  },
  checksum: {
    type: "boolean",
    description: "compare bytes too: the same size and time is not enough",
  },
  links: {
    type: "enum",
    options: LINKS,
    default: "keep",
    valueHint: "HOW",
    description: "symbolic links: follow, skip, or keep those inside",
  },
  "dry-run": { type: "boolean", description: "change nothing, say what would be done" },
  retry: {
    type: "string",
    kind: "duration",
    valueHint: "DUR",
    description: "try again this long when the line breaks (2m); 0s: never",
  },
  exclude: {
    type: "string",
    repeat: true,
    valueHint: "PATTERN",
    description: "leave out of trees what fits, as in .gitignore",
  },
  compress: {
    type: "enum",
    options: COMPRESS,
    default: "auto",
    valueHint: "HOW",
    description: "zstd: always, never, or auto: where it pays",
  },
  bwlimit: {
    type: "string",
    kind: "bytes",
    valueHint: "BYTES",
    description: "no more than this a second (500k, 2M)",
  },
  receipt: {
    type: "string",
    valueHint: "FILE",
    description: "write the digests of all files there, for sha256sum -c",
  },
  atomic: {
    type: "boolean",
    description: "one folder changes as one: wholly, or not at all",
  },
  verify: { type: "boolean", description: "read each new file back from the disk, and compare again" },
  sync: { type: "boolean", description: "end only when all would survive a power cut" },
  ...DIALECT_ARGS,
} as const;

/** What they have in common, in the order of their help. */
export const TRANSFER_GROUPS: FlagGroups = [
  ["what goes", ["exclude", "links", "chmod"]],
  ["where something is there", ["on-exists", "checksum", "atomic", "dry-run"]],
  ["on the way", ["retry", "compress", "bwlimit"]],
  ["what is proved", ["verify", "sync", "receipt", "digest"]],
  ["with peers that speak no sock", ["dialect", "trace"]],
];

/** What to do about a transfer that was stopped. */
export const GOES_ON = "the same command goes on";

/** Goes on trying this long when a connection breaks, ms. */
const RETRY_MS = 120_000;

/** What put and get are told about broken connections, by `--retry`. */
export function retryOptions(context: Context, given: number | undefined): RetryOptions {
  return {
    retryMs: given ?? RETRY_MS,
    signal: context.signal,
    onRetry: (error, pauseMs) =>
      context.ui.info(`${error.message}; trying again in ${formatDuration(pauseMs)}`),
  };
}

/** `--bwlimit`. Throws `usage` for fewer bytes a second than anybody means who knows the unit. */
export function paceOf(bytesPerSecond: number | undefined): Pace | undefined {
  if (bytesPerSecond === undefined) return undefined;
  if (bytesPerSecond >= LEAST_PACE) return new Pace(bytesPerSecond);
  throw new SockError(
    "usage",
    `--bwlimit must be at least ${LEAST_PACE} bytes a second`,
    `--bwlimit ${Math.max(1, bytesPerSecond)}k, or with M for millions`,
  );
}

/** `--exclude`: what is left out of trees. Throws `usage`. */
export async function excluderOf(
  patterns: readonly string[],
): Promise<((path: Segments, isFolder: boolean) => boolean) | undefined> {
  if (patterns.length === 0) return undefined;
  const { excluder } = await import("../files/exclude.ts");
  return excluder(patterns);
}

/** A word that must name something on a server; `web1` is `web1:`. Throws `usage`. */
export function remoteTarget(word: string): { host: string | undefined; path: string } {
  const target = splitTarget(word);
  if (target.kind === "remote") return target;
  if (target.kind === "word") return { host: target.word, path: "" };
  if (target.kind === "url") throw speaksNoSock(word);
  throw new SockError(
    "usage",
    `${JSON.stringify(word)} is a local path, and a remote one is due`,
    "what is on a server is written HOST:PATH, with a colon",
  );
}

/** The flag's word to the protocol's name. */
export function digestName(flag: DigestFlag): "sha256" | "xxh3-64k" {
  return flag === "xxh3" ? "xxh3-64k" : flag;
}

/** Octal permission bits without setuid, setgid and sticky, which are never sent. Throws `usage`. */
export function parseMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) {
    throw new SockError(
      "usage",
      `--chmod: ${JSON.stringify(text)} is not a mode`,
      "three octal digits, like 644 or 755",
    );
  }
  return Number.parseInt(text, 8);
}
