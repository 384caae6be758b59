/** The dialects by their names, in the order of the help. */
import { SockError } from "../errors.ts";
import { nearest } from "../text/suggest.ts";
import { chat } from "./chat.ts";
import type { CommandDialect, Dialect, EchoDialect, FileDialect } from "./dialect.ts";
import { echo } from "./echo.ts";
import { exec } from "./exec.ts";
import { execHeader } from "./exec-header.ts";
import { execLength } from "./exec-length.ts";
import { execTextlen } from "./exec-textlen.ts";
import { ftpGt } from "./ftp-gt.ts";
import { greet } from "./greet.ts";
import { postPipe } from "./post-pipe.ts";
import { upper } from "./upper.ts";

export const DIALECTS: ReadonlyMap<string, Dialect> = new Map<string, Dialect>(
  [echo, upper, greet, exec, execLength, execHeader, execTextlen, ftpGt, postPipe, chat].map((dialect) => [
    dialect.name,
    dialect,
  ]),
);

/** @throws SockError `usage` with the nearest name */
export function findDialect(name: string): Dialect {
  const found = DIALECTS.get(name);
  if (found !== undefined) return found;
  const meant = nearest(name, DIALECTS.keys());
  const hint = meant === undefined ? `one of ${[...DIALECTS.keys()].join(" ")}` : `did you mean ${meant}?`;
  throw new SockError("usage", `unknown dialect ${JSON.stringify(name.slice(0, 40))}`, hint);
}

type OfKind = { echo: EchoDialect; commands: CommandDialect; files: FileDialect };

/** The dialect of that name, which has to be of the verb's kind. Throws `usage`. */
export function dialectFor<K extends keyof OfKind>(kind: K, name: string, verb: string): OfKind[K] {
  const found = findDialect(name);
  if (isOfKind(found, kind)) return found;
  const fit = [...DIALECTS.values()].filter((one) => one.kind === kind).map((one) => one.name);
  throw new SockError("usage", `sock ${verb} does not speak ${name}`, `one of ${fit.join(" ")}`);
}

function isOfKind<K extends keyof OfKind>(dialect: Dialect, kind: K): dialect is OfKind[K] & Dialect {
  return dialect.kind === kind;
}
