/** A listening server with one known key, on real sockets, that notes what happens to it; and connections to it. */
import { Guard } from "../../src/server/guard.ts";
import { SockError } from "../../src/errors.ts";
import type { Address } from "../../src/protocol/address.ts";
import { connect } from "../../src/transport/connect.ts";
import type { Connection } from "../../src/transport/connection.ts";
import { type Identity, newIdentity } from "../../src/transport/identity.ts";
import { listen } from "../../src/transport/listen.ts";
import { until } from "./until.ts";

export const LOOPBACK: Address = { kind: "tcp", host: "127.0.0.1", port: 0 };
const encoder = new TextEncoder();

/**
 * `greeting` is sent as soon as there is a session, so that a peer that should have none can be seen to get nothing;
 * with `remembers` false an address with a good session is treated as before.
 */
export function testServer(
  options: {
    address?: Address;
    guard?: Guard;
    greeting?: string;
    known?: Identity;
    remembers?: boolean;
  } = {},
) {
  const identity = newIdentity();
  const known = options.known ?? newIdentity();
  const guard = options.guard ?? new Guard();
  const noted = {
    sessions: [] as Connection[],
    /** Connections whose key was proved but is not known. */
    refused: [] as Connection[],
    decided: 0,
    strangers: [] as string[],
  };
  const listener = listen<true>({
    address: options.address ?? LOOPBACK,
    identity,
    gate: guard,
    decide: (key) => {
      noted.decided += 1;
      if (Buffer.compare(key, known.spkiHash) === 0) return { ok: true, grant: true };
      return { ok: false, error: new SockError("unknown", "this server does not know that key") };
    },
    accept: (connection, _grant, candidate) => {
      guard.leave(candidate, options.remembers ?? true);
      noted.sessions.push(connection);
      if (options.greeting !== undefined) connection.write(encoder.encode(options.greeting));
    },
    refuse: (connection) => {
      noted.refused.push(connection);
      connection.end();
    },
    stranger: (_address, what) => noted.strangers.push(what),
  });
  const address: Address =
    options.address?.kind === "unix"
      ? options.address
      : { kind: "tcp", host: "127.0.0.1", port: listener.port };
  return {
    identity,
    known,
    guard,
    noted,
    address,
    port: listener.port,
    /** A client that proves `as`, at `at` instead of here. */
    connect: (
      as = known,
      at: readonly Address[] = [address],
      more: { timeoutMs?: number; signal?: AbortSignal } = {},
    ) => connect({ addresses: at, pin: identity.spkiHash, identity: as, ...more }),
    [Symbol.dispose](): void {
      listener.stop();
      guard.stop();
      for (const connection of [...noted.sessions, ...noted.refused]) connection.terminate();
    },
  };
}

export type TestServer = ReturnType<typeof testServer>;

/** Both ends of one session; `at` is where the client connects when not to the server itself. */
export async function link(
  server: TestServer,
  at?: Address,
): Promise<{ client: Connection; session: Connection }> {
  const before = server.noted.sessions.length;
  const client = await server.connect(server.known, at === undefined ? undefined : [at]);
  const session = await until(() => server.noted.sessions[before], "the server's session");
  return { client, session };
}

/** What a connection brings and how it ends, without a channel. */
export function collect(connection: Connection) {
  const seen = { bytes: 0, text: "", closed: false, error: undefined as SockError | undefined };
  connection.listen({
    bytes: (chunk) => {
      seen.bytes += chunk.length;
      if (seen.text.length < 64) seen.text += Buffer.from(chunk.subarray(0, 64)).toString("latin1");
    },
    ended: () => connection.end(),
    closed: (error) => {
      seen.closed = true;
      seen.error = error;
    },
  });
  return seen;
}
