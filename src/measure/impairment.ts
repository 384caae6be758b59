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
  /** Which datagrams of a run: those that the server gets, its answers, or both. */
  readonly way: Way;
}

/** What a line carries: one kind of plain peers, or all that a server of ours sends back. */
export type Carries = "datagrams" | "stream" | "session";

export type Way = "up" | "down" | "both";

type Key = keyof Impairment;
type Values = { -readonly [key in Key]?: Impairment[key] };

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
  way: "down",
};

const BOTH: readonly Key[] = ["delay", "jitter", "rate"];
const DATAGRAMS: readonly Key[] = [...BOTH, "drop", "dup", "reorder", "corrupt"];
const STREAMS: readonly Key[] = [...BOTH, "split", "coalesce", "reset", "stall"];
/** A session has no writes of its own to cut: they are those of TLS. */
const SESSION: readonly Key[] = [...DATAGRAMS, "way", ...STREAMS.filter((key) => key !== "split")];
const KEYS: ReadonlySet<string> = new Set([...SESSION, ...STREAMS]);

const FITS: Record<Carries, readonly Key[]> = { datagrams: DATAGRAMS, stream: STREAMS, session: SESSION };

const READERS: { readonly [key in Key]: (text: string) => Impairment[key] } = {
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
  way,
};

/**
 * `drop=1% delay=20ms` and so on, by blanks or commas. `kind` is what the line carries.
 * @throws SockError `usage` for what is unknown, said twice, or not for this kind
 */
export function parseImpairment(text: string, kind: Carries): Impairment {
  const fits = FITS[kind];
  const values: Values = {};
  for (const word of text.split(/[\s,]+/).filter((part) => part !== "")) {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    if (!isKey(name)) throw unknown(name);
    if (!fits.includes(name)) {
      throw new SockError(
        "usage",
        `--impair: ${name} is for ${homeOf(name)} only`,
        `here: ${fits.join(" ")}`,
      );
    }
    if (values[name] !== undefined) throw new SockError("usage", `--impair: ${name} is there twice`);
    take(values, name, equals < 0 ? "" : word.slice(equals + 1));
  }
  return { ...NONE, ...values };
}

/** Where none is stated: any of 32 bits. */
export function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}

function homeOf(name: Key): string {
  if (!SESSION.includes(name)) return "plain peers over TCP and unix sockets";
  if (name === "way") return "sock serve";
  return DATAGRAMS.includes(name) ? "UDP" : "TCP and unix sockets";
}

function isKey(name: string): name is Key {
  return KEYS.has(name);
}

/** What `tc netem` calls some of them. */
const NETEM: ReadonlyMap<string, Key> = new Map<string, Key>([
  ["loss", "drop"],
  ["duplicate", "dup"],
  ["latency", "delay"],
  ["bandwidth", "rate"],
]);

function unknown(name: string): SockError {
  const meant = NETEM.get(name) ?? nearest(name, KEYS);
  const hint = meant === undefined ? `known: ${[...KEYS].join(" ")}` : `did you mean ${meant}?`;
  return new SockError("usage", `--impair: ${JSON.stringify(name.slice(0, 40))} is not known`, hint);
}

function take<K extends Key>(values: Pick<Values, K>, name: K, text: string): void {
  try {
    const read: (text: string) => Impairment[K] = READERS[name];
    values[name] = read(text);
  } catch (thrown) {
    if (!(thrown instanceof SockError)) throw thrown;
    throw new SockError(
      "usage",
      `--impair ${name}=${text.slice(0, 40)}: ${thrown.message}`,
      thrown.hint?.replace(/^write /, `write ${name}=`),
    );
  }
}

function share(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  const value = Number(match?.[1]) / 100;
  if (value <= 1) return value;
  const meant = /^\d{1,2}(\.\d{1,6})?$/.test(text) ? `${text}%` : "0.5%";
  throw new SockError("usage", "not a percentage", value > 1 ? "from 0% to 100%" : `write ${meant}`);
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
  throw new SockError("usage", "not a number of bytes", "write 2");
}

function way(text: string): Way {
  if (text === "up" || text === "down" || text === "both") return text;
  throw new SockError("usage", "no such way", "way=up, way=down or way=both");
}
