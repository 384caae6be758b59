/** Names of encodings: what a person may type, what a server says of itself, and which of them counts. */
import { SockError } from "../errors.ts";
import { nearest } from "./suggest.ts";

/** Names that TextDecoder doesn't know: Windows code pages, and how some systems write the others. */
const ALIASES: Readonly<Record<string, string>> = {
  "936": "gb18030",
  "54936": "gb18030",
  "65001": "utf-8",
  "1200": "utf-16le",
  "1201": "utf-16be",
  "932": "shift_jis",
  "949": "euc-kr",
  "950": "big5",
  "866": "ibm866",
  "874": "windows-874",
  "20866": "koi8-r",
  "21866": "koi8-u",
  "20932": "euc-jp",
  "51932": "euc-jp",
  "28591": "iso-8859-1",
  eucjp: "euc-jp",
  euckr: "euc-kr",
  euccn: "gbk",
  gb2312: "gbk",
};

/** For "did you mean". */
const KNOWN = [
  "auto",
  "raw",
  "utf-8",
  "gbk",
  "gb18030",
  "gb2312",
  "utf-16le",
  "utf-16be",
  "big5",
  "shift_jis",
  "euc-jp",
  "euc-kr",
  "iso-2022-jp",
  "koi8-r",
  "koi8-u",
  "macintosh",
  "ibm866",
  "latin1",
  "windows-874",
  "windows-1250",
  "windows-1251",
  "windows-1252",
  "iso-8859-1",
  "iso-8859-2",
  "iso-8859-15",
];

/** How a stream of bytes becomes text: not at all, or by this encoding, which was stated or only guessed. */
export type Decoding =
  { readonly kind: "raw" } | { readonly kind: "text"; readonly encoding: string; readonly stated: boolean };

export interface Sources {
  /** `--encoding`, `SOCK_ENCODING`, the host's setting: what was stated, the first counts. */
  readonly flag?: string | undefined;
  readonly variable?: string | undefined;
  readonly host?: string | undefined;
  /** What the server's `hello` says. */
  readonly hello?: string | null | undefined;
  /** The stream goes to a terminal; bytes of a pipe stay what they were unless an encoding is stated. */
  readonly terminal: boolean;
}

/**
 * `auto`, `raw`, or what TextDecoder calls the encoding of this name.
 * @throws SockError `usage`, with the name that may be meant
 */
export function encodingName(text: string): string {
  const name = text.trim().toLowerCase();
  if (name === "auto" || name === "raw") return name;
  const found = canonical(name);
  if (found !== undefined) return found;
  const meant = nearest(name, KNOWN);
  throw new SockError(
    "usage",
    `unknown encoding ${JSON.stringify(text.slice(0, 40))}`,
    meant === undefined ? "for example auto, raw, utf-8, gbk, utf-16le" : `did you mean ${meant}?`,
  );
}

/**
 * What is stated beats what is guessed. `auto` says only that there is to be text: the host's setting or the server's
 * word then tells which.
 * @throws SockError `usage` for a stated name that is none; a server's is passed over
 */
export function chooseDecoding(sources: Sources): Decoding {
  const stated = [sources.flag, sources.variable, sources.host]
    .filter((text) => text !== undefined && text.trim() !== "")
    .map((text) => encodingName(text ?? ""));
  const first = stated[0];
  if (first === "raw" || (first === undefined && !sources.terminal)) return { kind: "raw" };
  const named = first === "auto" ? encodingOf(sources.host) : first;
  if (named !== undefined) return { kind: "text", encoding: named, stated: true };
  return { kind: "text", encoding: guessOf(sources.hello), stated: false };
}

/** What to say beside bytes that go raw into a pipe though the server says that they are GBK; undefined: nothing. */
export function rawHint(sources: Sources): string | undefined {
  const raw = chooseDecoding(sources);
  if (raw.kind !== "raw" || sources.flag !== undefined || !isGb(guessOf(sources.hello))) return undefined;
  if ([sources.variable, sources.host].some((text) => (text ?? "").trim() !== "")) return undefined;
  return "these bytes may be GBK: SOCK_ENCODING=auto makes UTF-8 of them, SOCK_ENCODING=raw ends this hint";
}

/** GB18030 has all of GBK, and the decision between it and UTF-8 is the same for both. */
export function isGb(encoding: string): boolean {
  return encoding === "gbk" || encoding === "gb18030";
}

/** TextDecoder of a canonical name; undefined where there is none. */
export function decoderOf(encoding: string): TextDecoder | undefined {
  try {
    // made by reflection, because the declared type of a label knows only some of those that work
    const decoder: unknown = Reflect.construct(TextDecoder, [encoding]);
    return decoder instanceof TextDecoder ? decoder : undefined;
  } catch {
    return undefined;
  }
}

function encodingOf(text: string | undefined): string | undefined {
  const name = text === undefined || text.trim() === "" ? "auto" : encodingName(text);
  return name === "auto" || name === "raw" ? undefined : name;
}

/** A server's own word: ASCII and names that nobody knows say nothing. */
function guessOf(hello: string | null | undefined): string {
  const name = hello?.trim().toLowerCase() ?? "";
  if (/^(?:us-?)?ascii$|^ansi_x3|^646$/.test(name)) return "utf-8";
  return canonical(name) ?? "utf-8";
}

function canonical(name: string): string | undefined {
  const page = name.replace(/^(?:cp|ms|windows-|x-windows-)(?=\d)/, "").replace(/^(125\d)$/, "windows-$1");
  return decoderOf(ALIASES[page] ?? page)?.encoding ?? decoderOf(name)?.encoding;
}
