/** Lines of an interactive session as commands and their words: blanks, quotes, backslashes, `;` and `#`, as in shells. */
import { SockError } from "../errors.ts";
import { hasGlob } from "../text/glob.ts";

export interface CommandLine {
  readonly name: string;
  /** The others. Where one has characters of patterns, those that were quoted have a backslash before them. */
  readonly words: readonly string[];
  /** All behind the name, as it was typed. */
  readonly rest: string;
}

/** What stands at the end of a line that is still typed. */
export interface Typing {
  /** Words before it, of its own command. */
  readonly before: readonly string[];
  /** The word as it is meant so far, and as it was typed. */
  readonly text: string;
  readonly raw: string;
  readonly quote: Quote;
}

type Quote = "" | "'" | '"';

interface Word {
  readonly text: string;
  readonly pattern: string;
  readonly end: number;
  /** The quote that has no end. */
  readonly open: Quote;
}

const BLANK = /[ \t]/;
const ENDS_WORD = /[ \t;]/;
const SPECIAL = /[*?[\]{},!^\-\\]/;
/** Words that are no command's own are left alone: they are a line for another shell. */
const TAKES_REST: ReadonlySet<string> = new Set(["run"]);

/** The commands of one line. @throws SockError `usage` for a quote without an end */
export function parseLine(line: string): CommandLine[] {
  const found: CommandLine[] = [];
  for (let at = 0; ;) {
    at = skip(line, at, /[ \t;]/);
    if (at >= line.length || line[at] === "#") return found;
    const name = readWord(line, at);
    if (name.open === "" && TAKES_REST.has(name.text)) {
      found.push({ name: name.text, words: [], rest: line.slice(name.end).trim() });
      return found;
    }
    const words: Word[] = [name];
    const start = name.end;
    for (at = skip(line, start, BLANK); at < line.length && line[at] !== ";"; at = skip(line, at, BLANK)) {
      const word = readWord(line, at);
      words.push(word);
      at = word.end;
    }
    if (words.some((word) => word.open !== "")) throw new SockError("usage", "a quote has no end");
    found.push({
      name: name.text,
      words: words.slice(1).map(meant),
      rest: line.slice(start, at).trim(),
    });
  }
}

/** The words of one command that no shell takes apart. @throws SockError `usage` for several commands, and for an open quote */
export function plainWords(line: string): string[] {
  const words: string[] = [];
  for (let at = skip(line, 0, BLANK); at < line.length; at = skip(line, at, BLANK)) {
    const word = readWord(line, at);
    if (word.open !== "") throw new SockError("usage", "a quote has no end");
    if (line[word.end] === ";")
      throw new SockError("usage", "this key runs one command at a time, and no shell");
    words.push(word.text);
    at = word.end;
  }
  return words;
}

/** The word that is typed at the end of a line, which may be empty; undefined where no word of ours can be. */
export function typingAt(line: string): Typing | undefined {
  for (let at = 0; ;) {
    at = skip(line, at, /[ \t;]/);
    const before: string[] = [];
    for (;;) {
      if (at >= line.length) return { before, text: "", raw: "", quote: "" };
      if (before.length === 0 && line[at] === "#") return undefined;
      if (line[at] === ";") break;
      const word = readWord(line, at);
      if (word.end >= line.length) return { before, text: word.text, raw: line.slice(at), quote: word.open };
      before.push(word.text);
      if (before.length === 1 && TAKES_REST.has(word.text)) return undefined;
      at = skip(line, word.end, BLANK);
    }
  }
}

/** More of a word, as it has to be typed behind an open quote, or behind none. */
export function typed(text: string, quote: Quote): string {
  if (quote === "'") return text.replaceAll("'", `'\\''`);
  if (quote === '"') return text.replace(/["\\]/g, "\\$&");
  return text.replace(/[\s"'\\;#*?[\]{}]/g, "\\$&");
}

function meant({ text, pattern }: Word): string {
  return hasGlob(text) ? pattern : text;
}

function skip(line: string, from: number, what: RegExp): number {
  let at = from;
  while (at < line.length && what.test(line[at] ?? "")) at += 1;
  return at;
}

function readWord(line: string, from: number): Word {
  let [text, pattern] = ["", ""];
  let open: Quote = "";
  let at = from;
  const literal = (character: string): void => {
    text += character;
    pattern += SPECIAL.test(character) ? `\\${character}` : character;
  };
  for (; at < line.length; at += 1) {
    const character = line[at] ?? "";
    const next = line[at + 1];
    if (open === "'") {
      if (character === "'") open = "";
      else literal(character);
    } else if (character === "\\" && next !== undefined && (open === "" || /["\\]/.test(next))) {
      literal(next);
      at += 1;
    } else if (open === '"') {
      if (character === '"') open = "";
      else literal(character);
    } else if (character === "'" || character === '"') open = character;
    else if (ENDS_WORD.test(character)) break;
    else {
      text += character;
      pattern += character;
    }
  }
  return { text, pattern, end: at, open };
}
