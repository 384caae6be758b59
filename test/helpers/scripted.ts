/** A client and a server that say what a test tells them to, in whatever order: behind a genuine key, with the real codec. */
import { Guard } from "../../src/server/guard.ts";
import { SockError } from "../../src/errors.ts";
import type { Header } from "../../src/protocol/frame.ts";
import { encodeJoinCode, parseJoinCode } from "../../src/protocol/join-code.ts";
import { Channel } from "../../src/transport/channel.ts";
import { connect } from "../../src/transport/connect.ts";
import { identityFromSecret, newIdentity } from "../../src/transport/identity.ts";
import { listen } from "../../src/transport/listen.ts";
import { LOOPBACK } from "./link.ts";

const hello = { type: "hello", min: 1, max: 1, sock: "0.0.0", features: [], platform: "linux" } as const;

export interface Peer extends Disposable {
  readonly channel: Channel;
  send(header: Header, body?: Uint8Array): void;
  /** The next header; undefined when the connection has ended. */
  next(): Promise<Header | undefined>;
  /** Headers up to the end, or up to one of these types. */
  until(...types: string[]): Promise<Header[]>;
}

/** A client that has said hello and was heard. */
export async function scriptedClient(join: string, run = "0123456789abcdef".repeat(2)): Promise<Peer> {
  const { addresses, pin, secret } = parseJoinCode(join);
  const peer = peerOf(new Channel(await connect({ addresses, pin, identity: identityFromSecret(secret) })));
  peer.send({ ...hello, run, name: "scripted" });
  const answer = await peer.next();
  if (answer?.type !== "hello") throw new Error(`the server answered ${JSON.stringify(answer)}`);
  peer.channel.open();
  return peer;
}

/** What a server says first. */
export const GREETING: Header = {
  ...hello,
  name: "scripted",
  caps: ["put", "get", "ls", "echo"],
  encoding: null,
  limits: { header: 65_536, body: 1_048_576 },
  key: "ci",
};

/** A server that answers each client's first request with `script`; `join` is the direct code for it. */
export function scriptedServer(
  script: (peer: Peer, request: Header) => Promise<void> | void,
  greet: (peer: Peer) => void = (peer) => peer.send(GREETING),
): { readonly join: string } & Disposable {
  const identity = newIdentity();
  const known = newIdentity();
  const guard = new Guard();
  const peers: Peer[] = [];
  const talk = async (peer: Peer): Promise<void> => {
    if ((await peer.next())?.type !== "hello") return;
    peer.channel.open();
    greet(peer);
    const request = await peer.next();
    if (request !== undefined) await script(peer, request);
  };
  const listener = listen<true>({
    address: LOOPBACK,
    identity,
    gate: guard,
    decide: () => ({ ok: true, grant: true }),
    accept: (connection, _grant, candidate) => {
      guard.leave(candidate, true);
      const peer = peerOf(new Channel(connection));
      peers.push(peer);
      // a script that fails shows in what the client did
      talk(peer).catch(() => undefined);
    },
    refuse: (connection) => connection.terminate(),
    stranger: () => undefined,
  });
  const addresses = [{ kind: "tcp" as const, host: "127.0.0.1", port: listener.port }];
  return {
    join: encodeJoinCode({ direct: true, pin: identity.spkiHash, secret: known.secret, addresses }),
    [Symbol.dispose]: () => {
      listener.stop();
      guard.stop();
      for (const peer of peers) peer[Symbol.dispose]();
    },
  };
}

function peerOf(channel: Channel): Peer {
  const next = async (): Promise<Header | undefined> => {
    try {
      const frame = await channel.next();
      return frame.header;
    } catch (thrown) {
      if (thrown instanceof SockError) return undefined;
      throw thrown;
    }
  };
  return {
    channel,
    send: (header, body) => channel.send(header, body),
    next,
    until: async (...types) => {
      const seen: Header[] = [];
      for (;;) {
        const header = await next();
        if (header === undefined) return seen;
        seen.push(header);
        if (types.includes(header.type)) return seen;
      }
    },
    [Symbol.dispose]: () => channel.connection.terminate(),
  };
}
