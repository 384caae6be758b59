/** Which paths of a tree are left out, by the patterns of gitignore. */
import ignore, { type Ignore } from "ignore";
import { SockError } from "../errors.ts";
import { patternText, type Segments } from "./names.ts";

/** The library remembers each path that it was asked for: after so many it is made anew. */
const REMEMBERED = 10_000;
const OPTIONS = { ignoreCase: false, allowRelativePaths: true };

/**
 * Tells whether a path below the top of a tree is left out (gitignore(5), as if all patterns stood in one file at the top:
 * a later one wins, `!` takes back). Who walks need not ask below a folder that is left out, but may. A name that is no
 * UTF-8 fits no pattern. Throws `usage` for a pattern that could never fit.
 */
export function excluder(patterns: readonly string[]): (path: Segments, isFolder: boolean) => boolean {
  for (const pattern of patterns) checkPattern(pattern);
  const rules = ignore(OPTIONS).add(patterns.map((pattern) => ({ pattern })));
  let current = fresh(rules);
  let asked = 0;
  const excludes = (path: Segments, isFolder: boolean): boolean => {
    const last = path.at(-1);
    if (last === undefined) return false;
    // left out with a folder above it, if at all
    if (typeof last !== "string") return excludes(path.slice(0, -1), true);
    if (++asked % REMEMBERED === 0) current = fresh(rules);
    const text = path.map(patternText).join("/");
    return current.ignores(isFolder ? `${text}/` : text);
  };
  return patterns.length === 0 ? () => false : excludes;
}

function fresh(rules: Ignore): Ignore {
  return ignore(OPTIONS).add(rules);
}

function checkPattern(pattern: string): void {
  const why = flawOf(pattern);
  if (why === undefined) return;
  const hint = pattern.startsWith("#") ? `\\${pattern} means the name` : undefined;
  throw new SockError("usage", `the pattern ${JSON.stringify(pattern)} ${why}`, hint);
}

function flawOf(pattern: string): string | undefined {
  if (/^!?\/? *$/.test(pattern)) return "is empty";
  if (pattern.startsWith("#")) return "is a comment";
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  if (/[\0\r\n]/.test(pattern)) return "has a line break or a NUL";
  if (/(?<!\\)(?:\\\\)*\\$/.test(pattern)) return "ends in a \\ that escapes nothing";
  if (hasOpenBracket(pattern)) return "has a [ without its ]";
  return undefined;
}

/** A set's first character may be a `]`, and `[:alpha:]` in it has its own. */
const SET =
  /^\[(?:[!^]|(?![!^]))(?:\[:[a-z]*:\]|\\.|(?!\[:[a-z]*:\])[^\\])(?:\[:[a-z]*:\]|\\.|(?!\[:[a-z]*:\])[^\]\\])*\]/;

function hasOpenBracket(pattern: string): boolean {
  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] === "\\") at += 1;
    else if (pattern[at] === "[") {
      const set = SET.exec(pattern.slice(at));
      if (set === null) return true;
      at += set[0].length - 1;
    }
  }
  return false;
}
