/** Where a server listens or is reached: `host:port`, `[v6]:port`, `host`, `unix:/path`. */
import { SockError } from "../errors.ts";
import { DEFAULT_PORT, MAX_HOST_CHARS, MAX_UNIX_PATH_BYTES } from "./constants.ts";
import { formatIp, parseIPv4, parseIPv6 } from "./ip.ts";

export type Address = { kind: "tcp"; host: string; port: number } | { kind: "unix"; path: string };

/**
 * An address as typed; IP addresses come out in their canonical form, names as they are.
 * Port 0 passes: to a listener it means "any".
 * @throws SockError `usage`
 */
export function parseAddress(text: string, defaultPort: number = DEFAULT_PORT): Address {
  const trimmed = text.trim();
  if (trimmed.startsWith("unix:")) return unixAddress(trimmed.slice("unix:".length));
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(trimmed);
  if (bracketed !== null) {
    return {
      kind: "tcp",
      host: ipv6Host(bracketed[1] ?? "", text),
      port: parsePort(bracketed[2], defaultPort, text),
    };
  }
  const colon = trimmed.indexOf(":");
  if (colon !== trimmed.lastIndexOf(":"))
    return { kind: "tcp", host: ipv6Host(trimmed, text), port: defaultPort };
  const host = colon < 0 ? trimmed : trimmed.slice(0, colon);
  const port = colon < 0 ? undefined : trimmed.slice(colon + 1);
  return { kind: "tcp", host: plainHost(host, text), port: parsePort(port, defaultPort, text) };
}

/** The text that `parseAddress` reads back; the port is always there. */
export function formatAddress(address: Address): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function unixAddress(path: string): Address {
  if (path === "" || path.includes("\0")) throw bad("unix:", "no path after unix:");
  if (new TextEncoder().encode(path).length > MAX_UNIX_PATH_BYTES) {
    throw bad("unix:", `the path of a unix socket has at most ${MAX_UNIX_PATH_BYTES} bytes`);
  }
  return { kind: "unix", path };
}

function ipv6Host(host: string, text: string): string {
  const [bare = "", zone] = host.split("%", 2);
  const bytes = parseIPv6(bare);
  if (bytes === undefined) throw bad(text, "not an IPv6 address");
  if (zone === undefined) return formatIp(bytes);
  if (!/^[A-Za-z0-9._-]{1,32}$/.test(zone)) throw bad(text, "not a zone of an IPv6 address");
  return `${formatIp(bytes)}%${zone}`;
}

function plainHost(host: string, text: string): string {
  if (parseIPv4(host) !== undefined) return host;
  if (host === "" || host.length > MAX_HOST_CHARS) throw bad(text, "no host name");
  if (/[^\x21-\x7e]/.test(host))
    throw bad(text, "a host name has no spaces and only ASCII; write xn--… for others");
  if (!/^[A-Za-z0-9_]([A-Za-z0-9_.-]*)$/.test(host)) throw bad(text, "not a host name");
  if (/^[0-9]+$/.test(host)) throw bad(text, "a number is no host");
  if (/^[0-9.]+$/.test(host)) throw bad(text, "not an IPv4 address");
  return host;
}

function parsePort(port: string | undefined, defaultPort: number, text: string): number {
  if (port === undefined) return defaultPort;
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) > 65_535)
    throw bad(text, "a port is a number from 0 to 65535");
  return Number(port);
}

function bad(text: string, why: string): SockError {
  const [, port] = /^\s*:?([0-9]{1,5})\s*$/.exec(text) ?? [];
  const meant = port === undefined ? "host, host:7625, [::1]:7625 or unix:/path" : `host:${port}`;
  const any = port === undefined ? "" : `; 0.0.0.0:${port} is any address of this machine`;
  return new SockError(
    "usage",
    `bad address ${JSON.stringify(text.slice(0, 100))}: ${why}`,
    `write ${meant}${any}`,
  );
}
