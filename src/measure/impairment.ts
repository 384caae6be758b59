/** `--impair`: how a line is made worse on purpose, as people write it. */
import { SockError } from "../errors.ts";
import { nearest } from "../text/suggest.ts";
import { parseDuration } from "../text/units.ts";

/** Shares from 0 to 1, times in ms, the rate in bits a second (0: none), `split` in bytes (0: not). */
export interface Impairment {
  readonly drop: number;
  readonly dup: number;
  readonly reorder: number;
  readonly corrupt: number;
  readonly delay: number;
  readonly jitter: number;
  readonly rate: number;
  readonly split: number;
  readonly coalesce: number;
  readonly reset: number;
  readonly stall: number;
}

type Key = keyof Impairment;

const NONE: Impairment = {
  drop: 0,
  dup: 0,
  reorder: 0,
  corrupt: 0,
  delay: 0,
  jitter: 0,
  rate: 0,
  split: 0,
  coalesce: 0,
  reset: 0,
  stall: 0,
};

const BOTH: readonly Key[] = ["delay", "jitter", "rate"];
const DATAGRAMS: readonly Key[] = [...BOTH, "drop", "dup", "reorder", "corrupt"];
const STREAMS: readonly Key[] = [...BOTH, "split", "coalesce", "reset", "stall"];
const KEYS: ReadonlySet<string> = new Set([...DATAGRAMS, ...STREAMS]);

const READERS: Record<Key, (text: string) => number> = {
  drop: share,
  dup: share,
  reorder: share,
  corrupt: share,
  reset: share,
  delay: parseDuration,
  jitter: parseDuration,
  coalesce: parseDuration,
  stall: parseDuration,
  rate: bitRate,
  split: count,
};

/**
 * `drop=1% delay=20ms` and so on, by blanks or commas. `kind` is what the line carries.
 * @throws SockError `usage` for what is unknown, said twice, or not for this kind
 */
export function parseImpairment(text: string, kind: "datagrams" | "stream"): Impairment {
  const fits = kind === "datagrams" ? DATAGRAMS : STREAMS;
  const values: Partial<Record<Key, number>> = {};
  for (const word of text.split(/[\s,]+/).filter((part) => part !== "")) {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    if (!isKey(name)) throw unknown(name);
    if (!fits.includes(name)) {
      const carries = kind === "datagrams" ? "TCP and unix sockets" : "UDP";
      throw new SockError("usage", `--impair: ${name} is for ${carries} only`, `here: ${fits.join(" ")}`);
    }
    if (values[name] !== undefined) throw new SockError("usage", `--impair: ${name} is there twice`);
    values[name] = read(name, equals < 0 ? "" : word.slice(equals + 1));
  }
  return { ...NONE, ...values };
}

function isKey(name: string): name is Key {
  return KEYS.has(name);
}

function unknown(name: string): SockError {
  const meant = nearest(name, KEYS);
  const hint = meant === undefined ? `known: ${[...KEYS].join(" ")}` : `did you mean ${meant}?`;
  return new SockError("usage", `--impair: ${JSON.stringify(name.slice(0, 40))} is not known`, hint);
}

function read(name: Key, text: string): number {
  try {
    return READERS[name](text);
  } catch (thrown) {
    if (!(thrown instanceof SockError)) throw thrown;
    throw new SockError("usage", `--impair ${name}=${text.slice(0, 40)}: ${thrown.message}`, thrown.hint);
  }
}

function share(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  const value = Number(match?.[1]) / 100;
  if (value <= 1) return value;
  throw new SockError("usage", "not a share", "write 0.5%");
}

function bitRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(k|m|g)?bit$/i.exec(text);
  const unit = { k: 1e3, m: 1e6, g: 1e9 }[match?.[2]?.toLowerCase() ?? ""] ?? 1;
  const value = Number(match?.[1]) * unit;
  if (value > 0 && Number.isFinite(value)) return value;
  throw new SockError("usage", "not a rate", "write 10mbit");
}

function count(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new SockError("usage", "not a number of bytes", "write split=2");
}
