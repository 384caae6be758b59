/**
 * Patterns for names, as shells have them: `*` any run of characters, `?` one, `[a-z]` or `[!a-z]` one of a set, `{a,b}` either
 * of them, and `**` as a whole name: any number of folders. A leading dot is only matched by one in the pattern. A backslash
 * before a character that means something here takes its meaning away; before any other it is itself.
 */
import { SockError } from "../errors.ts";

/** What a backslash takes the meaning of. */
const SPECIAL = new Set("*?[]{},!^-\\");
const ESCAPED = /\\([*?[\]{},!^\-\\])/g;

/** Whether a path has what could be a pattern, or would be one without its backslashes. */
export function hasGlob(path: string): boolean {
  return /[*?[{]/.test(path);
}

/** Whether one part of a pattern, without braces, can mean more than one name. */
export function isPattern(part: string): boolean {
  return /[*?[]/.test(part.replace(ESCAPED, ""));
}

/** The name that a part means which is no pattern. */
export function unescaped(part: string): string {
  return part.replace(ESCAPED, "$1");
}

function isEscape(character: string | undefined, next: string | undefined): boolean {
  return character === "\\" && next !== undefined && SPECIAL.has(next);
}

/** The folders of a path before its first pattern, and the rest: `a/b/*.txt` is `a/b` and `*.txt`. */
export function globParts(path: string): { prefix: string; pattern: string } {
  const names = path.split("/");
  const first = names.findIndex(hasGlob);
  const fixed = first === -1 ? names.length : first;
  return { prefix: names.slice(0, fixed).join("/"), pattern: names.slice(fixed).join("/") };
}

/** `a{b,c{d,e}}` as `ab`, `acd`, `ace`; braces without a comma stay. Throws `usage` for more than `most`. */
export function expandBraces(pattern: string, most: number): string[] {
  const done: string[] = [];
  const open = [{ text: pattern, from: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const found = firstBraces(next.text, next.from);
    if (found === undefined) {
      done.push(next.text);
    } else {
      const { before, choices, after } = found;
      // the last first, as the stack gives them back
      for (const choice of choices.toReversed()) {
        open.push({ text: before + choice + after, from: before.length });
      }
    }
    if (done.length + open.length > most) {
      throw new SockError("usage", `the braces of a pattern make more than ${most} of it`);
    }
  }
  return done;
}

/** The first pair of braces with a comma, from a place on. */
function firstBraces(
  text: string,
  from: number,
): { before: string; choices: string[]; after: string } | undefined {
  for (let start = from; start < text.length; start++) {
    if (isEscape(text[start], text[start + 1])) start += 1;
    else if (text[start] === "{") {
      const cuts = cutsOf(text, start);
      const end = cuts.at(-1);
      if (cuts.length < 3 || end === undefined) continue;
      const choices = cuts.slice(1).map((cut, index) => text.slice((cuts[index] ?? 0) + 1, cut));
      return { before: text.slice(0, start), choices, after: text.slice(end + 1) };
    }
  }
  return undefined;
}

/** Where a pair of braces begins, its commas are, and it ends; fewer than three where it is none. */
function cutsOf(text: string, start: number): number[] {
  const cuts = [start];
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (isEscape(character, text[at + 1])) at += 1;
    else if (character === "{") depth += 1;
    else if (character === "," && depth === 1) cuts.push(at);
    else if (character === "}" && --depth === 0) return cuts.length === 1 ? [] : [...cuts, at];
  }
  return [];
}

export type Token =
  | { kind: "any" }
  | { kind: "one" }
  | { kind: "is"; character: string }
  | { kind: "set"; negated: boolean; ranges: readonly (readonly [number, number])[] };

export type MatchName = (name: string) => boolean;

/** Tells which names one part of a pattern means (no `/`, no braces). At most length times length steps. */
export function nameMatcher(pattern: string): MatchName {
  const tokens = tokensOf(pattern);
  const isHidden = pattern.startsWith(".");
  return (name) => (isHidden || !name.startsWith(".")) && matchesTokens(tokens, [...name]);
}

/** Tells which paths (their names) a pattern with `**` means, part by part. */
export function pathMatcher(pattern: string): (names: readonly string[]) => boolean {
  const parts = pattern.split("/").map((part) => (part === "**" ? undefined : nameMatcher(part)));
  return (names) => {
    // the states that a name can be read in: before which part
    let states = closed(parts, new Set([0]));
    for (const name of names) {
      const next = new Set<number>();
      for (const state of states) {
        const part = parts[state];
        if (part !== undefined) {
          if (part(name)) next.add(state + 1);
        } else if (state < parts.length && !name.startsWith(".")) {
          next.add(state);
          if (state === parts.length - 1) next.add(parts.length);
        }
      }
      states = closed(parts, next);
      if (states.size === 0) return false;
    }
    return states.has(parts.length);
  };
}

/** `**` may stand for no folder at all; at the end it stands for one name or more. */
function closed(parts: readonly (MatchName | undefined)[], states: Set<number>): Set<number> {
  // a set that grows while it is walked: what is added comes up too
  for (const state of states) {
    if (state < parts.length - 1 && parts[state] === undefined) states.add(state + 1);
  }
  return states;
}

/** Whether they mean the name, character by character. At most length times length steps. */
export function matchesTokens(tokens: readonly Token[], characters: readonly string[]): boolean {
  let [token, at] = [0, 0];
  // where the last `*` stands, and how far its run has come
  let [star, run] = [-1, 0];
  while (at < characters.length) {
    const here = tokens[token];
    if (here?.kind === "any") {
      [star, run] = [token, at];
      token += 1;
    } else if (here !== undefined && fits(here, characters[at] ?? "")) {
      token += 1;
      at += 1;
    } else if (star !== -1) {
      run += 1;
      [token, at] = [star + 1, run];
    } else return false;
  }
  while (tokens[token]?.kind === "any") token += 1;
  return token === tokens.length;
}

function fits(token: Token, character: string): boolean {
  switch (token.kind) {
    case "any":
      return false;
    case "one":
      return true;
    case "is":
      return token.character === character;
    case "set": {
      const point = character.codePointAt(0) ?? 0;
      return token.ranges.some(([low, high]) => point >= low && point <= high) !== token.negated;
    }
  }
}

function tokensOf(pattern: string): Token[] {
  const characters = [...pattern];
  const tokens: Token[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? "";
    if (isEscape(character, characters[at + 1])) {
      at += 1;
      tokens.push({ kind: "is", character: characters[at] ?? "" });
    } else if (character === "*") {
      if (tokens.at(-1)?.kind !== "any") tokens.push({ kind: "any" });
    } else if (character === "?") tokens.push({ kind: "one" });
    else {
      const set = character === "[" ? setAt(characters, at) : undefined;
      tokens.push(set?.token ?? { kind: "is", character });
      at = set?.end ?? at;
    }
  }
  return tokens;
}

/** `[…]` from its bracket on; without an end it is no set. A `]` right after the start is one of the set. */
function setAt(characters: readonly string[], start: number): { token: Token; end: number } | undefined {
  const negated = characters[start + 1] === "!" || characters[start + 1] === "^";
  const first = start + (negated ? 2 : 1);
  const members: { point: number; isDash: boolean }[] = [];
  let end = first;
  for (; end === first || characters[end] !== "]"; end++) {
    const character = characters[end];
    if (character === undefined) return undefined;
    const isEscaped = isEscape(character, characters[end + 1]);
    if (isEscaped) end += 1;
    const point = characters[end]?.codePointAt(0) ?? 0;
    members.push({ point, isDash: character === "-" });
  }
  const ranges: [number, number][] = [];
  for (let at = 0; at < members.length; at++) {
    const low = members[at]?.point ?? 0;
    const high = members[at + 1]?.isDash === true ? members[at + 2]?.point : undefined;
    ranges.push([low, high ?? low]);
    if (high !== undefined) at += 2;
  }
  return { token: { kind: "set", negated, ranges }, end };
}
