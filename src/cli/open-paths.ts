/** Paths in an interactive session: of the folder there that it is in, and of files here. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { SockError } from "../errors.ts";
import { hasGlob, isPattern, unescaped } from "../text/glob.ts";

/**
 * A path from the top of what is served, without a slash at its beginning. A word that begins with one begins there, any
 * other in `folder`; a `:` before it only says that it is remote. A slash at the end stays. Nothing is above the top.
 */
export function remotePath(folder: string, word: string): string {
  const path = word.startsWith(":") ? word.slice(1) : word;
  const names = path.startsWith("/") ? [] : asPattern(folder, path).split("/").filter(Boolean);
  const own = path.split("/");
  for (const name of own) {
    if (name === "..") names.pop();
    else if (name !== "." && name !== "") names.push(name);
  }
  const last = own.at(-1);
  const isFolder = (last === "" || last === ".." || last === ".") && names.length > 0 && path !== "";
  return names.join("/") + (isFolder ? "/" : "");
}

/** A word as it is. Throws `usage` for one with the server's name before it, as `sock get` has it: it would be a name here. */
export function withoutHost(name: string, word: string): string {
  const prefix = `${name}:`;
  if (!word.startsWith(prefix)) return word;
  const path = word.slice(prefix.length).replace(/^\/+/, "");
  throw new SockError(
    "usage",
    `in a session paths there are written without ${prefix}`,
    `${path}, from the folder of the prompt; /${path}, from the top; ./${word} is that name`,
  );
}

/** The folder itself, where a pattern follows it, must be none. */
function asPattern(folder: string, path: string): string {
  return hasGlob(path) ? folder.replace(/[*?[\]{},!^\\-]/g, "\\$&") : folder;
}

/** A path here; `~` is the home. */
export function localPath(word: string): string {
  if (word === "~") return homedir();
  return word.startsWith("~/") ? `${homedir()}${word.slice(1)}` : word;
}

/** The files here that a word means: a pattern's, unless one is called so. Throws `not-found` where nothing fits. */
export function localFiles(word: string): string[] {
  const path = localPath(word);
  if (!hasGlob(path)) return [path];
  const literal = unescaped(path);
  if (existsSync(literal) || !(isPattern(path) || path.includes("{"))) return [literal];
  const top = path.startsWith("/");
  const glob = new Bun.Glob(top ? path.slice(1) : path);
  const found = [...glob.scanSync({ cwd: top ? "/" : ".", onlyFiles: false })].map((one) =>
    top ? `/${one}` : one,
  );
  if (found.length === 0) throw new SockError("not-found", `nothing here matches ${JSON.stringify(word)}`);
  return found.sort();
}
