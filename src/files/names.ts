/**
 * The one way from a peer's path to names that may be given to the file system. Nothing else in sock splits a path that
 * came from a peer.
 */
import { SockError } from "../errors.ts";
import { MAX_NAME_BYTES, MAX_PATH_BYTES, PARTIAL_FOLDER } from "../protocol/constants.ts";

/**
 * One component of a path. A string whenever the name is UTF-8; the bytes themselves only where it is not (a GBK name on
 * Linux), so that equal names have one representation.
 */
export type Name = string | Uint8Array;
export type Segments = readonly Name[];

const SLASH = 0x2f;
const encoder = new TextEncoder();

/** Bytes of a name as the file system knows it, as a Name. */
export function nameOf(bytes: Uint8Array): Name {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes;
  }
}

// oxlint-disable-next-line no-control-regex -- what is not ASCII
const NOT_ASCII = /[^\u0000-\u007f]/;

/** Most names are, and then much is simpler. */
export function isAscii(text: string): boolean {
  return !NOT_ASCII.test(text);
}

export function nameBytes(name: Name): Uint8Array {
  return typeof name === "string" ? encoder.encode(name) : name;
}

export function sameName(a: Name, b: Name): boolean {
  return typeof a === "string" || typeof b === "string" ? a === b : Buffer.compare(a, b) === 0;
}

/** The order of their bytes, which for UTF-8 is that of code points; 0 for the same name. */
export function compareNames(a: Name, b: Name): number {
  if (typeof a !== "string" || typeof b !== "string") return Buffer.compare(nameBytes(a), nameBytes(b));
  if (a === b) return 0;
  let at = 0;
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  // the shorter one comes first
  const one = at < a.length ? a.charCodeAt(at) : -1;
  const other = at < b.length ? b.charCodeAt(at) : -1;
  if (one < 0xd800 || other < 0xd800) return one - other;
  // surrogates stand for code points above all other units
  const [high, otherHigh] = [one < 0xe000, other < 0xe000];
  return high === otherHigh ? one - other : high ? 1 : -1;
}

/** A name as patterns see it: a byte that is no UTF-8 is a character that no pattern can name. */
export function patternText(name: Name): string {
  if (typeof name === "string") return name;
  return Array.from(name, (byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join("");
}

/** A path for people: not escaped. Bytes that are not UTF-8 are lone surrogates in it, so that `pathBytes` has them back. */
export function showPath(segments: Segments): string {
  return segments.map(patternText).join("/");
}

/** The bytes of a path that `showPath` made. */
export function pathBytes(shown: string): Uint8Array {
  if (shown.isWellFormed()) return encoder.encode(shown);
  const parts = Array.from(shown, (character) => {
    const code = character.charCodeAt(0);
    return character.length === 1 && code >= 0xdc80 && code <= 0xdcff
      ? Uint8Array.of(code - 0xdc00)
      : encoder.encode(character);
  });
  return Buffer.concat(parts);
}

/** The path as it travels: text for the message's `path`, bytes for its `path64`. */
export function joinPath(segments: Segments): string | Uint8Array {
  if (segments.every((name) => typeof name === "string")) return segments.join("/");
  const parts: Uint8Array[] = [];
  for (const name of segments) {
    if (parts.length > 0) parts.push(Uint8Array.of(SLASH));
    parts.push(nameBytes(name));
  }
  return Buffer.concat(parts);
}

/** Splits bytes at each `/`, without judging the pieces: also for the targets of symbolic links. */
export function splitBytes(path: Uint8Array): Name[] {
  const names: Name[] = [];
  for (let start = 0; ;) {
    const slash = path.indexOf(SLASH, start);
    names.push(nameOf(path.slice(start, slash === -1 ? path.length : slash)));
    if (slash === -1) return names;
    start = slash + 1;
  }
}

/**
 * The names of a peer's path: text (`path`), or bytes that are no UTF-8 (`path64`, decoded). At least one name.
 * Throws `outside` for `..` and absolute paths, `bad-name` for every other path that must not reach the file system.
 */
export function wireSegments(
  path: string | Uint8Array,
  platform: NodeJS.Platform = process.platform,
): Name[] {
  if (path.length > MAX_PATH_BYTES) throw badName("the path is too long");
  if (typeof path === "string" && !path.isWellFormed()) throw badName("the path is not well-formed Unicode");
  const bytes = nameBytes(path);
  if (bytes.length > MAX_PATH_BYTES) throw badName("the path is too long");
  if (bytes.includes(0)) throw badName("the path has a NUL");
  if (bytes[0] === SLASH) throw outside("an absolute path");
  const names = typeof path === "string" ? path.split("/") : splitBytes(path);
  if (typeof path !== "string") {
    if (names.every((name) => typeof name === "string")) throw badName("path64 holds a path that is UTF-8");
    if (platform !== "linux") throw badName("names on this system are UTF-8");
  }
  for (const name of names) checkName(name, platform);
  return names;
}

/** Where a put goes, as the peer wrote it: `into` means that what is put keeps its own name inside that folder. */
export interface Destination {
  segments: Name[];
  into: boolean;
}

/** `""` is the root, a trailing `/` means "into"; all else and the errors as in `wireSegments`. */
export function parseDestination(
  path: string | Uint8Array,
  platform: NodeJS.Platform = process.platform,
): Destination {
  if (path.length === 0) return { segments: [], into: true };
  const into = path.length > 1 && nameBytes(path).at(-1) === SLASH;
  return { segments: wireSegments(into ? path.slice(0, -1) : path, platform), into };
}

/** Throws unless this is one plain name that may be created under a served root. */
export function checkName(name: Name, platform: NodeJS.Platform = process.platform): void {
  const bytes = nameBytes(name);
  if (name === "..") throw outside("a path with ..");
  if (bytes.length === 0 || name === ".")
    throw new SockError(
      "bad-name",
      "an empty part or . in the path",
      "a/b, without ./ and //; HOST: is all that is served",
    );
  if (bytes.length > MAX_NAME_BYTES) throw badName(`a name is longer than ${MAX_NAME_BYTES} bytes`);
  if (bytes.includes(0) || bytes.includes(SLASH)) throw badName("a name with NUL or /");
  if (typeof name !== "string") {
    // `..` and the reserved names are looked for in text alone
    if (typeof nameOf(name) === "string") throw badName("a name in bytes that is UTF-8");
    return;
  }
  if (!name.isWellFormed()) throw badName("a name is not well-formed Unicode");
  if (isReserved(name)) throw badName(`${PARTIAL_FOLDER} is reserved`);
  if (platform === "win32") checkWindowsName(name);
}

/**
 * Whether a file system may take this name for the folder of partial files: by case folding, compatibility forms, or
 * characters that it ignores (HFS+, ext4 with casefold; the holes of CVE-2014-9390).
 */
export function isReserved(name: Name): boolean {
  if (typeof name !== "string") return false;
  if (isAscii(name)) return name.length === PARTIAL_FOLDER.length && name.toLowerCase() === PARTIAL_FOLDER;
  const folded = name.replace(/\p{Default_Ignorable_Code_Point}/gu, "").normalize("NFKC");
  return folded.length === PARTIAL_FOLDER.length && folded.toUpperCase().toLowerCase() === PARTIAL_FOLDER;
}

// Microsoft, "Naming Files, Paths, and Namespaces"; the superscript digits count as digits there.
const WINDOWS_DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])$/i;

function checkWindowsName(name: string): void {
  // oxlint-disable-next-line no-control-regex
  if (/[\\:<>"|?*\u0000-\u001f]/.test(name))
    throw badName("a character that Windows does not allow in names");
  if (/[. ]$/.test(name)) throw badName("Windows drops the dot or space at the end of a name");
  const stem = name.split(".", 1)[0] ?? "";
  if (WINDOWS_DEVICE.test(stem.trimEnd())) throw badName("the name of a Windows device");
  // The 8.3 alias of the reserved folder.
  if (/^(sock-p|so[0-9a-f]{4})~[0-9]+$/i.test(name))
    throw badName("a short name that Windows may give to a reserved one");
}

function badName(words: string): SockError {
  return new SockError("bad-name", words);
}

function outside(words: string): SockError {
  return new SockError("outside", `${words} leads outside`, "paths are relative to the served folder");
}
