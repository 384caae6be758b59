import type { Socket } from "bun";
import { SockError } from "../errors.ts";
import type { Address } from "../protocol/address.ts";
import { Connection, unwrapAddress } from "./connection.ts";
import type { Identity } from "./identity.ts";
import { provenClientKey, serverTls } from "./tls.ts";

/** A socket on its way to a session; the gate may make it wait, and ends it when it takes too long. */
export interface Candidate {
  readonly address: string;
  /** Its turn: TLS may begin. */
  start(): void;
  close(): void;
}

export interface Gate {
  arrive(candidate: Candidate): void;
  /** TLS is done and the key is known. */
  proved(candidate: Candidate): void;
  /** It has a session now, or is gone. */
  leave(candidate: Candidate, session: boolean): void;
}

export type Verdict<Grant> = { ok: true; grant: Grant } | { ok: false; error: SockError };

export interface ListenOptions<Grant> {
  address: Address;
  identity: Identity;
  gate: Gate;
  /** Synchronous and from memory: it runs inside the handshake. */
  decide(key: Uint8Array, address: string): Verdict<Grant>;
  accept(connection: Connection, grant: Grant, candidate: Candidate): void;
  /** With a key of its own, but not one that may come in. */
  refuse(connection: Connection, error: SockError): void;
  /** Without any key, or no TLS at all; for the log. */
  stranger(address: string, what: string): void;
}

interface State {
  candidate: Candidate | undefined;
  connection: Connection | undefined;
  proved: boolean;
}

/** One listening socket; `port` is the bound one, 0 for a unix socket. */
export interface Listener {
  readonly port: number;
  stop(): void;
}

/** Throws SockError `port-in-use`, `permission` or `usage` (an address that is not this machine's). */
export function listen<Grant>(options: ListenOptions<Grant>): Listener {
  const { address, gate } = options;
  const shared = {
    tls: serverTls(options.identity),
    // otherwise Bun closes when the peer ends its half, and what is queued for it is lost
    allowHalfOpen: true,
    data: { candidate: undefined, connection: undefined, proved: false },
    socket: {
      data(socket: Socket<State>, chunk: Uint8Array) {
        socket.data.connection?.onData(chunk);
      },
      open(socket: Socket<State>) {
        const remote = unwrapAddress(socket.remoteAddress);
        if (address.kind === "tcp" && remote === "") {
          socket.data = { candidate: undefined, connection: undefined, proved: false };
          socket.terminate();
          return;
        }
        // TLS begins when the gate says so
        socket.pause();
        const candidate: Candidate = {
          address: remote,
          start: () => socket.resume(),
          close: () => socket.terminate(),
        };
        socket.data = { candidate, connection: undefined, proved: false };
        gate.arrive(candidate);
      },
      handshake(socket: Socket<State>, ok: boolean, error: Error | null) {
        const { candidate } = socket.data;
        if (candidate === undefined) return;
        const key = provenClientKey(socket, ok);
        if (key === undefined) {
          options.stranger(candidate.address, ok ? "no key" : describe(error));
          socket.terminate();
          return;
        }
        socket.data.proved = true;
        gate.proved(candidate);
        const connection = new Connection(socket);
        socket.data.connection = connection;
        const verdict = options.decide(key, candidate.address);
        if (verdict.ok) options.accept(connection, verdict.grant, candidate);
        else options.refuse(connection, verdict.error);
      },
      drain(socket: Socket<State>) {
        socket.data.connection?.onDrain();
      },
      end(socket: Socket<State>) {
        const { connection } = socket.data;
        if (connection === undefined) socket.terminate();
        else connection.onEnd();
      },
      error(socket: Socket<State>, error: Error) {
        socket.data.connection?.onClose(error);
      },
      close(socket: Socket<State>, error?: Error) {
        const { candidate, connection } = socket.data;
        if (candidate !== undefined) gate.leave(candidate, false);
        connection?.onClose(error);
      },
    },
  };
  try {
    if (address.kind === "unix") {
      const listener = Bun.listen<State>({ ...shared, unix: address.path });
      return { port: 0, stop: () => listener.stop(false) };
    }
    // the types don't know ipv6Only; without it [::] would take the IPv4 port too
    const tcp = {
      ...shared,
      hostname: address.host,
      port: address.port,
      ipv6Only: address.host.includes(":"),
    };
    const listener = Bun.listen<State>(tcp);
    return { port: listener.port, stop: () => listener.stop(false) };
  } catch (thrown) {
    throw listenFailure(thrown, address);
  }
}

function describe(error: Error | null): string {
  const code = error !== null && "code" in error ? String(error.code) : "";
  return code === "ECONNRESET" ? "left during TLS" : "no TLS 1.3 of ours";
}

function listenFailure(thrown: unknown, address: Address): SockError {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const where = address.kind === "unix" ? `unix:${address.path}` : `${address.host} port ${address.port}`;
  switch (code) {
    case "EADDRINUSE":
      return new SockError(
        "port-in-use",
        `${where} is in use`,
        "another sock serve? sock serve --listen HOST:PORT takes another one",
      );
    case "EACCES":
    case "EPERM":
      return new SockError("permission", `may not listen on ${where}`, "ports below 1024 need privileges");
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new SockError(
        "usage",
        `${where} is not an address of this machine`,
        "sock serve --listen 0.0.0.0:7625",
      );
    default:
      return new SockError("failed", `can't listen on ${where}${code === "" ? "" : ` (${code})`}`);
  }
}
