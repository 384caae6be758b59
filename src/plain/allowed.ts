import { parseCidr } from "../protocol/cidr.ts";

/** `10.0.0.0/8,192.168.1.7` and several of those. Throws `usage`. */
export function allowedRanges(given: readonly string[]): string[] {
  return given
    .flatMap((text) => text.split(/[\s,]+/))
    .filter((text) => text !== "")
    .map(parseCidr);
}
