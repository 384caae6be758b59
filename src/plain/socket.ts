/** Bun's sockets as peers: listening for them, and connecting to one. */
import type { Socket } from "bun";
import { SockError } from "../errors.ts";
import { errnoOf } from "../files/errno.ts";
import { removeStaleSockets } from "../files/unix-socket.ts";
import { CONNECT_TIMEOUT_MS } from "../protocol/constants.ts";
import { formatPlain, type PlainAddress } from "./address.ts";
import { PLAIN_KEEPALIVE_MS } from "./limits.ts";
import { Peer, type PeerOptions } from "./peer.ts";

interface State {
  peer: Peer | undefined;
}

/** `unix:#3` where there is no address to name a client by. */
export interface Arrived {
  readonly address: string;
  readonly name: string;
}

export interface StreamListener {
  /** With the port that was given. */
  readonly address: PlainAddress;
  stop(): void;
}

const handlers = {
  data(socket: Socket<State>, chunk: Uint8Array) {
    socket.data.peer?.onData(chunk);
  },
  drain(socket: Socket<State>) {
    socket.data.peer?.onDrain();
  },
  end(socket: Socket<State>) {
    socket.data.peer?.onEnd();
  },
  error(socket: Socket<State>, error: Error) {
    socket.data.peer?.onClose(error);
  },
  close(socket: Socket<State>, error?: Error) {
    socket.data.peer?.onClose(error);
  },
};

/**
 * Calls `accept` for each connection; what it gives back for one is read and written from then on, undefined ends it.
 * Throws SockError `port-in-use`, `permission`, `usage`.
 */
export async function listenForPeers(
  address: PlainAddress,
  accept: (arrived: Arrived) => PeerOptions | undefined,
  onPeer: (peer: Peer) => void,
): Promise<StreamListener> {
  let count = 0;
  const options = {
    // a peer that has sent all still wants its answer: `printf hi | nc -N`
    allowHalfOpen: true,
    data: { peer: undefined },
    socket: {
      ...handlers,
      open(socket: Socket<State>) {
        count += 1;
        const ip = socket.remoteAddress ?? "";
        const name = address.kind === "unix" ? `unix#${count}` : `${ip}:${socket.remotePort}`;
        const given = accept({ address: ip, name });
        if (given === undefined) {
          socket.data = { peer: undefined };
          socket.terminate();
          return;
        }
        socket.setNoDelay(true);
        // one that is gone without a word would keep its place
        if (address.kind === "tcp") socket.setKeepAlive(true, PLAIN_KEEPALIVE_MS);
        const peer = new Peer(socket, name, given);
        socket.data = { peer };
        onPeer(peer);
      },
    },
  };
  try {
    if (address.kind === "unix") {
      await removeStaleSockets([{ kind: "unix", path: address.path }]);
      const listener = Bun.listen<State>({ ...options, unix: address.path });
      return { address, stop: () => listener.stop(false) };
    }
    const { host, port } = address;
    const tcp = { ...options, hostname: host, port, ipv6Only: host.includes(":") };
    const listener = Bun.listen<State>(tcp);
    return { address: { ...address, port: listener.port }, stop: () => listener.stop(false) };
  } catch (thrown) {
    throw bindFailure(thrown, address);
  }
}

export function bindFailure(thrown: unknown, address: PlainAddress): SockError {
  const where = formatPlain(address);
  switch (errnoOf(thrown)) {
    case "EADDRINUSE":
      return address.kind === "unix"
        ? new SockError("port-in-use", `${where} is there already`, "another path, or remove what is there")
        : new SockError("port-in-use", `${where} is in use`, "port 0 takes any that is free");
    case "ENOENT":
    case "ENOTDIR":
      if (address.kind === "unix") return new SockError("failed", `${where}: there is no such folder`);
      return new SockError("failed", `can't listen on ${where} (${errnoOf(thrown) ?? ""})`);
    case "EACCES":
    case "EPERM":
      return new SockError("permission", `may not listen on ${where}`, "ports below 1024 need privileges");
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new SockError("usage", `${where} is not an address of this machine`);
    default:
      return new SockError("failed", `can't listen on ${where} (${errnoOf(thrown) ?? String(thrown)})`);
  }
}

export interface ConnectOptions extends PeerOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal: AbortSignal;
}

/** Throws SockError `refused`, `unreachable`, `silent`, and the reason of `signal`. */
export async function connectPeer(address: PlainAddress, options: ConnectOptions): Promise<Peer> {
  const timeout = options.timeoutMs ?? CONNECT_TIMEOUT_MS;
  const name = formatPlain(address);
  const { promise, resolve, reject } = Promise.withResolvers<Peer>();
  let over = false;
  const socket = {
    ...handlers,
    open(opened: Socket<State>) {
      if (over) {
        opened.terminate();
        return;
      }
      opened.setNoDelay(true);
      const peer = new Peer(opened, name, options);
      opened.data = { peer };
      resolve(peer);
    },
    connectError: (_socket: Socket<State>, error: Error) => reject(connectFailure(error, name)),
  };
  const timer = setTimeout(() => reject(silent(name, timeout)), timeout);
  const onAbort = (): void => reject(reasonOf(options.signal));
  options.signal.addEventListener("abort", onAbort, { once: true });
  const common = { allowHalfOpen: true, data: { peer: undefined }, socket };
  try {
    if (options.signal.aborted) throw reasonOf(options.signal);
    const opening =
      address.kind === "unix"
        ? Bun.connect<State>({ ...common, unix: address.path })
        : Bun.connect<State>({ ...common, hostname: address.host, port: address.port });
    opening.catch((thrown: unknown) => reject(connectFailure(thrown, name)));
    const peer = await promise;
    options.signal.addEventListener("abort", () => peer.close(), { once: true });
    return peer;
  } finally {
    over = true;
    clearTimeout(timer);
    options.signal.removeEventListener("abort", onAbort);
  }
}

function connectFailure(thrown: unknown, name: string): SockError {
  switch (errnoOf(thrown)) {
    case "ECONNREFUSED":
      return new SockError("refused", `${name}: connection refused: nothing listens there`);
    case "ENOENT":
      return new SockError("refused", `${name}: no such socket`);
    case "ENOTFOUND":
      return new SockError("unreachable", `${name}: the name is not known here`, "is it spelled right?");
    case "ETIMEDOUT":
      return new SockError("silent", `${name}: no answer`, "a firewall in between drops it?");
    default:
      return new SockError("unreachable", `${name}: can't be reached (${errnoOf(thrown) ?? String(thrown)})`);
  }
}

function silent(name: string, timeout: number): SockError {
  return new SockError(
    "silent",
    `${name}: no answer within ${timeout / 1000} s`,
    "a firewall in between drops it?",
  );
}

function reasonOf(signal: AbortSignal): SockError {
  return signal.reason instanceof SockError ? signal.reason : new SockError("interrupted", "stopped");
}
