import { SockError } from "../errors.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { CONNECT_TIMEOUT_MS, NEXT_ADDRESS_MS } from "../protocol/constants.ts";
import { Connection } from "./connection.ts";
import type { Identity } from "./identity.ts";
import { clientTls, serverMismatch } from "./tls.ts";

export interface ConnectOptions {
  addresses: readonly Address[];
  /** SHA-256 of the server's SPKI. */
  pin: Uint8Array;
  identity: Identity;
  timeoutMs?: number;
  signal?: AbortSignal;
}

type Endpoint = { hostname: string; port: number } | { unix: string };

/** Which failure of several says most: a server that answers wrongly beats one that does not answer. */
const TELLING = ["wrong-server", "not-sock", "lost", "silent", "refused", "unreachable"];

/**
 * Connects to the first of the addresses that proves to be the pinned server; all are tried, each a moment after the one
 * before (RFC 8305). Throws SockError `wrong-server`, `not-sock`, `silent`, `refused`, `unreachable`, `timeout`.
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const timeout = options.timeoutMs ?? CONNECT_TIMEOUT_MS;
  const race = new Race(options, timeout);
  try {
    return await race.run();
  } finally {
    race.close();
  }
}

class Race {
  readonly #options: ConnectOptions;
  readonly #timeout: number;
  readonly #failures: SockError[] = [];
  readonly #open = new Set<() => void>();
  #timers: ReturnType<typeof setTimeout>[] = [];
  #forget = (): void => {};
  #over = false;

  constructor(options: ConnectOptions, timeout: number) {
    this.#options = options;
    this.#timeout = timeout;
  }

  run(): Promise<Connection> {
    const { signal, addresses } = this.#options;
    return new Promise((resolve, reject) => {
      const settle = (connection: Connection): boolean => {
        if (this.#over) return false;
        this.#over = true;
        resolve(connection);
        return true;
      };
      const stop = (error: SockError): void => {
        if (this.#over) return;
        this.#over = true;
        reject(error);
      };
      const expire = (): void => {
        this.#failures.push(this.#silence());
        stop(this.#worst() ?? this.#silence());
      };
      this.#timers.push(setTimeout(expire, this.#timeout));
      if (signal?.aborted === true) stop(aborted(signal));
      if (signal !== undefined) {
        const onAbort = (): void => stop(aborted(signal));
        signal.addEventListener("abort", onAbort, { once: true });
        this.#forget = () => signal.removeEventListener("abort", onAbort);
      }
      this.#all(settle).then(
        () => stop(this.#worst() ?? this.#silence()),
        (thrown: unknown) => {
          if (!this.#over) reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
        },
      );
      if (addresses.length === 0)
        stop(
          new SockError(
            "unreachable",
            "the join code names no address",
            "sock hosts set NAME address=HOST:PORT",
          ),
        );
    });
  }

  close(): void {
    this.#over = true;
    this.#forget();
    for (const timer of this.#timers) clearTimeout(timer);
    for (const end of this.#open) end();
  }

  /** Resolves when every attempt has failed. */
  async #all(settle: (connection: Connection) => boolean): Promise<void> {
    const attempts: Promise<void>[] = [];
    let previous: Promise<void> = Promise.resolve();
    for (const address of this.#options.addresses) {
      for (const endpoint of await this.#resolve(address)) {
        if (this.#over) return;
        const failed = this.#attempt(endpoint, settle);
        attempts.push(failed);
        previous = failed;
        await Promise.race([previous, this.#sleep(NEXT_ADDRESS_MS)]);
      }
    }
    await Promise.all(attempts);
  }

  async #resolve(address: Address): Promise<Endpoint[]> {
    if (address.kind === "unix") return [{ unix: address.path }];
    const { host, port } = address;
    if (/^[\d.]+$/.test(host) || host.includes(":")) return [{ hostname: host, port }];
    try {
      const found = await Promise.race([Bun.dns.lookup(host, { family: 0 }), this.#sleep(this.#timeout)]);
      return (found ?? []).map((entry) => ({ hostname: entry.address, port }));
    } catch {
      this.#failures.push(
        new SockError(
          "unreachable",
          `the name ${host} is not known here`,
          "is it spelled right? sock hosts shows it",
        ),
      );
      return [];
    }
  }

  /** Resolves when the attempt has failed, and never when it won. */
  #attempt(endpoint: Endpoint, settle: (connection: Connection) => boolean): Promise<void> {
    const { identity, pin } = this.#options;
    const shown =
      "unix" in endpoint
        ? `unix:${endpoint.unix}`
        : formatAddress({ kind: "tcp", host: endpoint.hostname, port: endpoint.port });
    return new Promise((resolve) => {
      let connection: Connection | undefined;
      let opened = false;
      let end = (): void => {};
      const fail = (error: SockError): void => {
        this.#open.delete(end);
        this.#failures.push(new SockError(error.code, `${shown}: ${error.message}`, error.hint));
        resolve();
      };
      const handlers = {
        open: (socket: Bun.Socket<undefined>): void => {
          opened = true;
          end = () => socket.terminate();
          if (this.#over) end();
          else this.#open.add(end);
        },
        handshake: (socket: Bun.Socket<undefined>, ok: boolean, error: Error | null): void => {
          if (connection !== undefined) return;
          const mismatch = serverMismatch(socket, ok, error, pin);
          if (mismatch === undefined) {
            connection = new Connection(socket);
            this.#open.delete(end);
            if (settle(connection)) return;
          }
          // inside the callback: TLS's last flight, with our certificate, has not left yet
          socket.terminate();
          fail(mismatch ?? new SockError("lost", "another address was faster"));
        },
        data: (_socket: Bun.Socket<undefined>, chunk: Uint8Array): void => connection?.onData(chunk),
        drain: (): void => connection?.onDrain(),
        error: (_socket: Bun.Socket<undefined>, error: Error): void => connection?.onClose(error),
        close: (_socket: Bun.Socket<undefined>, error?: Error): void => {
          if (connection !== undefined) connection.onClose(error);
          else fail(new SockError("lost", "the connection was closed before the server proved its key"));
        },
        connectError: (_socket: Bun.Socket<undefined>, error: Error): void => {
          if (!opened) fail(connectFailure(error));
        },
      };
      const tls = clientTls(identity);
      const opening =
        "unix" in endpoint
          ? Bun.connect<undefined>({ unix: endpoint.unix, tls, data: undefined, socket: handlers })
          : Bun.connect<undefined>({
              hostname: endpoint.hostname,
              port: endpoint.port,
              tls,
              data: undefined,
              socket: handlers,
            });
      // connectError has said it already; this is for what never became an attempt
      opening.catch((thrown: unknown) => {
        if (!opened) fail(connectFailure(thrown));
      });
    });
  }

  #sleep(ms: number): Promise<undefined> {
    return new Promise((resolve) => {
      this.#timers.push(setTimeout(() => resolve(undefined), ms));
    });
  }

  #worst(): SockError | undefined {
    return this.#failures.toSorted((a, b) => TELLING.indexOf(a.code) - TELLING.indexOf(b.code))[0];
  }

  #silence(): SockError {
    const where = this.#options.addresses.map(formatAddress).join(", ");
    return new SockError(
      "silent",
      `no answer from ${where} within ${this.#timeout / 1000} s`,
      "a firewall or security group in between drops it? the port must be open for tcp",
    );
  }
}

function connectFailure(thrown: unknown): SockError {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  switch (code) {
    case "ECONNREFUSED":
      return new SockError(
        "refused",
        "connection refused: the machine answers, but nothing listens there",
        "is sock serve running there, on this port?",
      );
    case "ENOENT":
      return new SockError("refused", "no such socket", "is sock serve running?");
    case "ENOTFOUND":
      return new SockError("unreachable", "the name is not known here", "is it spelled right?");
    case "ETIMEDOUT":
      return new SockError("silent", "no answer", "a firewall in between drops it?");
    default:
      return new SockError("unreachable", `can't be reached${code === "" ? "" : ` (${code})`}`);
  }
}

function aborted(signal: AbortSignal): SockError {
  return signal.reason instanceof SockError ? signal.reason : new SockError("interrupted", "stopped");
}
