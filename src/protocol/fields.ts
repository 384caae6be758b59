/**
 * Readers of one field of a header each: the value in its type and range, or `protocol` with the field's name, which is
 * ours, and never its value, which is the peer's. Lengths of strings are UTF-16 code units, as `length` counts them,
 * except where bytes are said.
 */
import { type ErrorCode, isErrorCode, SockError } from "../errors.ts";
import { MAX_ERROR_TEXT, MAX_LIST, MAX_PATH_BYTES, MAX_WORD } from "./constants.ts";
import type { Header, Json } from "./json.ts";

export type Fields = { readonly [key: string]: Json };

/** One reader for each type of the union, so that a type without a reader does not compile. */
export type Readers<M extends { readonly type: string }> = {
  readonly [T in M["type"]]: (header: Header) => Extract<M, { readonly type: T }>;
};

/** Why something was refused or failed, in the words of the side that knows. */
export type Problem = { readonly code: ErrorCode; readonly message: string; readonly hint?: string };

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true });

export function wrong(key: string): SockError {
  return new SockError("protocol", `the peer sent a message whose ${key} is missing or wrong`);
}

export function str(fields: Fields, key: string, maxLength: number): string {
  const value = fields[key];
  if (typeof value !== "string" || value.length > maxLength) throw wrong(key);
  return value;
}

/** A string that fits the whole pattern. */
export function match(fields: Fields, key: string, pattern: RegExp, maxLength: number): string {
  const value = str(fields, key, maxLength);
  if (!pattern.test(value)) throw wrong(key);
  return value;
}

/** Text meant for people: what is too long is cut, never in the middle of a character, and not refused. */
export function cutText(fields: Fields, key: string): string {
  const text = str(fields, key, Number.POSITIVE_INFINITY);
  if (text.length <= MAX_ERROR_TEXT) return text;
  const cut = text.slice(0, MAX_ERROR_TEXT);
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
}

export function oneOf<T extends string>(fields: Fields, key: string, values: readonly T[]): T {
  const value = fields[key];
  const found = values.find((candidate) => candidate === value);
  if (found === undefined) throw wrong(key);
  return found;
}

export function int(fields: Fields, key: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const value = fields[key];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max)
    throw wrong(key);
  return value;
}

export function bool(fields: Fields, key: string): boolean {
  const value = fields[key];
  if (typeof value !== "boolean") throw wrong(key);
  return value;
}

/** A short list of short words. */
export function words(fields: Fields, key: string): readonly string[] {
  const value = fields[key];
  if (!Array.isArray(value) || value.length > MAX_LIST) throw wrong(key);
  return value.map((element: unknown) => {
    if (typeof element !== "string" || element.length > MAX_WORD) throw wrong(key);
    return element;
  });
}

export function object(fields: Fields, key: string): Fields {
  const value = fields[key];
  if (typeof value !== "object" || value === null || isList(value)) throw wrong(key);
  return value;
}

/** A list of objects, one at least. */
export function objects(fields: Fields, key: string, most: number): readonly Fields[] {
  const value = fields[key];
  if (value === undefined || value === null || typeof value !== "object" || !isList(value)) throw wrong(key);
  if (value.length === 0 || value.length > most) throw wrong(key);
  return value.map((element) => {
    if (typeof element !== "object" || element === null || isList(element)) throw wrong(key);
    return element;
  });
}

/** `null`, or what `read` finds; the key itself has to be there. */
export function nullable<T>(fields: Fields, key: string, read: (fields: Fields, key: string) => T): T | null {
  return fields[key] === null ? null : read(fields, key);
}

/** What `wrap` makes of the value, or nothing where the header has no such key: to be spread into a message. */
export function optional<T, O extends object>(
  fields: Fields,
  key: string,
  read: (fields: Fields, key: string) => T,
  wrap: (value: T) => O,
): O | { readonly [key: string]: never } {
  return fields[key] === undefined ? {} : wrap(read(fields, key));
}

/** A code of a newer version, which this one has no name for, is `failed`. */
export function errorCode(fields: Fields, key: string): ErrorCode {
  const code = str(fields, key, MAX_WORD);
  return isErrorCode(code) ? code : "failed";
}

export function problem(fields: Fields): Problem {
  return {
    code: errorCode(fields, "code"),
    message: cutText(fields, "message"),
    ...optional(fields, "hint", cutText, (hint) => ({ hint })),
  };
}

/** A path as text, at most MAX_PATH_BYTES of UTF-8; whether it may be used is for the side that uses it to say. */
export function wirePath(fields: Fields, key: string): string {
  const path = str(fields, key, MAX_PATH_BYTES);
  if (path.length * 3 > MAX_PATH_BYTES && encoder.encode(path).length > MAX_PATH_BYTES) throw wrong(key);
  return path;
}

/**
 * A path as canonical base64 (RFC 4648, section 4), at most MAX_PATH_BYTES of bytes that are not UTF-8: a name that is
 * would have two spellings, and a check of one would miss the other.
 */
export function wirePath64(fields: Fields, key: string): string {
  const text = base64(fields, key, Math.ceil(MAX_PATH_BYTES / 3) * 4);
  const bytes = Uint8Array.fromBase64(text);
  if (bytes.length > MAX_PATH_BYTES) throw wrong(key);
  try {
    strictDecoder.decode(bytes);
  } catch {
    return text;
  }
  throw wrong(key);
}

/** Base64 in its one canonical spelling: padded, no blanks, spare bits 0. */
export function base64(fields: Fields, key: string, maxLength: number): string {
  const text = str(fields, key, maxLength);
  let canonical: string;
  try {
    canonical = Uint8Array.fromBase64(text).toBase64();
  } catch {
    throw wrong(key);
  }
  if (canonical !== text || text === "") throw wrong(key);
  return text;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
