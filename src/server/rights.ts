/** What a key may do, as the owner types it: capabilities, and with `exec:JSON` a command that an exec key may run. */
import { isAbsolute } from "node:path";
import { SockError } from "../errors.ts";
import { CAPABILITIES, type Capability, isCapability, sortCapabilities } from "../protocol/capabilities.ts";
import { isStrings } from "../files/local.ts";

const EXEC = "exec:";

export interface Rights {
  readonly caps: Capability[];
  /** Commands, each a program's absolute path and its words. */
  readonly exec: string[][];
}

/** `a,b` and `a b` and both; what begins with `exec:` is one word, whatever is in it. */
export function rightWords(given: readonly string[]): string[] {
  return given
    .flatMap((text) => (text.startsWith(EXEC) ? [text] : text.split(/[\s,]+/)))
    .filter((word) => word !== "");
}

/** @throws SockError `usage` */
export function parseRights(words: readonly string[]): Rights {
  const caps = new Set<Capability>();
  const exec: string[][] = [];
  for (const word of words) {
    if (word.startsWith(EXEC)) {
      caps.add("exec");
      exec.push(parseCommand(word.slice(EXEC.length)));
    } else if (isCapability(word)) caps.add(word);
    else {
      throw new SockError(
        "usage",
        `unknown capability ${JSON.stringify(word.slice(0, 40))}`,
        `there are ${CAPABILITIES.join(" ")}`,
      );
    }
  }
  return { caps: sortCapabilities(caps), exec };
}

function parseCommand(json: string): string[] {
  let argv: unknown;
  try {
    argv = JSON.parse(json);
  } catch {
    argv = undefined;
  }
  const [program] = isStrings(argv) ? argv : [];
  if (
    !isStrings(argv) ||
    program === undefined ||
    !isAbsolute(program) ||
    argv.some((word) => word.includes("\0"))
  ) {
    throw new SockError(
      "usage",
      "after exec: comes a command as JSON, its program as an absolute path",
      `exec:'["/usr/bin/systemctl","restart","app"]'`,
    );
  }
  return argv;
}

export function sameCommand(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, at) => word === b[at]);
}
