/** A word that names a server and no path on it. */
import { splitTarget } from "../client/target.ts";
import { SockError } from "../errors.ts";

/** `web1` and `web1:`; undefined for the default host. Throws `usage`. */
export function hostOf(word: string | undefined, hint: string): string | undefined {
  if (word === undefined) return undefined;
  const target = splitTarget(word);
  if (target.kind === "word") return target.word;
  if (target.kind === "remote" && target.path === "") return target.host;
  throw new SockError("usage", `${JSON.stringify(word)} is no host`, hint);
}
