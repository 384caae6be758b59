/**
 * Patterns as a .gitignore has them (gitignore(5); sets as in git's wildmatch.c). A name costs at most its length times the
 * pattern's, whatever is in both: patterns are the user's, but names may be a peer's.
 */
import { SockError } from "../errors.ts";
import { matchesTokens, type Token } from "./glob.ts";

/** `**` as a whole name: any number of folders, and at the end of a pattern one name or more. */
const FOLDERS = "folders";
type Part = typeof FOLDERS | readonly Token[];

/** One pattern. */
export interface Rule {
  /** With `!`: what fits is taken back. */
  readonly negated: boolean;
  readonly foldersOnly: boolean;
  /** Name by name from the top. */
  readonly parts: readonly Part[];
}

/** How far into a rule a path may have come: before which parts. */
export type States = readonly number[];

/** Throws `usage` for a pattern that could never fit. */
export function parseRule(pattern: string): Rule {
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  if (/[\0\r\n]/.test(pattern)) throw flaw(pattern, "has a line break or a NUL");
  if (pattern.startsWith("#")) throw flaw(pattern, "is a comment", `\\${pattern} means the name`);
  const trimmed = withoutTrailingSpaces(pattern);
  const negated = trimmed.startsWith("!");
  const foldersOnly = trimmed.endsWith("/");
  const text = trimmed.slice(negated ? 1 : 0, foldersOnly ? -1 : undefined);
  if (text === "") throw flaw(pattern, "is empty");
  const parts = partsOf(text.replace(/^\//, ""), pattern);
  return { negated, foldersOnly, parts: text.includes("/") ? parts : [FOLDERS, ...parts] };
}

/** Before the first name. */
export function startOf({ parts }: Rule): States {
  return closed(parts, new Set([0]));
}

/** After one more name; undefined stands for a name that fits nothing but `**`. */
export function stepOf({ parts }: Rule, states: States, name: readonly string[] | undefined): States {
  const next = new Set<number>();
  for (const state of states) {
    const part = parts[state];
    if (part === FOLDERS) next.add(state === parts.length - 1 ? parts.length : state).add(state);
    else if (part !== undefined && name !== undefined && matchesTokens(part, name)) next.add(state + 1);
  }
  return closed(parts, next);
}

export function isEnd({ parts }: Rule, states: States): boolean {
  return states.includes(parts.length);
}

/** `**` may stand for no folder at all. */
function closed(parts: readonly Part[], states: Set<number>): States {
  // a set that grows while it is walked: what is added comes up too
  for (const state of states) {
    if (state < parts.length - 1 && parts[state] === FOLDERS) states.add(state + 1);
  }
  return [...states];
}

/** Spaces at the end do not count, but for those after a backslash. */
function withoutTrailingSpaces(pattern: string): string {
  let end = 0;
  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] === "\\") at += 1;
    else if (pattern[at] === " ") continue;
    end = at + 1;
  }
  return pattern.slice(0, end);
}

function partsOf(text: string, pattern: string): Part[] {
  const characters = [...text];
  const parts: { tokens: Token[]; stars: number }[] = [];
  let part = { tokens: new Array<Token>(), stars: 0 };
  for (let at = 0; at < characters.length; at++) {
    let character = characters[at] ?? "";
    const isEscaped = character === "\\";
    if (isEscaped) {
      character = characters[++at] ?? "";
      if (character === "") throw flaw(pattern, "ends in a \\ that escapes nothing");
    }
    if (character === "/") {
      parts.push(part);
      part = { tokens: [], stars: 0 };
    } else if (isEscaped) part.tokens.push({ kind: "is", character });
    else if (character === "*") {
      part.stars += 1;
      if (part.tokens.at(-1)?.kind !== "any") part.tokens.push({ kind: "any" });
    } else if (character === "?") part.tokens.push({ kind: "one" });
    else if (character === "[") {
      const set = setAt(characters, at);
      if (set === undefined) throw flaw(pattern, "has a [ without its ]");
      part.tokens.push(set.token);
      at = set.end;
    } else part.tokens.push({ kind: "is", character });
  }
  parts.push(part);
  return parts.map(({ tokens, stars }) => {
    return stars > 1 && tokens.length === 1 && tokens[0]?.kind === "any" ? FOLDERS : tokens;
  });
}

type Range = readonly [low: number, high: number];

/** `[…]` from its bracket on. A `]` right after the start is one of the set, and `[:alpha:]` in it is a class. */
function setAt(characters: readonly string[], start: number): { token: Token; end: number } | undefined {
  const negated = characters[start + 1] === "!" || characters[start + 1] === "^";
  const first = start + (negated ? 2 : 1);
  const ranges: Range[] = [];
  let never = false;
  /** What a `-` would begin a range from. */
  let before: number | undefined;
  let at = first;
  for (; at === first || characters[at] !== "]"; at++) {
    const character = characters[at];
    if (character === undefined) return undefined;
    const next = characters[at + 1];
    if (character === "[" && next === ":") {
      const close = characters.indexOf("]", at + 2);
      if (close === -1) return undefined;
      if (close > at + 2 && characters[close - 1] === ":") {
        const named = CLASSES[characters.slice(at + 2, close - 1).join("")];
        // as git has it, the whole pattern fits nothing
        if (named === undefined) never = true;
        ranges.push(...(named ?? []));
        before = undefined;
        at = close;
        continue;
      }
    }
    if (character === "-" && before !== undefined && next !== undefined && next !== "]") {
      at += next === "\\" ? 2 : 1;
      const last = characters[at]?.codePointAt(0);
      if (last === undefined) return undefined;
      ranges.push([before, last]);
      before = undefined;
      continue;
    }
    if (character === "\\") at += 1;
    before = characters[at]?.codePointAt(0);
    if (before === undefined) return undefined;
    ranges.push([before, before]);
  }
  const token: Token = never ? { kind: "set", negated: false, ranges: [] } : { kind: "set", negated, ranges };
  return { token, end: at };
}

const DIGIT: Range = [0x30, 0x39];
const UPPER: Range = [0x41, 0x5a];
const LOWER: Range = [0x61, 0x7a];
const PUNCT: readonly Range[] = [
  [0x21, 0x2f],
  [0x3a, 0x40],
  [0x5b, 0x60],
  [0x7b, 0x7e],
];

/** Git's, which know ASCII only. */
const CLASSES: Readonly<Record<string, readonly Range[]>> = {
  alnum: [DIGIT, UPPER, LOWER],
  alpha: [UPPER, LOWER],
  blank: [
    [0x20, 0x20],
    [0x09, 0x09],
  ],
  cntrl: [
    [0x00, 0x1f],
    [0x7f, 0x7f],
  ],
  digit: [DIGIT],
  graph: [[0x21, 0x7e]],
  lower: [LOWER],
  print: [[0x20, 0x7e]],
  punct: PUNCT,
  space: [
    [0x20, 0x20],
    [0x09, 0x0a],
    [0x0d, 0x0d],
  ],
  upper: [UPPER],
  xdigit: [DIGIT, [0x41, 0x46], [0x61, 0x66]],
};

function flaw(pattern: string, why: string, hint?: string): SockError {
  return new SockError("usage", `the pattern ${JSON.stringify(pattern)} ${why}`, hint);
}
