/** Where a peer that speaks no sock listens: `tcp://HOST:PORT`, `udp://HOST:PORT`, `unix:PATH`. */
import { SockError } from "../errors.ts";
import { formatAddress, parseAddress } from "../protocol/address.ts";
import { peerIp } from "../protocol/ip.ts";

export type PlainAddress =
  | { readonly kind: "tcp" | "udp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** An address, and what follows it after a slash (a file's name), "" where nothing does. */
export interface PlainUrl {
  readonly address: PlainAddress;
  readonly rest: string;
}

const HINT = "write tcp://HOST:PORT, udp://HOST:PORT or unix:PATH";
/** A port, a host and a port, a scheme without its slashes. */
const ALMOST = /^(?:(tcp|udp):(?:\/\/)?)?(?:([\w.-]+|\[[\da-f:.]+\]):|:)?(\d{1,5})$/i;
/** No port: plain peers have none of their own. */
const NO_PORT = -1;

/** @throws SockError `usage` */
export function parsePlainUrl(text: string): PlainUrl {
  const match = /^(tcp|udp):\/\/([^/]*)(?:\/(.*))?$/is.exec(text);
  if (match === null) {
    const unix = /^unix:(?:\/\/(?=\/))?(.*)$/is.exec(text);
    if (unix === null) throw bad(text, "no such kind of address");
    const address = parseAddress(`unix:${unix[1] ?? ""}`);
    if (address.kind !== "unix") throw bad(text, "no path");
    return { address, rest: "" };
  }
  if (/^:?\d*$/.test(match[2] ?? "")) throw bad(text, "which host?");
  const address = parseAddress(match[2] ?? "", NO_PORT);
  if (address.kind !== "tcp") throw bad(text, "no host");
  if (address.port === NO_PORT) throw bad(text, "which port?");
  const kind = match[1]?.toLowerCase() === "udp" ? "udp" : "tcp";
  return { address: { ...address, kind }, rest: match[3] ?? "" };
}

export function formatPlain(address: PlainAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return `${address.kind}://${formatAddress({ ...address, kind: "tcp" })}`;
}

/** Whether only this machine reaches it. A name other than `localhost` may mean any address. */
export function isLocal(address: PlainAddress): boolean {
  if (address.kind === "unix" || address.host.toLowerCase() === "localhost") return true;
  const bytes = peerIp(address.host);
  if (bytes === undefined) return false;
  if (bytes.length === 4) return bytes[0] === 127;
  return bytes.every((byte, at) => byte === (at === 15 ? 1 : 0));
}

/** What may have been meant: `tcp://127.0.0.1:7000` by `7000`. */
export function meantUrl(text: string): string | undefined {
  const [, kind = "tcp", host = "127.0.0.1", port] = ALMOST.exec(text) ?? [];
  return port === undefined ? undefined : `${kind.toLowerCase()}://${host}:${port}`;
}

function bad(text: string, why: string): SockError {
  const meant = meantUrl(text);
  const hint = meant === undefined ? HINT : `write ${meant}`;
  return new SockError("usage", `bad address ${JSON.stringify(text.slice(0, 100))}: ${why}`, hint);
}

export function portOf(address: PlainAddress): number {
  return address.kind === "unix" ? 0 : address.port;
}
