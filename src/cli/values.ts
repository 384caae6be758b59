/** What a flag's value may be; each kind gives a number or a usage error that names the flag. */
import { SockError } from "../errors.ts";
import { parseBytes, parseDuration } from "../text/units.ts";

/** `duration` in ms, `bytes`, `count` a whole number of 0 or more, `share` a part of 1, written `0.5%`. */
export type ValueKind = "duration" | "bytes" | "count" | "share";

const PARSERS: Record<ValueKind, (text: string) => number> = {
  duration: parseDuration,
  bytes: parseBytes,
  count: parseCount,
  share: parseShare,
};

/** `flag` as it is typed (`--timeout`), for the message. */
export function parseValue(kind: ValueKind, text: string, flag: string): number {
  try {
    return PARSERS[kind](text);
  } catch (error) {
    if (!(error instanceof SockError)) throw error;
    throw new SockError("usage", `${flag} ${JSON.stringify(text)}: ${error.message}`, error.hint);
  }
}

function parseCount(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new SockError("usage", "not a whole number of 0 or more");
  return value;
}

function parseShare(text: string): number {
  const [, amount] = /^(\d{1,3}(?:\.\d{1,9})?)%$/.exec(text) ?? [];
  const value = Number(amount ?? Number.NaN) / 100;
  if (!(value <= 1)) throw new SockError("usage", "not a share", "write 0.5% or 10%");
  return value;
}
