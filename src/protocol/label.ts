/**
 * Names of hosts, keys and codes. They are typed by people, sent by peers and used as file names, so the alphabet is
 * small, two names never differ only in case, and no name is a device of Windows or one of our own words.
 */
import { SockError } from "../errors.ts";
import { MAX_LABEL_CHARS } from "./constants.ts";

// one letter would be a Windows drive in `w:path`
const LABEL = /^[a-z0-9][a-z0-9._-]*[a-z0-9]$/;
const TAKEN = /^(local|file|con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/;

function isLabel(text: string): boolean {
  return text.length <= MAX_LABEL_CHARS && LABEL.test(text) && !TAKEN.test(text);
}

/** A name as its owner typed it, in lower case. @throws SockError `usage` */
export function parseLabel(text: string): string {
  const label = text.trim().toLowerCase();
  if (isLabel(label)) return label;
  throw new SockError(
    "usage",
    `bad name ${JSON.stringify(text.slice(0, 80))}`,
    `2 to ${MAX_LABEL_CHARS} of a-z 0-9 . _ -, a letter or digit first and last; local and file are taken`,
  );
}

/** The nearest name to whatever a peer or a machine calls itself; `fallback` where nothing is left of it. */
export function toLabel(text: string, fallback: string): string {
  const label = text
    .slice(0, 4 * MAX_LABEL_CHARS)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[._-]+/, "")
    .slice(0, MAX_LABEL_CHARS - 4)
    .replace(/[._-]+$/, "");
  return isLabel(label) ? label : fallback;
}

/** `label`, `label-2`, `label-3`… without end; a long label gives way to its number. */
export function* numbered(label: string): Generator<string> {
  yield label;
  for (let n = 2; ; n += 1) yield `${label.slice(0, MAX_LABEL_CHARS - 1 - String(n).length)}-${n}`;
}
