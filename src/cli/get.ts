import { type Connections, withSession } from "../client/connections.ts";
import { existsSync } from "node:fs";
import { AtomicDestination } from "../client/atomic-destination.ts";
import { Destinations, lastName } from "../client/destination.ts";
import { expand } from "../client/expand.ts";
import { get, type Got } from "../client/get.ts";
import { getStream, type Streamed, type StreamOptions } from "../client/get-stream.ts";
import { resolveHost, type Target } from "../client/hosts.ts";
import type { Session } from "../client/session.ts";
import { splitTarget } from "../client/target.ts";
import { asSockError, SockError } from "../errors.ts";
import { BlockPool } from "../files/blocks.ts";
import { type Segments, showPath, splitBytes } from "../files/names.ts";
import { globParts, hasGlob } from "../text/glob.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { isTerminal } from "./output.ts";
import { plainPeer } from "./plain-options.ts";
import { receiptOf } from "./receipt.ts";
import { ownConnections } from "./session-options.ts";
import { Tally } from "./tally.ts";
import {
  digestName,
  excluderOf,
  GOES_ON,
  paceOf,
  remoteTarget,
  retryOptions,
  TRANSFER_ARGS,
  TRANSFER_GROUPS,
} from "./transfer.ts";
import { TransferProgress } from "./transfer-progress.ts";
import { type Args, type Context, defineVerb } from "./verb.ts";

const args = {
  files: { type: "positional", variadic: true },
  ...TRANSFER_ARGS,
} as const;

/** Paths in one request. */
const MOST_PATHS = 64;

export default defineVerb({
  meta: {
    name: "get",
    summary: "fetch files and folders from a server; done means: verified here",
    usage: ["get HOST:PATH... [DEST]", "get HOST:PATH -", "get ADDR[/NAME] [NAME] [DEST] [--dialect NAME]"],
    examples: [
      { line: "sock get web1:logs/app.log", does: "fetches it into this folder" },
      { line: "sock get web1:app.log today.log", does: "fetches it as today.log" },
      { line: "sock get web1:www site", does: "makes site here what www is there" },
      { line: "sock get web1:dir.tar - | tar x", does: "writes it to stdout" },
    ],
    more: [
      "- is stdout. A DEST that ends in / is a folder to fetch into, and so is for a file a folder that is here; any other is the new name. PATH/ means what is in PATH.",
    ],
    groups: TRANSFER_GROUPS,
  },
  args,
  async run(context, given) {
    const url = plainPeer(given.files[0], given);
    if (url !== undefined) {
      const { plainGet } = await import("./plain-files.ts");
      return plainGet(context, url, given.files.slice(1), given);
    }
    const { sources, dest } = split(given.files);
    const remotes = sources.map((word) => {
      const { host, path } = remoteTarget(word);
      const meant =
        path === "" && !word.includes(":") ? (name: string) => `sock get ${name}:${word}` : undefined;
      return { host: resolveHost(host, context.env, undefined, meant), path };
    });
    await getFiles(context, given, { remotes, dest, connections: ownConnections(context) });
  },
});

export interface GetJob {
  readonly remotes: readonly { readonly host: Target; readonly path: string }[];
  /** Here; `-` is stdout, nothing is this folder. */
  readonly dest: string;
  readonly connections: Connections;
}

/** Fetches the files, tells of them, and throws what failed. */
export async function getFiles(context: Context, given: Args<typeof args>, job: GetJob): Promise<void> {
  const { remotes, dest, connections } = job;
  const algorithm = digestName(given.digest);
  if (dest === "-") {
    context.json.refuseData("the file");
    refuseWithStdout(given);
    const [only, second] = await expanded(connections, remotes, undefined);
    if (only === undefined || second !== undefined)
      throw new SockError("usage", "only one file fits on stdout");
    const { compress } = given;
    const write = async (bytes: Uint8Array): Promise<void> => context.ui.lentData(bytes);
    await toStdout(context, connections, only, { digest: algorithm, compress, write });
    return;
  }
  const { atomic, "dry-run": dry, "on-exists": onExists = "replace" } = given;
  const isLeftOut = await excluderOf(given.exclude);
  if (atomic && (remotes.length !== 1 || onExists !== "replace")) throw notAtomic();
  const pace = paceOf(given.bwlimit);
  const wanted = await expanded(connections, remotes, isLeftOut);
  refuseTwice(wanted);
  const single = wanted.length === 1;
  const receipt = receiptOf(given);
  const tally = new Tally(context, { algorithm, single, dry, receipt, atomic });
  const progress = new TransferProgress(context.ui, null);
  const several = !single || wanted.some(({ matched }) => matched);
  await using whole = atomic ? wholeOf(wanted, { dest, several, dry }) : undefined;
  using places = new Destinations(dest, several, dry);
  const pool = new BlockPool();
  const hosts: string[] = [];
  let ended = false;
  let got: Got | undefined;
  try {
    for (const group of grouped(wanted)) {
      const { host } = group;
      if (!hosts.includes(host.name)) hosts.push(host.name);
      const { verify, sync } = given;
      let current: string | Uint8Array = "";
      got = await get(
        () => connections.open(host),
        {
          paths: group.paths.map(wirePathOf),
          digest: algorithm,
          links: given.links,
          compress: given.compress,
        },
        {
          ...retryOptions(context, given.retry),
          receiver: {
            digest: algorithm,
            onExists,
            verify,
            sync,
            // what a receipt names was read, not only looked at
            checksum: given.checksum || receipt !== undefined,
            dry,
            mayCompare: true,
            pool,
            owner: Buffer.from(host.pin).toString("hex"),
            pace,
          },
          keeps: connections.keeps,
          isLeftOut,
          fresh: () => !dry && isLeftOut === undefined && tally.seen === 0 && (whole ?? places).fresh,
          place: (source, kind) => {
            current = group.paths[source] ?? "";
            if (kind === "folder") tally.manyFiles();
            const asked = shownPath(current);
            return whole === undefined
              ? places.place(lastName(current), kind, asked)
              : whole.place(kind, asked);
          },
          onFailed: (source, error) => {
            const path = `${host.name}:${shownPath(group.paths[source] ?? "")}`;
            tally.add({ kind: "file", path, bytes: 0, digest: "", action: "failed", error, ms: 0 });
          },
          onOutcome: ({ shown, ...outcome }) => tally.add({ ...outcome, path: shown }),
          onFile: (length) => {
            if (single) progress.begin(length);
          },
          onGoOn: (bytes) => progress.goOn(bytes),
          onCompare: (bytes) => progress.compare(bytes),
          onBytes: (bytes) => progress.update(bytes, escapeForDisplay(shownPath(current)), tally.seen),
        },
      );
    }
    if (whole !== undefined && got !== undefined) {
      tally.check();
      if (context.signal.aborted) throw context.signal.reason;
      await whole.publish(got);
    }
    ended = true;
  } catch (thrown) {
    // what has failed says more than that therefore nothing was changed
    if (atomic) tally.check();
    throw progress.stopped(thrown, context.signal, tally.seen, GOES_ON);
  } finally {
    progress.done();
    receipt?.close();
    tally.finish(hosts.join(" "), dest || ".", ended, progress.there);
  }
  tally.check();
}

export { args as GET_ARGS };

function notAtomic(): SockError {
  return new SockError(
    "usage",
    "--atomic is for one folder that takes the place of another",
    "sock get --atomic HOST:PATH DEST",
  );
}

/** The one folder that changes as one. Throws `usage` where it is not one. */
function wholeOf(
  wanted: readonly Wanted[],
  options: { dest: string; several: boolean; dry: boolean },
): AtomicDestination {
  const [only] = wanted;
  if (only === undefined || wanted.length > 1) throw notAtomic();
  const owner = Buffer.from(only.host.pin).toString("hex");
  return new AtomicDestination({ ...options, name: lastName(only.path), owner });
}

/** What is for files that are kept. Throws `usage`. */
function refuseWithStdout(given: { receipt: string | undefined; "dry-run": boolean; atomic: boolean }): void {
  const flags = {
    "--receipt": given.receipt !== undefined,
    "--dry-run": given["dry-run"],
    "--atomic": given.atomic,
  };
  const flag = Object.entries(flags).find(([, isGiven]) => isGiven)?.[0];
  if (flag === undefined) return;
  throw new SockError(
    "usage",
    `${flag} is for files that are kept, and this one goes to stdout`,
    "sock get HOST:PATH FILE",
  );
}

/** What a path or a pattern means, one file after another, to where `write` puts it. */
export async function filesToStdout(
  context: Context,
  { remotes, connections }: Pick<GetJob, "remotes" | "connections">,
  write: StreamOptions["write"],
): Promise<void> {
  for (const one of await expanded(connections, remotes, undefined)) {
    await toStdout(context, connections, one, { digest: "sha256", compress: "auto", write });
  }
}

async function toStdout(
  context: Context,
  connections: Connections,
  { host, path }: Wanted,
  options: Pick<StreamOptions, "digest" | "compress" | "write">,
): Promise<void> {
  const started = performance.now();
  const shown = shownPath(path);
  let progress: TransferProgress | undefined;
  let before = 0;
  try {
    const fetch = async (session: Session): Promise<Streamed> =>
      getStream(session, wirePathOf(path), {
        ...options,
        onBegin: (length) => {
          // beside what is read there it would only be in the way
          if (!isTerminal(1)) progress = new TransferProgress(context.ui, length);
        },
        onBytes: (bytes) => {
          progress?.update(bytes - before, escapeForDisplay(shown), 0);
          before = bytes;
        },
      });
    const got = await withSession(connections, host, fetch);
    const seconds = Number(((performance.now() - started) / 1000).toFixed(3));
    context.json.result({ host: host.name, files: 1, bytes: got.bytes, skipped: 0, seconds });
  } catch (thrown) {
    const error = asSockError(thrown);
    if (error.code !== "is-folder" || error.message.startsWith(shown)) throw error;
    throw new SockError(error.code, `${shown}: ${error.message}`, error.hint);
  } finally {
    progress?.done();
  }
}

interface Wanted {
  readonly host: Target;
  /** Bytes where it is not UTF-8. */
  readonly path: string | Uint8Array;
  /** A pattern led to it: how many others it led to does not change where it goes. */
  readonly matched: boolean;
}

/** Throws `usage` for two things of one name, which would be one here. */
function refuseTwice(wanted: readonly Wanted[]): void {
  const seen = new Set<string>();
  for (const { path } of wanted) {
    const name = lastName(path);
    const key = name === undefined ? undefined : showPath([name]);
    if (key !== undefined && seen.has(key)) {
      throw new SockError(
        "usage",
        `two sources are named ${JSON.stringify(key)}`,
        "they would be one here: fetch them apart",
      );
    }
    if (key !== undefined) seen.add(key);
  }
}

/**
 * The words with what their patterns mean in their place; what a pattern finds may be left out. Throws `not-found` for one
 * that fits nothing.
 */
async function expanded(
  connections: Connections,
  remotes: GetJob["remotes"],
  isLeftOut: ((path: Segments, isFolder: boolean) => boolean) | undefined,
): Promise<Wanted[]> {
  const wanted: Wanted[] = [];
  for (const { host, path } of remotes) {
    if (!hasGlob(path)) {
      wanted.push({ host, path, matched: false });
      continue;
    }
    await withSession(connections, host, async (session) => {
      // a key that may not list can still name a file that is called so
      if (!session.server.caps.includes("ls")) wanted.push({ host, path, matched: false });
      else {
        let inside: string | undefined;
        for await (const one of expand(session, path)) {
          const shown = shownPath(one.path);
          // it comes with the folder that it is in
          if (inside !== undefined && shown.startsWith(inside)) continue;
          const isFolder = one.item?.kind === "folder";
          const isFound = one.item !== undefined && one.path !== path;
          if (isFound && isLeftOut?.(belowPattern(path, one.path), isFolder) === true) continue;
          if (isFolder) inside = `${shown.replace(/\/$/, "")}/`;
          wanted.push({ host, path: one.path, matched: isFound });
        }
      }
    });
  }
  return wanted;
}

/** What a pattern has found, below the folder in which it begins. */
function belowPattern(pattern: string, found: string | Uint8Array): Segments {
  const { prefix } = globParts(pattern);
  const names = typeof found === "string" ? found.split("/") : splitBytes(found);
  return names.slice(prefix === "" ? 0 : prefix.split("/").length).filter((name) => name.length > 0);
}

/** The paths of one host after another, in the order of the words, so many a request. */
function grouped(wanted: readonly Wanted[]): { host: Target; paths: (string | Uint8Array)[] }[] {
  const groups: { host: Target; paths: (string | Uint8Array)[] }[] = [];
  for (const { host, path } of wanted) {
    const last = groups.at(-1);
    if (last?.host.name === host.name && last.paths.length < MOST_PATHS) last.paths.push(path);
    else groups.push({ host, paths: [path] });
  }
  return groups;
}

function wirePathOf(path: string | Uint8Array): { path: string } | { path64: string } {
  return typeof path === "string" ? { path } : { path64: Buffer.from(path).toString("base64") };
}

function shownPath(path: string | Uint8Array): string {
  return typeof path === "string" ? path : new TextDecoder().decode(path);
}

/** The last word is where to, unless it names something remote, or is the only word. */
function split(words: readonly string[]): { sources: string[]; dest: string } {
  const last = words.at(-1);
  if (last === undefined) throw new SockError("usage", "what is to be fetched?", "sock get HOST:PATH [DEST]");
  const [first = ""] = words;
  if (words.length > 1 && existsSync(first) && !isRemote(first) && isRemote(last)) {
    throw new SockError(
      "usage",
      `get fetches, and ${JSON.stringify(first)} is on this machine`,
      `sock put ${words.join(" ")} sends it`,
    );
  }
  const isLocal = words.length > 1 && (last === "-" || !isRemote(last));
  return isLocal ? { sources: words.slice(0, -1), dest: last } : { sources: [...words], dest: "" };
}

function isRemote(word: string): boolean {
  return splitTarget(word).kind === "remote";
}
