/** What of the limits a command line says. */
import { parseCidr } from "../protocol/cidr.ts";
import { MAX_PLAIN_CLIENTS } from "../protocol/constants.ts";

export { ALONE_MS, ANSWER_PAUSE_MS, ANSWER_BEGIN_MS, PLAIN_CLOSE_MS } from "../protocol/constants.ts";

export const MOST_CLIENTS = MAX_PLAIN_CLIENTS;

/** `10.0.0.0/8,192.168.1.7` and several of those. Throws `usage`. */
export function allowedRanges(given: readonly string[]): string[] {
  return given
    .flatMap((text) => text.split(/[\s,]+/))
    .filter((text) => text !== "")
    .map(parseCidr);
}
