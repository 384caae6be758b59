/** How a run of datagrams is sent: flags, and what they mean together. */
import {
  FILLS,
  type Fill,
  LEAST_SIZE,
  MAX_RUN_COUNT,
  MAX_SIZE,
  MIN_INTERVAL_NS,
} from "../client/udp-limits.ts";
import { SockError } from "../errors.ts";

const DEFAULT_COUNT = 100;
const DEFAULT_SIZE = 64;
const DEFAULT_INTERVAL_MS = 10;
const NS_PER_MS = 1e6;
const MAX_INTERVAL_NS = 3600 * 1e9;

const count = (valueHint: string, description: string) =>
  ({ type: "string", kind: "count", valueHint, description }) as const;
const duration = (description: string) =>
  ({ type: "string", kind: "duration", valueHint: "DUR", description }) as const;

// a list that citty may change, as its types want it
const fill: { type: "enum"; options: Fill[]; description: string } = {
  type: "enum",
  options: [...FILLS],
  description: "what fills them up (zero)",
};

export const RUN_FLAGS = {
  count: count("N", `datagrams to send (${DEFAULT_COUNT})`),
  duration: duration("send for so long, instead of --count"),
  interval: duration(
    `time between two, down to 5us (${DEFAULT_INTERVAL_MS}ms); 0: each when the one before is back`,
  ),
  rate: count("N", "datagrams a second, instead of --interval"),
  size: {
    type: "string",
    kind: "bytes",
    valueHint: "B",
    description: `bytes of each datagram (${DEFAULT_SIZE})`,
  },
  fill,
  wait: duration("wait for replies this long (3 x the longest round trip, 200ms to 2s)"),
  warmup: count("N", "datagrams that go before, and are not counted (0)"),
} as const;

export interface RunValues {
  readonly count: number | undefined;
  readonly duration: number | undefined;
  readonly interval: number | undefined;
  readonly rate: number | undefined;
  readonly size: number | undefined;
  readonly fill: Fill | undefined;
  readonly wait: number | undefined;
  readonly warmup: number | undefined;
}

export interface Run {
  readonly count: number;
  readonly intervalNs: number;
  readonly size: number;
  readonly fill: Fill;
  readonly waitMs: number | undefined;
  readonly warmup: number;
}

/** Throws `usage` for what does not fit together. `plain`: the peer is any echo server. */
export function runOf(given: RunValues, plain: boolean): Run {
  const { rate, interval, duration: lasts } = given;
  if (rate !== undefined && interval !== undefined) throw exclusive("--rate", "--interval");
  if (given.count !== undefined && lasts !== undefined) throw exclusive("--count", "--duration");
  if (rate !== undefined) inRange("--rate", rate, 1, 1e9 / MIN_INTERVAL_NS);
  const intervalNs =
    rate === undefined ? Math.round((interval ?? DEFAULT_INTERVAL_MS) * NS_PER_MS) : Math.round(1e9 / rate);
  if (intervalNs !== 0)
    inRange("--interval", intervalNs, MIN_INTERVAL_NS, MAX_INTERVAL_NS, [
      `${MIN_INTERVAL_NS / 1000}us`,
      "1h",
    ]);
  if (intervalNs === 0 && lasts !== undefined) {
    throw new SockError(
      "usage",
      "without an --interval nobody knows how many fit into --duration",
      "use --count",
    );
  }
  const asked =
    lasts === undefined ? (given.count ?? DEFAULT_COUNT) : Math.ceil((lasts * NS_PER_MS) / intervalNs);
  const total = inRange(lasts === undefined ? "--count" : "the number of datagrams", asked, 1, MAX_RUN_COUNT);
  return {
    count: total,
    intervalNs,
    size: inRange("--size", given.size ?? DEFAULT_SIZE, LEAST_SIZE[plain ? "plain" : "sock"], MAX_SIZE),
    fill: given.fill ?? "zero",
    waitMs: given.wait,
    warmup: inRange("--warmup", given.warmup ?? 0, 0, MAX_RUN_COUNT),
  };
}

function exclusive(one: string, other: string): SockError {
  return new SockError("usage", `${one} and ${other} say the same`, "leave out one of the two");
}

function inRange(
  what: string,
  value: number,
  least: number,
  most: number,
  [from, to] = [String(least), String(most)],
): number {
  if (value >= least && value <= most) return value;
  throw new SockError("usage", `${what} must be from ${from} to ${to}`);
}
