/** A server and a client with a folder each, and beside both a victim that must stay as it is. */
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { chmod, copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Child, codeAt, start } from "./child.ts";
import { Relay } from "./relay.ts";
import { type Ran, SOCK, sock } from "./run.ts";
import { serve, type ServeOptions, type Serving } from "./serve.ts";
import { temporaryFolder } from "./temp.ts";

export const VICTIM = "the victim's own words";
/** Before the words of a command: as a user whom permissions bind. */
export const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

export interface Pair extends AsyncDisposable {
  /** A path in what is served, in the client's folder, or in the one that holds both. */
  readonly root: (...names: string[]) => string;
  readonly here: (...names: string[]) => string;
  readonly base: (...names: string[]) => string;
  readonly server: Serving;
  readonly env: Record<string, string>;
  readonly run: (...args: string[]) => Promise<Ran>;
  readonly start: (...args: string[]) => Promise<Child>;
  /** The victim and what else is in its folder: what it was, if nothing got out. */
  readonly outside: () => string;
}

export interface PairOptions extends Omit<ServeOptions, "args" | "home" | "cwd"> {
  /** Flags of `serve`, behind the folder. */
  readonly flags?: readonly string[];
}

export async function pair({ flags = [], ...options }: PairOptions = {}): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const base = stack.use(await temporaryFolder());
  for (const name of ["root", "here", "home", "state", "outside"]) mkdirSync(base.join(name));
  writeFileSync(base.join("outside", "victim"), VICTIM);
  const [root, home] = [base.join("root"), base.join("home")];
  const server = stack.use(await serve({ ...options, args: [root, ...flags], home: base.join("state") }));
  const env = { SOCK_JOIN: server.join };
  const more = { home, cwd: base.join("here"), env };
  const moved = stack.move();
  return {
    root: (...names) => base.join("root", ...names),
    here: (...names) => base.join("here", ...names),
    base: (...names) => base.join(...names),
    server,
    env,
    run: (...args) => sock(args, more),
    start: async (...args) => moved.use(await start(args, more)),
    outside: () => {
      const victim = base.join("outside", "victim");
      return lstatSync(victim).isFile() ? readFileSync(victim, "utf8") : "not a file any more";
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** The same with a line between them that can be cut, slowed and counted; the client knows only that one. */
export async function pairWithLine(options: PairOptions = {}): Promise<Pair & { readonly relay: Relay }> {
  await using stack = new AsyncDisposableStack();
  const ends = stack.use(await pair(options));
  const relay = stack.use(await Relay.start(ends.server.port));
  const env = { SOCK_JOIN: codeAt(ends.server.join, relay.port) };
  const more = { home: ends.base("home"), cwd: ends.here(), env };
  const moved = stack.move();
  return {
    ...ends,
    relay,
    env,
    run: (...args) => sock(args, more),
    start: async (...args) => moved.use(await start(args, more)),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** Of what was planted last, ms: two of one size and one time would be the same file to those who compare that. */
let planted = Date.now() - 60_000;

/** Makes what is named below `folder`: `a/b` a file with that text, `c/` a folder, `l@` a link to that target. */
export function plant(folder: string, what: Readonly<Record<string, string | Uint8Array>>): void {
  planted += 1;
  const time = new Date(planted);
  for (const [name, content] of Object.entries(what)) {
    const path = join(folder, name.replace(/[@/]$/, ""));
    mkdirSync(name.endsWith("/") ? path : dirname(path), { recursive: true });
    if (name.endsWith("@")) symlinkSync(String(content), path);
    else if (!name.endsWith("/")) {
      writeFileSync(path, content);
      utimesSync(path, time, time);
    }
  }
}

/** The executable where another user can reach it. */
export async function reachable(folder: string): Promise<string> {
  const path = join(folder, "sock-bin");
  if (existsSync(path)) return path;
  try {
    linkSync(SOCK, path);
  } catch {
    await copyFile(SOCK, path);
  }
  await chmod(path, 0o755);
  return path;
}
