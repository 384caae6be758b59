/** Words that name something on another machine, scp's way: `web1:path`, `:path` on the default host. */
import { SockError } from "../errors.ts";
import { MAX_PATH_BYTES } from "../protocol/constants.ts";

export type TargetWord =
  /** `host` undefined: the default host. The path has no leading slash; "" is the served root. */
  | { kind: "remote"; host: string | undefined; path: string }
  | { kind: "local"; path: string }
  /** A peer that speaks no sock. */
  | { kind: "url"; url: string }
  /** No colon: a host or a local path; only the verb knows. */
  | { kind: "word"; word: string };

/** @throws SockError `usage` for a remote path that can't be meant so, with the one that was; `bad-name` for one too long */
export function splitTarget(word: string, platform: NodeJS.Platform = process.platform): TargetWord {
  if (/^(tcp|udp):\/\//i.test(word) || /^unix:/i.test(word)) return { kind: "url", url: word };
  const colon = word.indexOf(":");
  const drive = /^[a-z]:/i.test(word);
  // ./a:b is a file, as for scp
  const slash = platform === "win32" ? /[/\\]/ : /\//;
  if (drive || (colon > 0 && slash.test(word.slice(0, colon)))) return { kind: "local", path: word };
  if (colon < 0) return slash.test(word) ? { kind: "local", path: word } : { kind: "word", word };
  const host = word.slice(0, colon);
  return {
    kind: "remote",
    host: host === "" ? undefined : host,
    path: remotePath(host, word.slice(colon + 1), platform),
  };
}

function remotePath(host: string, path: string, platform: NodeJS.Platform): string {
  if (new TextEncoder().encode(path).length > MAX_PATH_BYTES) {
    throw new SockError("bad-name", `the path is longer than ${MAX_PATH_BYTES} bytes`);
  }
  const windows = platform === "win32" && path.includes("\\");
  if (!windows && !path.startsWith("/")) return path;
  const meant = (windows ? path.replaceAll("\\", "/") : path).replace(/^\/+/, "");
  const why = windows
    ? "remote paths are written with /"
    : "remote paths start in the served folder, without a /";
  // as scp has it; who somebody is, their key says
  const own = host.replace(/^.*@/, "");
  throw new SockError("usage", why, `${JSON.stringify(`${own}:${meant}`)} was meant`);
}
