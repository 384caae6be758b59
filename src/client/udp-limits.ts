/** Limits of runs of datagrams, for those who may not know the protocol. */
import {
  DATAGRAM_HEADER_BYTES,
  MAX_DATAGRAM_BYTES,
  MAX_UDP_COUNT,
  MIN_UDP_INTERVAL_NS,
} from "../protocol/constants.ts";
import { PLAIN_HEADER_BYTES } from "./udp-wire.ts";

export { FILLS, type Fill } from "./udp-wire.ts";
export const MIN_INTERVAL_NS = MIN_UDP_INTERVAL_NS;
export const MAX_RUN_COUNT = MAX_UDP_COUNT;
export const MAX_SIZE = MAX_DATAGRAM_BYTES;
/** Smallest datagrams: for a server of sock, and for any echo server. */
export const LEAST_SIZE = { sock: DATAGRAM_HEADER_BYTES, plain: PLAIN_HEADER_BYTES } as const;
