/** Which paths of a tree are left out, by the patterns of gitignore. */
import { isEnd, parseRule, type Rule, startOf, type States, stepOf } from "../text/gitignore.ts";
import { type Name, sameName, type Segments } from "./names.ts";

/** What is known of a path: of the one that was asked last, and those above it. */
interface Level {
  readonly name: Name;
  /** For each rule, how far the path has come in it. */
  readonly states: readonly States[];
  /** It is left out, if it is a folder or if not. */
  readonly out: { readonly folder: boolean; readonly other: boolean };
}

/**
 * Tells whether a path below the top of a tree is left out (gitignore(5), as if all patterns stood in one file at the top:
 * a later one wins, `!` takes back). Who walks need not ask below a folder that is left out, but may. A name that is no
 * UTF-8 fits no pattern. Throws `usage` for a pattern that could never fit.
 */
export function excluder(patterns: readonly string[]): (path: Segments, isFolder: boolean) => boolean {
  const rules = patterns.map(parseRule);
  const start = rules.map(startOf);
  const levels: Level[] = [];
  return (path, isFolder) => {
    // most paths are in the folder of the one before
    let known = 0;
    while (known < levels.length && known < path.length) {
      if (!sameName(levels[known]?.name ?? "", path[known] ?? "")) break;
      known += 1;
    }
    levels.length = known;
    for (const name of path.slice(known)) levels.push(levelOf(rules, start, levels.at(-1), name));
    const out = levels.at(-1)?.out;
    return isFolder ? out?.folder === true : out?.other === true;
  };
}

const IN = { folder: false, other: false };
const OUT = { folder: true, other: true };

function levelOf(
  rules: readonly Rule[],
  start: readonly States[],
  above: Level | undefined,
  name: Name,
): Level {
  if (above?.out.folder === true) return { name, states: [], out: OUT };
  const characters = typeof name === "string" ? [...name] : undefined;
  const before = above?.states ?? start;
  const states = rules.map((rule, index) => stepOf(rule, before[index] ?? [], characters));
  if (characters === undefined) return { name, states, out: IN };
  const fitting = rules.filter((rule, index) => isEnd(rule, states[index] ?? []));
  const folder = fitting.at(-1)?.negated === false;
  const other = fitting.findLast((rule) => !rule.foldersOnly)?.negated === false;
  return { name, states, out: { folder, other } };
}
