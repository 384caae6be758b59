/** The messages of a measured run of datagrams: it is agreed on, and its counts are asked for, over the session. */
import {
  COOKIE_BYTES,
  DATAGRAM_HEADER_BYTES,
  DATAGRAM_KEY_BYTES,
  MAX_DATAGRAM_BYTES,
  MAX_UDP_COUNT,
  MAX_UDP_INTERVAL_NS,
  MAX_WORD,
  MIN_UDP_INTERVAL_NS,
} from "./constants.ts";
import { base64, bool, int, match, nullable, str, wrong } from "./fields.ts";
import type { Header } from "./json.ts";

/** Client: asks for a run of at most `count` datagrams of at most `bytes` each, one in `interval` ns. */
export type Udp = {
  readonly type: "udp";
  readonly count: number;
  readonly interval: number;
  readonly bytes: number;
};

/** Server: the run's cookie (hex) and key (base64). It ends with the session. */
export type UdpRun = { readonly type: "udp"; readonly cookie: string; readonly key: string };

/** Client: asks for the counts of its run; with `final` they are the last, and the run is over. */
export type AskCounts = { readonly type: "counts"; readonly final: boolean };

/** Server: what it has seen of the run so far. Each number of a probe is in one of the first three, or was not seen. */
export type Counts = {
  readonly type: "counts";
  readonly answered: number;
  /** Came with a damaged payload only. */
  readonly corrupt: number;
  /** Came faster than agreed, and was not answered for that. */
  readonly limited: number;
  /** Copies of what was seen already. */
  readonly duplicates: number;
  /** First arrivals below the highest number until then, and how far behind the furthest was. */
  readonly reordered: number;
  readonly extent: number;
  /** Valid ones from another address than the run's. */
  readonly moved: number;
  /** Replies that the server's own system did not take. */
  readonly unsent: number;
  /** Datagrams to this address that the server's own system dropped meanwhile, of whatever run; null: unknown. */
  readonly drops: number | null;
  /** Address and port that the run's probes come from; null before the first. */
  readonly peer: string | null;
  /** The last of the others. */
  readonly other: string | null;
};

const COOKIE = /^[0-9a-f]+$/;
const KEY_TEXT = Math.ceil(DATAGRAM_KEY_BYTES / 3) * 4;

export function readUdp(h: Header): Udp {
  return {
    type: "udp",
    count: int(h, "count", 1, MAX_UDP_COUNT),
    interval: int(h, "interval", MIN_UDP_INTERVAL_NS, MAX_UDP_INTERVAL_NS),
    bytes: int(h, "bytes", DATAGRAM_HEADER_BYTES, MAX_DATAGRAM_BYTES),
  };
}

export function readUdpRun(h: Header): UdpRun {
  const cookie = match(h, "cookie", COOKIE, 2 * COOKIE_BYTES);
  const key = base64(h, "key", KEY_TEXT);
  if (cookie.length !== 2 * COOKIE_BYTES) throw wrong("cookie");
  if (Uint8Array.fromBase64(key).length !== DATAGRAM_KEY_BYTES) throw wrong("key");
  return { type: "udp", cookie, key };
}

export function readAskCounts(h: Header): AskCounts {
  return { type: "counts", final: bool(h, "final") };
}

export function readCounts(h: Header): Counts {
  const word = (fields: Header, key: string): string => str(fields, key, MAX_WORD);
  return {
    type: "counts",
    answered: int(h, "answered"),
    corrupt: int(h, "corrupt"),
    limited: int(h, "limited"),
    duplicates: int(h, "duplicates"),
    reordered: int(h, "reordered"),
    extent: int(h, "extent"),
    moved: int(h, "moved"),
    unsent: int(h, "unsent"),
    drops: nullable(h, "drops", int),
    peer: nullable(h, "peer", () => word(h, "peer")),
    other: nullable(h, "other", () => word(h, "other")),
  };
}
