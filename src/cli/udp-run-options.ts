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
import { inRange, scheduleOf, type ScheduleValues } from "./run-schedule.ts";

const DEFAULT_COUNT = 100;
const DEFAULT_SIZE = 64;
const DEFAULT_INTERVAL_MS = 10;

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

export interface RunValues extends ScheduleValues {
  readonly size: number | undefined;
  readonly fill: Fill | undefined;
  readonly wait: number | undefined;
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
  const { count: total, ...schedule } = scheduleOf(given, {
    count: DEFAULT_COUNT,
    intervalMs: DEFAULT_INTERVAL_MS,
    minIntervalNs: MIN_INTERVAL_NS,
    maxCount: MAX_RUN_COUNT,
    what: "datagrams",
  });
  if (total === undefined) {
    throw new SockError(
      "usage",
      "without an --interval nobody knows how many fit into --duration",
      "use --count",
    );
  }
  return {
    ...schedule,
    count: total,
    size: inRange("--size", given.size ?? DEFAULT_SIZE, LEAST_SIZE[plain ? "plain" : "sock"], MAX_SIZE),
    fill: given.fill ?? "zero",
    waitMs: given.wait,
  };
}
