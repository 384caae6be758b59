import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import type { Address } from "../protocol/address.ts";
import { MAX_CODE_ADDRESSES } from "../protocol/constants.ts";

/** Where clients can find a server, best first, and whether that is a private network's business only. */
export interface Reach {
  readonly addresses: Address[];
  readonly private: boolean;
}

/**
 * The addresses that a join code names for a server that listens on `listening`: wildcards become this machine's own
 * addresses, those of the internet first, at most MAX_CODE_ADDRESSES.
 */
export function reach(
  listening: readonly Address[],
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): Reach {
  const own = Object.values(interfaces).flatMap((list) => list ?? []);
  const found: Address[] = [];
  for (const address of listening) {
    if (address.kind === "unix") {
      found.push(address);
      continue;
    }
    const family = address.host === "0.0.0.0" ? "IPv4" : address.host === "::" ? "IPv6" : undefined;
    if (family === undefined) {
      found.push(address);
      continue;
    }
    for (const one of own) {
      if (one.family !== family || one.internal || isLinkLocal(one.address)) continue;
      found.push({ kind: "tcp", host: one.address, port: address.port });
    }
  }
  if (found.length === 0) {
    const tcp = listening.find((address) => address.kind === "tcp");
    if (tcp !== undefined) found.push({ kind: "tcp", host: "127.0.0.1", port: tcp.port });
  }
  const addresses = found
    .toSorted((a, b) => Number(isPrivate(a)) - Number(isPrivate(b)))
    .slice(0, MAX_CODE_ADDRESSES);
  return { addresses, private: addresses.every(isPrivate) };
}

function isLinkLocal(host: string): boolean {
  return /^fe[89ab]/i.test(host) || host.startsWith("169.254.");
}

/** RFC 1918, RFC 6598, RFC 4193, loopback, and unix sockets. */
function isPrivate(address: Address): boolean {
  if (address.kind === "unix") return true;
  const { host } = address;
  if (
    /^(10\.|127\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(host)
  ) {
    return true;
  }
  return host === "::1" || /^f[cd]/i.test(host);
}
