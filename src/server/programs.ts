/** Which program a request means, where it runs and in what environment; what a key may run. */
import { realpathSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, resolve } from "node:path";
import { SockError } from "../errors.ts";
import { baseEnvironment } from "../os/environment.ts";
import type { Exec, ShellName } from "../protocol/exec-messages.ts";
import { locate } from "./locate.ts";
import { sameCommand } from "./rights.ts";
import type { Session } from "./session.ts";

export interface Program {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

const WINDOWS = process.platform === "win32";

/** Variables by which a caller could have another program run than the one that was named. */
const NEVER =
  /^(LD_|DYLD_|BUN_|SOCK_|NODE_|GCONV_PATH$|BASH_ENV$|ENV$|SHELLOPTS$|BASHOPTS$|PS4$|IFS$|GLIBC_TUNABLES$)/i;

/** Commands that are a part of cmd.exe, and no programs. */
const CMD_BUILTINS: ReadonlySet<string> = new Set(
  "assoc call cd chdir cls copy date del dir echo endlocal erase for ftype if md mkdir mklink move path pause popd prompt pushd rd rem ren rename rmdir set setlocal shift start time title type ver verify vol".split(
    " ",
  ),
);

/** Throws `capability`, `policy`, `not-found`. */
export function programOf(session: Session, request: Exec, words: readonly string[]): Program {
  if (!session.allows("shell")) return listedProgram(session, request, words);
  const { cwd, folder, env } = request;
  const own = { ...baseEnvironment(), ...clientEnvironment(env) };
  const base = folder === undefined ? undefined : servedFolder(session, folder);
  const argv = request.with === undefined ? words : shellLine(request.with, words);
  return { argv, cwd: folderOf(cwd, own, base), env: own };
}

/** Where a served folder is on this machine; undefined for the top of several, which is none. Throws as `ls` does. */
function servedFolder({ context, grant }: Session, path: string): string | undefined {
  if (path === "" && context.shares.namesFor(grant) !== undefined) return undefined;
  const { root, segments } = locate(context.shares, grant, path);
  const folder = root.openFolder(segments, { create: false });
  try {
    return folder.realPath();
  } finally {
    folder.close();
  }
}

/** The variables that a client may set. Throws `policy` for those by which other programs would run. */
export function clientEnvironment(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const refused = Object.keys(env).find((name) => NEVER.test(name));
  if (refused === undefined) return env;
  throw new SockError("policy", `${refused} is never set for a client`);
}

/** Where a program runs: from the home of the user who serves, or from `base`. */
export function folderOf(
  cwd: string | null,
  env: Readonly<Record<string, string>>,
  base = env["HOME"] ?? env["USERPROFILE"] ?? homedir(),
): string {
  return cwd === null ? base : resolve(base, cwd);
}

/** A key with `exec` alone: exactly one of the commands of its list, nothing else about it is the client's to say. */
function listedProgram(session: Session, request: Exec, words: readonly string[]): Program {
  const { with: shell, cwd, folder, env } = request;
  session.require("exec");
  const { grant, context } = session;
  if (shell !== undefined || cwd !== null || folder !== undefined || Object.keys(env).length > 0) {
    throw new SockError("policy", `the key ${grant.name} may run its commands as they are, and nothing else`);
  }
  const listed = grant.exec.some((argv) => sameCommand(argv, words));
  if (!listed) {
    throw new SockError(
      "capability",
      `the key ${grant.name} does not allow this command`,
      `on the server: sock clients allow ${grant.name} 'exec:${JSON.stringify(words)}'`,
    );
  }
  const [program = ""] = words;
  if (!isAbsolute(program)) throw new SockError("policy", "a listed command has to be an absolute path");
  mustNotBeServed(
    program,
    context.shares.roots.filter(({ writable }) => writable).map((root) => root.top.realPath()),
  );
  return { argv: words, cwd: homedir(), env: baseEnvironment() };
}

/** What a key can write to must not be what a key can run. */
function mustNotBeServed(program: string, folders: readonly string[]): void {
  const real = realPath(program);
  if (
    folders.some((folder) => real === folder || real.startsWith(folder.endsWith("/") ? folder : `${folder}/`))
  ) {
    throw new SockError("policy", "a program in a served folder is not run for a key");
  }
}

function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

function shellLine(shell: ShellName, words: readonly string[]): readonly string[] {
  const [line] = words;
  if (line === undefined || words.length !== 1) throw new SockError("protocol", "a shell takes one line");
  const name = shell === "auto" ? (WINDOWS ? "cmd" : "sh") : shell;
  if (name === "cmd") return ["cmd.exe", "/d", "/s", "/c", line];
  if (name === "powershell") return ["powershell", "-NoProfile", "-NonInteractive", "-Command", line];
  return [name, "-c", line];
}

/** The same words as a line for the shell there. */
export function notFoundHint(words: readonly string[]): string {
  const [name = ""] = words;
  if (!WINDOWS) return `a line for the shell there: sock shell HOST -c ${quoted(lineOf(words))}`;
  const line = `sock shell HOST -c "${words.join(" ")}"`;
  if (CMD_BUILTINS.has(name.toLowerCase())) return `${name} is a part of cmd and no program: ${line}`;
  if (/\.(cmd|bat)$/i.test(name)) return `a batch file is run by cmd: ${line}`;
  return `a line for the shell there: ${line}`;
}

/** One word alone was meant as a line already. */
function lineOf(words: readonly string[]): string {
  const [only] = words;
  return words.length === 1 && only !== undefined ? only : words.map(quoted).join(" ");
}

/** As a POSIX shell takes it for one word. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_\-./:=@%+,]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
