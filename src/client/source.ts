/** What a `put` sends: files, trees and stdin of this machine, as items, and where they go there. */
import * as fs from "node:fs";
import { basename, dirname } from "node:path";
import { asSockError, SockError } from "../errors.ts";
import type { FileId } from "../files/entry.ts";
import { fsFailure } from "../files/failure.ts";
import type { Segments } from "../files/names.ts";
import { Outgoing } from "../files/outgoing.ts";
import { Root } from "../files/root.ts";
import type { Links } from "../protocol/file-messages.ts";
import type { Item } from "../transfer/items.ts";
import { treeItems } from "../transfer/tree-items.ts";

const STDIN = 0;
/** Pause before the next try where someone made stdin non-blocking and it is empty, ms. */
const EMPTY_PAUSE_MS = 5;

export interface SourceOptions {
  /** In place of the files' own. */
  readonly mode: number | undefined;
  readonly links: Links;
  readonly exclude: ((path: Segments, isFolder: boolean) => boolean) | undefined;
  /** What is never sent: the state folder. */
  readonly forbidden: readonly FileId[];
  readonly signal: AbortSignal;
}

/** One word of the command line, looked at. */
export interface Source {
  readonly word: string;
  readonly kind: "file" | "folder" | "stdin" | "failed";
  /** Its name there; undefined: its contents go there, or it gets the name that is given there. */
  readonly name: string | undefined;
  /** Bytes of a file. */
  readonly length: number | null;
  readonly error?: SockError;
}

/** Looks at each word; what can't be sent is `failed`, with its error. */
export function lookAt(words: readonly string[]): Source[] {
  return words.map((word): Source => {
    if (word === "-") return { word, kind: "stdin", name: "stdin", length: null };
    const name = basename(word);
    try {
      const stat = fs.statSync(word);
      if (stat.isDirectory()) {
        const contents = /[/\\]$/.test(word) || name === "." || name === "..";
        return { word, kind: "folder", name: contents ? undefined : name, length: null };
      }
      if (!stat.isFile()) throw new SockError("not-file", `${word}: not a regular file`);
      if (word.endsWith("/")) throw new SockError("not-folder", `${word}: is a file`);
      return { word, kind: "file", name, length: stat.size };
    } catch (thrown) {
      return { word, kind: "failed", name, length: null, error: asSockError(fsFailure(thrown, word)) };
    }
  });
}

/**
 * Where they go, as the server reads it: `x/` is gone into, `x` is what the one thing is called there. With `atomic` a
 * folder is named by its path there. Throws `usage` where two would be one.
 */
export function destinationOf(
  sources: readonly Source[],
  path: string,
  atomic = false,
): { to: string; sources: Source[] } {
  const into = path === "" || path.endsWith("/");
  const [only] = sources;
  if (sources.length === 1 && only?.kind === "folder") {
    if (only.name === undefined || !into)
      return { to: into ? path : `${path}/`, sources: [{ ...only, name: undefined }] };
    if (atomic) return { to: `${path}${only.name}/`, sources: [{ ...only, name: undefined }] };
    return { to: path, sources: [only] };
  }
  const names = sources.map((source) => source.name).filter((name) => name !== undefined);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new SockError(
      "usage",
      `two sources are named ${JSON.stringify(twice)}`,
      "they would be one file there: send them apart",
    );
  }
  return { to: into || sources.length === 1 ? path : `${path}/`, sources: [...sources] };
}

/** The items of all sources, one after another. What is in the way of one is an item too. */
export async function* sourceItems(
  sources: readonly Source[],
  to: string,
  options: SourceOptions,
): AsyncGenerator<Item> {
  for (const source of sources) {
    try {
      yield* itemsOf(source, to, options);
    } catch (thrown) {
      yield { kind: "failed", shown: source.word, error: asSockError(thrown) };
    }
  }
}

async function* itemsOf(source: Source, to: string, options: SourceOptions): AsyncGenerator<Item> {
  const { word, name = "", kind } = source;
  const { mode, links, exclude, forbidden } = options;
  if (kind === "failed") {
    yield { kind: "failed", shown: word, error: source.error ?? new SockError("failed", word) };
  } else if (kind === "stdin") {
    yield {
      kind: "stream",
      path: { path: "stdin" },
      shown: "stdin",
      mode: mode ?? null,
      read: stdin(options.signal),
    };
  } else if (kind === "file") {
    refuseBelow(word, forbidden);
    const open = (): Outgoing => Outgoing.open(word);
    const file = open();
    file.close();
    const { length, mtimeUs } = file;
    yield { kind: "file", path: { path: name }, shown: word, length, mtimeUs, mode: mode ?? file.mode, open };
  } else {
    const root = Root.open(word, { name: word.replace(/\/+$/, ""), writable: false, forbidden });
    try {
      yield* treeItems(root, [], {
        links,
        name: source.name,
        shown: word.replace(/(?<=.)\/+$/, ""),
        mode,
        exclude,
        silentTop: source.name === undefined && to === "",
        anywhere: true,
      });
    } finally {
      root.close();
    }
  }
}

/** Throws `outside` for a file in one of the folders. */
function refuseBelow(path: string, folders: readonly FileId[]): void {
  for (let folder = dirname(fs.realpathSync(path)); ; folder = dirname(folder)) {
    const stat = fs.statSync(folder, { bigint: true });
    if (folders.some((one) => one.dev === stat.dev && one.ino === stat.ino)) {
      throw new SockError("outside", `${path}: the keys of sock are not sent`);
    }
    if (folder === dirname(folder)) return;
  }
}

/** stdin to its end, in pieces as they come. An abort cuts it, and a stream that was cut is never complete. */
function stdin(signal: AbortSignal): (block: Uint8Array) => Promise<number> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => undefined);
  const stop = (): void =>
    reject(signal.reason instanceof SockError ? signal.reason : new SockError("interrupted", "stopped"));
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  // a read that nobody will ever answer must not keep us
  return (block) => Promise.race([readStdin(block), aborted]);
}

function readStdin(block: Uint8Array): Promise<number> {
  return new Promise((done, reject) => {
    const attempt = (): void => {
      fs.read(STDIN, block, 0, block.length, null, (error, bytes) => {
        if (error === null) done(bytes);
        else if (error.code === "EAGAIN") setTimeout(attempt, EMPTY_PAUSE_MS);
        else if (error.code === "EISDIR") reject(new SockError("is-folder", "stdin is a folder"));
        else reject(new SockError("io", `cannot read stdin: ${error.code ?? error.message}`));
      });
    };
    attempt();
  });
}
