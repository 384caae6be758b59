import { existsSync } from "node:fs";
import { put } from "../client/put.ts";
import type { Connections } from "../client/connections.ts";
import { ownFolders, resolveHost, type Target } from "../client/hosts.ts";
import { destinationOf, lookAt, type Source, sourceItems } from "../client/source.ts";
import { splitTarget } from "../client/target.ts";
import { SockError } from "../errors.ts";
import { BlockPool } from "../files/blocks.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { TransferProgress } from "./transfer-progress.ts";
import { plainPeer } from "./plain-options.ts";
import { receiptOf } from "./receipt.ts";
import { ownConnections } from "./session-options.ts";
import { Tally } from "./tally.ts";
import {
  digestName,
  excluderOf,
  GOES_ON,
  paceOf,
  parseMode,
  remoteTarget,
  retryOptions,
  TRANSFER_ARGS,
  TRANSFER_GROUPS,
} from "./transfer.ts";
import { type Args, type Context, defineVerb } from "./verb.ts";

const args = {
  files: { type: "positional", variadic: true },
  ...TRANSFER_ARGS,
  chmod: {
    type: "string",
    valueHint: "MODE",
    description: "mode of the new files, octal (the source's)",
  },
} as const;

/** Files up to this are sent without a look at what is there, bytes. */
const DIRECT_BYTES = 64 * 1024;

export default defineVerb({
  meta: {
    name: "put",
    summary: "send files and folders to a server; done means: verified there",
    usage: ["put SRC... HOST:[PATH]", "put - HOST:PATH", "put SRC... ADDR[/NAME] [--dialect NAME]"],
    examples: [
      { line: "sock put app.tgz web1:new/", does: "sends it into new/" },
      { line: "sock put a.txt web1:b.txt", does: "sends it as b.txt" },
      { line: "sock put site web1:www", does: "makes www there what site is here" },
      { line: "tar c d | sock put - web1:d.tar", does: "sends what comes on stdin" },
    ],
    more: [
      "- is stdin. A PATH that ends in / is a folder to put into, and so is for a file a folder that is there; any other is the new name. SRC/ means what is in SRC. Folders on the way are made.",
      "A file with the same size and time is there already. One that is cut in the middle goes on when the same command is run again. The old file stays until the new one is complete, and its digest the same on both sides.",
    ],
    groups: TRANSFER_GROUPS,
  },
  args,
  async run(context, given) {
    const target = given.files.at(-1);
    const names = given.files.slice(0, -1);
    if (target === undefined || names.length === 0) {
      throw new SockError(
        "usage",
        "what goes where? a file and HOST: are needed",
        `sock put ${target === undefined ? "FILE" : escapeForDisplay(target)} HOST:[PATH]`,
      );
    }
    const url = plainPeer(target, given);
    if (url !== undefined) {
      const { plainPut } = await import("./plain-files.ts");
      return plainPut(context, url, names, given);
    }
    const swapped = names.find((name) => splitTarget(name).kind === "remote" && !existsSync(name));
    if (swapped !== undefined && splitTarget(target).kind !== "remote") {
      throw new SockError(
        "usage",
        `put sends to its last word, and ${JSON.stringify(swapped)} is not on this machine`,
        names.length === 1
          ? `sock get ${swapped} ${target} fetches it`
          : `the place comes last: sock put ${given.files.filter((name) => name !== swapped).join(" ")} ${swapped}`,
      );
    }
    if (swapped !== undefined) {
      throw new SockError(
        "usage",
        `${JSON.stringify(swapped)} is on a server, and put sends what is here`,
        "from one server to another: get it first, then put it",
      );
    }
    const remote = remoteTarget(target);
    const meant = (host: string): string =>
      existsSync(target)
        ? `sock put ${given.files.join(" ")} ${host}:`
        : `sock put ${names.join(" ")} ${host}:${target}`;
    const host = resolveHost(remote.host, context.env, undefined, target.includes(":") ? undefined : meant);
    await putFiles(context, given, { names, host, path: remote.path, connections: ownConnections(context) });
  },
});

export interface PutJob {
  /** Here; `-` is stdin. */
  readonly names: readonly string[];
  readonly host: Target;
  /** There. */
  readonly path: string;
  readonly connections: Connections;
}

/** Sends the files, tells of them, and throws what failed. */
export async function putFiles(context: Context, given: Args<typeof args>, job: PutJob): Promise<void> {
  const { names, host, connections } = job;
  const onExists = given["on-exists"] ?? "replace";
  const remote = job;
  const mode = given.chmod === undefined ? undefined : parseMode(given.chmod);
  const pace = paceOf(given.bwlimit);
  if (names.includes("-")) checkStdin(names, remote.path);
  const { to, sources } = destinationOf(lookAt(names), remote.path, given.atomic);
  const [only] = sources;
  // what is not there is known before anything is sent
  if (sources.length === 1 && only?.error !== undefined) throw only.error;
  const single = sources.length === 1 && only?.kind !== "folder";
  const dry = given["dry-run"];
  if (given.atomic) checkAtomic(sources, to, onExists);
  const algorithm = digestName(given.digest);
  const exclude = await excluderOf(given.exclude);
  const receipt = receiptOf(given);
  const tally = new Tally(context, { algorithm, single, dry, receipt, atomic: given.atomic });
  const total = single ? (only?.length ?? null) : null;
  const progress = new TransferProgress(context.ui, total);
  const items = sourceItems(sources, to, {
    mode,
    links: given.links,
    exclude,
    forbidden: ownFolders(context.env),
    signal: context.signal,
  });
  let ended = false;
  try {
    await put(() => connections.open(host), items, to, {
      ...retryOptions(context, given.retry),
      keeps: connections.keeps,
      digest: algorithm,
      onExists,
      verify: given.verify,
      sync: given.sync,
      // what a receipt names was read, not only looked at
      checksum: given.checksum || receipt !== undefined,
      dry,
      atomic: given.atomic,
      direct: single && !dry && (only?.length ?? 0) <= DIRECT_BYTES,
      compress: given.compress,
      pace,
      pool: new BlockPool(),
      onOutcome: ({ shown, ...outcome }) => {
        const sent = outcome.action !== "failed" && outcome.error === undefined;
        tally.add({ ...outcome, path: sent ? `${host.name}:${shown}` : shown, receiptPath: shown });
      },
      onGoOn: (bytes) => progress.goOn(bytes),
      onCompare: (bytes) => progress.compare(bytes),
      onBytes: (bytes, item) => progress.update(bytes, escapeForDisplay(item.shown), tally.seen),
    });
    ended = true;
  } catch (thrown) {
    // what has failed says more than that therefore nothing was changed
    if (given.atomic) tally.check();
    const next = only?.kind === "stdin" ? "nothing was changed there" : GOES_ON;
    throw progress.stopped(thrown, context.signal, tally.seen, next);
  } finally {
    progress.done();
    receipt?.close();
    tally.finish(host.name, `${host.name}:${remote.path}`, ended, progress.there);
  }
  tally.check();
}

export { args as PUT_ARGS };

function checkAtomic(sources: readonly Source[], to: string, onExists: string): void {
  const [only] = sources;
  const fits = sources.length === 1 && only?.kind === "folder" && only.name === undefined && to !== "";
  if (fits && onExists === "replace") return;
  throw new SockError(
    "usage",
    "--atomic is for one folder that takes the place of another",
    "sock put --atomic SRC/ HOST:PATH",
  );
}

function checkStdin(names: readonly string[], path: string): void {
  if (names.length === 1 && path !== "" && !path.endsWith("/")) return;
  throw new SockError("usage", "stdin has no name", "say which file it becomes: sock put - HOST:NAME");
}
