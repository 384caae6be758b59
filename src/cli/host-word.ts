/** A word that names a server and no path on it. */
import { splitTarget } from "../client/target.ts";
import { SockError } from "../errors.ts";

/** A plain peer where only a server will do. */
export function speaksNoSock(url: string): SockError {
  return new SockError(
    "usage",
    `${JSON.stringify(url)} speaks no sock, and a joined server is due`,
    "only put, get, echo, udp, shell and chat talk to one",
  );
}

/** `web1` and `web1:`; undefined for the default host. Throws `usage`. */
export function hostOf(word: string | undefined, hint: string): string | undefined {
  if (word === undefined) return undefined;
  const target = splitTarget(word);
  if (target.kind === "word") return target.word;
  if (target.kind === "remote" && target.path === "") return target.host;
  // HOST:PORT, as other tools have it: what it may be is told where no such host is found
  if (target.kind === "remote" && /^\d{1,5}$/.test(target.path)) return word;
  if (target.kind === "url") throw speaksNoSock(word);
  throw new SockError("usage", `${JSON.stringify(word)} is no host`, hint);
}
