/** `sock put` and `sock get` with a peer that speaks no sock. No dialect proves that all arrived: what is known is said. */
import { createHash } from "node:crypto";
import { mkdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ownFolders } from "../client/hosts.ts";
import { SockError, STATUS } from "../errors.ts";
import { splitBytes, showPath } from "../files/names.ts";
import { Outgoing } from "../files/outgoing.ts";
import { Root } from "../files/root.ts";
import { formatPlain, type PlainUrl } from "../plain/address.ts";
import type { FileDialect } from "../plain/dialect.ts";
import { dialectFor } from "../plain/dialects.ts";
import { PLAIN_CLOSE_MS } from "../plain/limits.ts";
import { type Peer, QUIET } from "../plain/peer.ts";
import { lastPart, sendFile, Taking } from "../plain/stored.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { formatBytes, formatDuration } from "../text/units.ts";
import { connected, noticeSilence } from "./plain-client.ts";
import type { DialectGiven } from "./plain-options.ts";
import { Progress } from "./progress.ts";
import type { OnExistsFlag } from "./transfer.ts";
import type { Context } from "./verb.ts";

const DEFAULT_DIALECT = "ftp-gt";

export async function plainPut(
  context: Context,
  url: PlainUrl,
  names: readonly string[],
  given: DialectGiven,
): Promise<number> {
  const dialect = dialectOf(url, given, "put");
  if (names.includes("-")) {
    throw new SockError(
      "usage",
      "these dialects say the length first, and stdin's is not known",
      "put it into a file",
    );
  }
  if (url.rest !== "" && names.length > 1) throw new SockError("usage", "several files do not fit one name");
  for (const name of names) {
    const file = Outgoing.open(name);
    try {
      await putOne(
        context,
        url,
        dialect,
        file,
        url.rest === "" ? basename(resolve(name)) : url.rest,
        given.trace,
      );
    } finally {
      file.close();
    }
  }
  return STATUS.done;
}

/** One file a connection, as such scripts have it: its end is the end of the file. */
async function putOne(
  context: Context,
  { address }: PlainUrl,
  dialect: FileDialect,
  file: Outgoing,
  name: string,
  trace: boolean,
): Promise<void> {
  const started = performance.now();
  const hash = createHash("sha256");
  const progress = new Progress(context.ui, escapeForDisplay(name), file.length);
  const peer = await connected(context, address, trace);
  const heard = noticeSilence(context);
  let sent = 0;
  try {
    await dialect.put(peer, new TextEncoder().encode(name), file.length, () => {
      heard();
      return sendFile(peer, file, (bytes) => {
        hash.update(bytes);
        sent += bytes.length;
        progress.update(sent);
      });
    });
    if (file.changed()) throw new SockError("changed", "the file was changed while it was sent");
    await closed(peer);
    if (context.signal.aborted) throw context.signal.reason;
  } finally {
    heard();
    progress.done();
    peer.close();
  }
  tell(context, {
    path: `${formatPlain(address)} ${name}`,
    bytes: sent,
    sha256: hash.digest("hex"),
    started,
    action: "sent",
  });
}

/** The peer has read all when it ends too: the most that such a peer can say. Throws `lost`, `silent`. */
async function closed(peer: Peer): Promise<void> {
  await peer.end();
  for (;;) {
    const piece = await peer.readWithin(PLAIN_CLOSE_MS);
    if (piece === undefined) return;
    if (piece === QUIET) {
      throw new SockError(
        "silent",
        "all was sent, but the peer does not close",
        "it may still be reading: look there",
      );
    }
  }
}

export async function plainGet(
  context: Context,
  url: PlainUrl,
  words: readonly string[],
  given: DialectGiven & { readonly "on-exists": OnExistsFlag | undefined },
): Promise<number> {
  const dialect = dialectOf(url, given, "get");
  const { get } = dialect;
  if (get === undefined) throw new SockError("usage", `${dialect.name} gets nothing, it only puts`);
  const [name, dest = ".", more] = url.rest === "" ? words : [url.rest, ...words];
  if (name === undefined) throw new SockError("usage", "which file?", "sock get tcp://HOST:PORT/NAME [DEST]");
  if (more !== undefined) throw new SockError("usage", "one file at a time from such a peer");
  if (dest === "-") context.json.refuseData("the file");
  const started = performance.now();
  const hash = createHash("sha256");
  const wanted = new TextEncoder().encode(name);
  const peer = await connected(context, url.address, given.trace);
  const progress = new Progress(context.ui, escapeForDisplay(name), null);
  const heard = noticeSilence(context);
  let bytes = 0;
  let target: Target | undefined;
  try {
    const coming = await get(peer, wanted);
    heard();
    progress.total = coming.length;
    target =
      dest === "-"
        ? undefined
        : new Target(dest, wanted, given["on-exists"] ?? "rename", coming.length, context.env);
    for await (const piece of coming.pieces) {
      hash.update(piece);
      bytes += piece.length;
      progress.update(bytes);
      if (target === undefined) await context.ui.lentData(piece);
      else await target.taking.write(piece);
    }
    if (context.signal.aborted) throw context.signal.reason;
    const placed = await target?.publish();
    const more = await peer.finish();
    if (more > 0) context.ui.warn(`the peer has sent ${formatBytes(more)} more than it said`);
    tell(context, {
      path: placed?.path ?? "-",
      bytes,
      sha256: hash.digest("hex"),
      started,
      action: placed?.action ?? "written",
    });
    return STATUS.done;
  } finally {
    heard();
    progress.done();
    peer.close();
    target?.close();
  }
}

/** Where a file goes: into a folder under its own name, or to the name that is given. */
class Target {
  readonly taking: Taking;
  readonly #root: Root;
  readonly #folder: string;

  constructor(dest: string, name: Uint8Array, onExists: OnExistsFlag, length: number, env: Context["env"]) {
    const into = dest.endsWith("/") || statSync(dest, { throwIfNoEntry: false })?.isDirectory() === true;
    this.#folder = into ? dest : dirname(dest);
    mkdirSync(this.#folder, { recursive: true });
    this.#root = Root.open(this.#folder, { name: "", writable: true, forbidden: ownFolders(env) });
    try {
      const last = into ? lastPart(name) : basename(dest);
      this.taking = new Taking(this.#root, [last], onExists, length);
    } catch (thrown) {
      this.#root.close();
      throw thrown;
    }
  }

  async publish(): Promise<{ path: string; action: string }> {
    const { path, action } = await this.taking.publish();
    return { path: join(this.#folder, showPath(path)), action };
  }

  close(): void {
    this.taking.discard();
    this.#root.close();
  }
}

function dialectOf({ address }: PlainUrl, given: DialectGiven, verb: string): FileDialect {
  if (address.kind === "udp")
    throw new SockError("usage", "files are not for UDP", "tcp://HOST:PORT or unix:PATH");
  return dialectFor("files", given.dialect ?? DEFAULT_DIALECT, verb);
}

interface Told {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly started: number;
  readonly action: string;
}

function tell(context: Context, { path, bytes, sha256, started, action }: Told): void {
  const ms = Math.round(performance.now() - started);
  context.json.emit({ type: "file", path, bytes, sha256, action, ms, verified: false });
  if (context.json.enabled) return;
  const shown = escapeForDisplay(showPath(splitBytes(new TextEncoder().encode(path))));
  context.ui.report(
    `${shown}  ${formatBytes(bytes)} in ${formatDuration(ms)}, ${action}, not verified: no dialect can`,
  );
  context.ui.report(`  sha256 ${sha256}`);
}
