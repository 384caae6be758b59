/**
 * The JSON of a header: what both ends accept, and nothing else that JSON could say.
 *
 * Strict UTF-8 without a byte order mark; one object, at most MAX_JSON_DEPTH levels deep; every number, taken as the
 * IEEE 754 double nearest to it, is a safe integer and not -0 (so 1e3 is 1000, while 1.5, 1e309 and 2^53 are refused);
 * no string and no key holds a lone surrogate, spelled raw or as \uD800. A key that comes twice counts with its last
 * value (RFC 8259, section 4, leaves it open). The key `__proto__` is refused at any level: JSON.parse makes it an own
 * property, but an assignment later on would not. `constructor` and `prototype` are keys like others.
 */
import { SockError } from "../errors.ts";
import { MAX_BODY_BYTES, MAX_JSON_DEPTH } from "./constants.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What every frame's header has; `size` is the bytes of the body, and stands only where there is one. */
export type Header = { readonly type: string; readonly size?: number; readonly [key: string]: Json };

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads one header from its bytes. Throws `protocol`, with no word of the peer's in the message. */
export function parseHeader(bytes: Uint8Array): Header {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new SockError("protocol", "the header of a frame is not utf-8");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SockError("protocol", "the header of a frame is not json");
  }
  // Strict UTF-8 holds no surrogates, so only an escape can bring one in.
  return requireHeader(value, text.includes("\\u"));
}

/** The same rules for a header that we are about to send. Throws `protocol`. */
export function requireHeader(value: unknown, surrogatesPossible = true): Header {
  if (!isHeader(value, surrogatesPossible)) {
    throw new SockError("protocol", "the header of a frame is not an object with a type");
  }
  return value;
}

function isHeader(value: unknown, surrogatesPossible: boolean): value is Header {
  if (typeof value !== "object" || value === null || !isObject(value)) return false;
  checkValue(value, 1, surrogatesPossible);
  // After checkValue no key can be `__proto__`, so a missing key is looked up in Object.prototype at most.
  const { type, size } = value;
  if (size !== undefined && !(typeof size === "number" && size >= 0 && size <= MAX_BODY_BYTES)) {
    throw new SockError("protocol", "the size of a frame's body is out of range");
  }
  return typeof type === "string" && type !== "";
}

function checkValue(value: unknown, level: number, surrogatesPossible: boolean): void {
  switch (typeof value) {
    case "string":
      if (surrogatesPossible && !value.isWellFormed()) throw loneSurrogate();
      return;
    case "number":
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
        throw new SockError("protocol", "a number in a frame's header is not an exact integer");
      }
      return;
    case "boolean":
      return;
    case "object":
      break;
    default:
      throw new SockError("protocol", "a frame's header holds what json can't say");
  }
  if (value === null) return;
  if (level > MAX_JSON_DEPTH) throw new SockError("protocol", "the header of a frame is nested too deep");
  if (Array.isArray(value)) {
    for (const element of value) checkValue(element, level + 1, surrogatesPossible);
    return;
  }
  if (!isObject(value)) return;
  for (const key of Object.keys(value)) {
    if (key === "__proto__") throw new SockError("protocol", "a frame's header has the key __proto__");
    if (surrogatesPossible && !key.isWellFormed()) throw loneSurrogate();
    checkValue(value[key], level + 1, surrogatesPossible);
  }
}

function isObject(value: object): value is { readonly [key: string]: unknown } {
  return !Array.isArray(value);
}

function loneSurrogate(): SockError {
  return new SockError("protocol", "a string in a frame's header is not well-formed unicode");
}
