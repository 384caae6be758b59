import { SockError } from "../errors.ts";
import { parseAddress } from "../protocol/address.ts";
import { formatIp, peerIp } from "../protocol/ip.ts";

const SCHEME = /^udp:\/\//i;

/** The address behind `udp://HOST:PORT`; a name is looked up once. Throws `usage`, `unreachable`. */
export async function resolvePeer(url: string): Promise<{ address: string; port: number }> {
  const text = url.replace(SCHEME, "").replace(/\/$/, "");
  const parsed = parseAddress(text, 0);
  if (parsed.kind === "unix" || parsed.port === 0) {
    throw new SockError(
      "usage",
      `${JSON.stringify(url.slice(0, 100))} names no port`,
      "write udp://HOST:PORT",
    );
  }
  const { host, port } = parsed;
  if (/^[\d.]+$/.test(host) || host.includes(":")) return { address: asReported(host), port };
  try {
    const [first] = await Bun.dns.lookup(host, { family: 0 });
    if (first !== undefined) return { address: asReported(first.address), port };
  } catch {
    // said below
  }
  throw new SockError("unreachable", `the name ${host} is not known here`, "is it spelled right?");
}

/** As the source of its replies will read: `::ffff:10.0.0.1` is 10.0.0.1. */
function asReported(address: string): string {
  const bytes = peerIp(address);
  return bytes?.length === 4 ? formatIp(bytes) : address;
}
