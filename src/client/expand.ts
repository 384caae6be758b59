/** Patterns in remote paths: the client lists and matches, so that a server can't send what was not asked for. */
import { SockError } from "../errors.ts";
import { joinPath, type Name, patternText, type Segments } from "../files/names.ts";
import { MAX_LISTED, MAX_PATTERNS } from "../protocol/constants.ts";
import {
  expandBraces,
  globParts,
  hasGlob,
  isPattern,
  nameMatcher,
  pathMatcher,
  unescaped,
} from "../text/glob.ts";
import { type Listed, ls, type LsOptions } from "./ls.ts";
import type { Session } from "./session.ts";

/** One path that was meant, and what is there where that is known. */
export interface Expanded {
  /** Bytes where it is no UTF-8; ends in `/` where that was asked for. */
  readonly path: string | Uint8Array;
  /** Its own path is empty. */
  readonly item: Listed | undefined;
}

/** Answers that mean that nothing is there: for what the user wrote, and for what a pattern led to, as in shells. */
const NOT_THERE: ReadonlySet<string> = new Set(["not-found", "not-folder"]);
const NOT_MEANT: ReadonlySet<string> = new Set([...NOT_THERE, "outside", "bad-name", "permission", "io"]);
/** A pattern may be too long for a name. */
const NOT_LITERAL: ReadonlySet<string> = new Set([...NOT_THERE, "bad-name"]);

/**
 * The paths that a path with patterns means, sorted; one without patterns is taken as it is, and so is one that is there
 * literally. Throws `not-found` where nothing matches, `too-large` where more than `most` names have to be looked at.
 */
export async function* expand(
  session: Session,
  path: string,
  most = MAX_LISTED,
): AsyncGenerator<Expanded, void, void> {
  if (!hasGlob(path)) {
    yield { path, item: undefined };
    return;
  }
  const search = new Search(session, most);
  const literal = await search.self(path, NOT_LITERAL);
  if (literal !== undefined) {
    yield { path, item: literal };
    return;
  }
  const patterns = expandBraces(path, MAX_PATTERNS);
  if (patterns.length === 1 && !path.split("/").some(isPattern)) {
    yield { path: unescaped(path), item: undefined };
    return;
  }
  const seen = new Set<string>();
  for (const pattern of patterns) {
    const isFolder = pattern.endsWith("/");
    const parts = pattern.split("/");
    if (isFolder) parts.pop();
    for await (const { segments, item } of search.find([], parts, isFolder)) {
      const key = segments.map(patternText).join("/");
      if (seen.has(key)) continue;
      seen.add(key);
      yield { path: joinPath(isFolder ? [...segments, ""] : segments), item: { ...item, path: [] } };
    }
  }
  if (seen.size > 0) return;
  const { prefix } = globParts(path);
  throw new SockError(
    "not-found",
    `nothing matches ${JSON.stringify(path)}`,
    prefix === "" ? "sock ls HOST: shows what is there" : `sock ls HOST:${prefix} shows what is there`,
  );
}

interface Match {
  readonly segments: Segments;
  readonly item: Listed;
}

class Search {
  readonly #session: Session;
  /** Names that all listings together may still have. */
  #left: number;

  constructor(session: Session, most: number) {
    this.#session = session;
    this.#left = most;
  }

  /** What matches `parts` below the folder `base`. */
  async *find(
    base: Segments,
    parts: readonly string[],
    mustBeFolder: boolean,
  ): AsyncGenerator<Match, void, void> {
    const passed = base.length === 0 ? NOT_THERE : NOT_MEANT;
    const first = parts.findIndex(isPattern);
    if (first === -1) {
      const segments = [...base, ...parts.map(unescaped)];
      const item = await this.self(joinPath(mustBeFolder ? [...segments, ""] : segments), passed);
      if (item !== undefined) yield { segments, item };
      return;
    }
    const folder = [...base, ...parts.slice(0, first).map(unescaped)];
    const rest = parts.slice(first);
    if (rest.includes("**")) {
      yield* await this.#deep(folder, rest, mustBeFolder, passed);
      return;
    }
    const [pattern = "", ...below] = rest;
    for (const { name, item } of await this.#matching(folder, pattern, passed)) {
      const segments = [...folder, name];
      if (below.length === 0) {
        if (item.kind === "folder" || !mustBeFolder) yield { segments, item };
        else if (item.kind === "link") yield* this.find(segments, [], true);
      } else if (item.kind === "folder" || item.kind === "link") {
        yield* this.find(segments, below, mustBeFolder);
      }
    }
  }

  /** What a path is, or undefined where there is nothing. */
  async self(path: string | Uint8Array, passed: ReadonlySet<string>): Promise<Listed | undefined> {
    let found: Listed | undefined;
    await this.#each(path, { self: true }, passed, (item) => {
      found = item;
    });
    return found;
  }

  /** Names in one folder; the one that is the pattern itself, where there is it, is all that is meant. */
  async #matching(
    folder: Segments,
    pattern: string,
    passed: ReadonlySet<string>,
  ): Promise<{ name: Name; item: Listed }[]> {
    const matches = nameMatcher(pattern);
    const found: { name: Name; item: Listed }[] = [];
    let literal: { name: Name; item: Listed } | undefined;
    await this.#each(inside(folder), {}, passed, (item) => {
      const name = item.path[0];
      if (name === pattern) literal = { name, item };
      else if (name !== undefined && matches(patternText(name))) found.push({ name, item });
    });
    return literal === undefined ? found : [literal];
  }

  async #deep(
    folder: Segments,
    parts: readonly string[],
    mustBeFolder: boolean,
    passed: ReadonlySet<string>,
  ): Promise<Match[]> {
    const matches = pathMatcher(parts.join("/"));
    const found: Match[] = [];
    await this.#each(inside(folder), { recursive: true }, passed, (item) => {
      if (item.path.length === 0 || (mustBeFolder && item.kind !== "folder")) return;
      if (matches(item.path.map(patternText))) found.push({ segments: [...folder, ...item.path], item });
    });
    return found;
  }

  /** A whole listing, before anything else is asked; one that is refused with a code of `passed` is empty. */
  async #each(
    path: string | Uint8Array,
    options: LsOptions,
    passed: ReadonlySet<string>,
    take: (item: Listed) => void,
  ): Promise<void> {
    try {
      for await (const item of ls(this.#session, path, { ...options, most: this.#left })) {
        this.#left -= 1;
        take(item);
      }
    } catch (thrown) {
      const isPassed = thrown instanceof SockError && passed.has(thrown.code);
      if (!isPassed || this.#session.channel.failure !== undefined) throw thrown;
    }
  }
}

/** The path of a folder that is to be listed. */
function inside(folder: Segments): string | Uint8Array {
  return folder.length === 0 ? "" : joinPath([...folder, ""]);
}
