import { SockError } from "../errors.ts";
import { parseAddress } from "../protocol/address.ts";
import { DATAGRAM_HEADER_BYTES } from "../protocol/constants.ts";
import { parseJoinCode } from "../protocol/join-code.ts";
import type { Enrolled } from "../protocol/messages.ts";
import { identityFromSecret } from "../transport/identity.ts";
import { roundTrip } from "./echo.ts";
import { addHost, type Host } from "./host-store.ts";
import { dropPending, pendingSecret } from "./pending.ts";
import type { Target } from "./hosts.ts";
import { clientName, Session, type SessionOptions } from "./session.ts";
import { measureOver } from "./udp.ts";

export interface JoinOptions extends SessionOptions {
  readonly stateFolder: string;
  /** The host's name here; left out: the server's own. */
  readonly as: string | undefined;
  /** Replaces the code's addresses. */
  readonly at: string | undefined;
}

export interface Joined {
  readonly host: Host;
  /** What the key is called there. */
  readonly key: string;
  readonly caps: readonly string[];
  readonly address: string;
  /** One round trip over TCP, ms. */
  readonly rttMs: number;
  /** Undefined where it was not tried: the key does not allow it. */
  readonly udp: UdpTried | undefined;
}

/** `blocked`: on which way; null where that is not known. */
export type UdpTried =
  | { readonly works: true; readonly rttMs: number }
  | { readonly works: false; readonly blocked: "there" | "back" | null };

/** Datagrams that are tried, ns from one to the next, and what is waited for a reply, ms. */
const TRIED = 5;
const TRIED_INTERVAL_NS = 5_000_000;
const TRIED_WAIT_MS = 500;

/**
 * Makes a fresh key known to the server and remembers both. The key is stored before it is sent, so that the same code
 * can be used again when this was cut short. Throws `usage` for a code that is damaged or does not enrol, and what
 * connecting throws.
 */
export async function join(text: string, options: JoinOptions): Promise<Joined> {
  const code = parseJoinCode(text);
  if (code.direct) {
    throw new SockError(
      "usage",
      "this code is a direct one: it joins nothing",
      "put it into SOCK_JOIN; it works as it is",
    );
  }
  const addresses = options.at === undefined ? code.addresses : [parseAddress(options.at)];
  const secret = pendingSecret(options.stateFolder, code);
  const target = { name: "the server", addresses, pin: code.pin, ephemeral: false };
  const enrolling = await Session.open({ ...target, secret: code.secret }, { ...options, impatient: true });
  const { name: suggested } = enrolling.server;
  try {
    await enrol(enrolling, secret);
  } finally {
    enrolling.close();
  }
  const host = await addHost(options.stateFolder, {
    suggested,
    as: options.as,
    addresses,
    pin: code.pin,
    secret,
  });
  const looked = await look({ ...target, name: host.name, secret }, options);
  // only now: the same command again must find the same key, also when it was cut here
  dropPending(options.stateFolder, code);
  return { host, ...looked };
}

async function enrol(session: Session, secret: Uint8Array): Promise<Enrolled> {
  const { spki } = identityFromSecret(secret);
  session.channel.send({ type: "enrol", spki: Buffer.from(spki).toString("base64"), name: clientName() });
  const { message } = await session.next();
  if (message.type === "enrolled") return message;
  throw new SockError("protocol", `the server answered a join with ${message.type}`);
}

/** A few datagrams; that they can't be tried is no reason for a join to fail. */
async function tryUdp(session: Session): Promise<UdpTried | undefined> {
  try {
    const { trips, counts } = await measureOver(session, {
      count: TRIED,
      intervalNs: TRIED_INTERVAL_NS,
      size: DATAGRAM_HEADER_BYTES,
      fill: "zero",
      warmup: 0,
      waitMs: TRIED_WAIT_MS,
    });
    const best = trips.rtt.min;
    if (best !== null) return { works: true, rttMs: best / 1e6 };
    const blocked = counts === undefined ? null : counts.peer === null ? "there" : "back";
    return { works: false, blocked };
  } catch (thrown) {
    if (thrown instanceof SockError) return undefined;
    throw thrown;
  }
}

/** What works with the new key. */
async function look(target: Target, options: SessionOptions): Promise<Omit<Joined, "host">> {
  const session = await Session.open(target, { ...options, impatient: true });
  try {
    const { caps, key } = session.server;
    const started = performance.now();
    if (caps.includes("echo")) await roundTrip(session, new Uint8Array(1), 0);
    const rttMs = performance.now() - started;
    const { address } = session.channel.connection;
    const udp = caps.includes("udp") && address !== "" ? await tryUdp(session) : undefined;
    return { key, caps, address, rttMs, udp };
  } finally {
    session.close();
  }
}
