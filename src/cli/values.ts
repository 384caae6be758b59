/** What a flag's value may be: durations, sizes, counts, shares; each gives a number or a usage error that names the flag. */
import { SockError } from "../errors.ts";
import { parseBytes, parseDuration } from "../text/units.ts";

export type ValueKind = "duration" | "bytes" | "count" | "share";

const PARSERS: Record<ValueKind, (text: string) => number> = {
  duration: parseDuration,
  bytes: parseBytes,
  count: parseCount,
  share: parseShare,
};

/** Durations in ms, sizes in bytes, shares from 0 to 1. Throws `usage`. */
export function parseValue(kind: ValueKind, text: string, flag: string): number {
  try {
    return PARSERS[kind](text);
  } catch (thrown) {
    if (!(thrown instanceof SockError)) throw thrown;
    throw new SockError("usage", `${flag} ${JSON.stringify(text)}: ${thrown.message}`, thrown.hint);
  }
}

function parseCount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new SockError("usage", "not a whole number of 0 or more", "digits alone, like 1000");
}

/** `0.5%` is 0.005. */
function parseShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  const value = Number(match?.[1]) / 100;
  if (value <= 1) return value;
  const meant = /^\d{1,2}(\.\d{1,6})?$/.test(text) ? `${text}%` : "0.5%";
  throw new SockError("usage", "not a percentage", value > 1 ? "from 0% to 100%" : `write ${meant}`);
}
