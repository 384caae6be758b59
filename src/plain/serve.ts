/** Answers plain peers at one address, in one dialect. */
import { asSockError, SockError } from "../errors.ts";
import { type Impairment } from "../measure/impairment.ts";
import { ImpairedStream } from "../measure/impaired-stream.ts";
import { inRanges } from "../protocol/cidr.ts";
import { formatPlain, isLocal, type PlainAddress } from "./address.ts";
import { serveDatagrams } from "./datagrams.ts";
import type { Dialect, PlainHost } from "./dialect.ts";
import type { Peer } from "./peer.ts";
import { ALONE_MS, PLAIN_STALL_MS, REFUSAL_WAIT_MS } from "./limits.ts";
import { Places, type WhenFull } from "./places.ts";
import { listenForPeers } from "./socket.ts";
import type { Trace } from "./trace.ts";

export interface ServeOptions {
  readonly dialect: Dialect;
  readonly address: PlainAddress;
  readonly host: PlainHost;
  readonly maxClients: number;
  readonly whenFull: WhenFull;
  /** Whose addresses are answered; none: everybody's. */
  readonly allowFrom: readonly string[];
  readonly trace: Trace | undefined;
  readonly impair: { readonly how: Impairment; readonly seed: number } | undefined;
  /** Resolves when people could be told what has come so far; nothing more is read before. */
  readonly told: () => Promise<void>;
  /** They could not yet: what can be lost is. */
  isBehind(): boolean;
  /** A client that was turned away, or ended badly. */
  refused(who: string, why: string): void;
}

export interface PlainServer {
  readonly dialect: Dialect;
  /** With the port that was given. */
  readonly address: PlainAddress;
  stop(): void;
}

/** @throws SockError `usage`, `policy` (open to others without `--allow-from`), `port-in-use`, `permission` */
export async function servePlain(options: ServeOptions): Promise<PlainServer> {
  const { dialect, address } = options;
  mustFit(options);
  if (address.kind === "udp") return serveDatagrams(options, address);
  const places = new Places(options.maxClients, options.whenFull);
  const peers = new Set<Peer>();
  let flows = 0;
  const listener = await listenForPeers(
    address,
    ({ address: ip, name }) => {
      if (address.kind === "tcp" && !inRanges(ip, options.allowFrom)) {
        options.refused(name, "not in --allow-from");
        return undefined;
      }
      const { impair, trace } = options;
      const impaired = impair && new ImpairedStream(impair.how, impair.seed, flows++);
      return { trace, impaired, told: options.told, stallMs: PLAIN_STALL_MS };
    },
    (peer) => {
      peers.add(peer);
      answer(peer, places, options)
        .catch((thrown: unknown) => options.refused(peer.name, asSockError(thrown).message))
        .finally(() => peers.delete(peer));
    },
  );
  return {
    dialect,
    address: listener.address,
    stop: () => {
      listener.stop();
      for (const peer of peers) peer.close();
    },
  };
}

async function answer(peer: Peer, places: Places, options: ServeOptions): Promise<void> {
  const { dialect, host, maxClients } = options;
  const placed = await places.take((leave) => peer.whenGone(leave));
  if (!placed) {
    options.refused(peer.name, `over --max-clients ${maxClients}`);
    const clients = maxClients === 1 ? "1 client" : `${maxClients} clients`;
    await refuse(peer, dialect, `busy: at most ${clients} at the same time, try again later`, true);
    await peer.finish();
    return;
  }
  try {
    await dialect.answer(peer, host);
  } catch (thrown) {
    const { code, message } = asSockError(thrown);
    // one that has vanished is nothing to tell
    if (code !== "lost") options.refused(peer.name, message);
    if (code === "too-large") await refuse(peer, dialect, message);
  } finally {
    await peer.finish();
    places.give();
  }
}

/** `isEarly`: the client may not listen yet, and find the pieces stuck together. */
async function refuse(peer: Peer, dialect: Dialect, text: string, isEarly = false): Promise<void> {
  const pieces = dialect.refusal(text);
  try {
    if (isEarly && pieces.length > 1) await peer.readWithin(REFUSAL_WAIT_MS);
    for (const [at, piece] of pieces.entries()) {
      if (at > 0) await Bun.sleep(ALONE_MS);
      await peer.write(piece);
      await peer.flush();
    }
  } catch {
    // it is gone already
  }
}

function mustFit({ dialect, address, allowFrom, host }: ServeOptions): void {
  const { name, kind } = dialect;
  if (address.kind === "udp" && (dialect.kind !== "echo" || dialect.reply === undefined)) {
    throw new SockError("usage", `${name} is not for UDP`, `${name}=tcp://HOST:PORT`);
  }
  if (kind === "files" && host.root === undefined) {
    throw new SockError("usage", `${name} needs a folder`, "--root DIR");
  }
  if ((kind === "files" || kind === "commands") && !isLocal(address) && allowFrom.length === 0) {
    throw new SockError(
      "policy",
      `${name} asks for no key, and ${formatPlain(address)} is open to other machines`,
      "listen on 127.0.0.1, or say who may: --allow-from 10.0.0.0/8",
    );
  }
}
