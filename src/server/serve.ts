import { SockError } from "../errors.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { DRAIN_MS, GRANTS_POLL_MS } from "../protocol/constants.ts";
import { Channel } from "../transport/channel.ts";
import type { Connection } from "../transport/connection.ts";
import type { Identity } from "../transport/identity.ts";
import { type Candidate, type Listener, listen } from "../transport/listen.ts";
import { answer } from "./answer.ts";
import type { Report, ServerEvent } from "./events.ts";
import { grantId } from "./grant.ts";
import type { Grant } from "./grants.ts";
import { Guard } from "./guard.ts";
import { Session, type ServerContext } from "./session.ts";

export interface ServeOptions {
  readonly identity: Identity;
  readonly context: ServerContext;
  /** Where to listen; port 0 is chosen once for all. */
  readonly addresses: readonly Address[];
  /** These may fail for want of IPv6; a warning says so. */
  readonly optional?: readonly Address[];
}

/** Tries at one free port for several addresses. */
const PORT_TRIES = 20;
/** How often a server that is to stop looks for terminals in which nothing runs any more, ms. */
const IDLE_LOOK_MS = 100;
/** Lines about strangers: a burst of so many, then one a second. */
const STRANGER_BURST = 5;

/** Listens, and keeps the sessions. */
export class Server {
  readonly addresses: Address[] = [];
  readonly #listeners: Listener[] = [];
  readonly #sessions = new Set<Session>();
  readonly #guard = new Guard();
  readonly #context: ServerContext;
  #poll: ReturnType<typeof setInterval> | undefined;
  readonly #report: Report;
  #idle: (() => void) | undefined;

  private constructor(options: ServeOptions) {
    this.#context = options.context;
    this.#report = fewStrangers(options.context.report);
  }

  /** Throws what `listen` throws; nothing is left open then. */
  static async start(options: ServeOptions): Promise<Server> {
    const server = new Server(options);
    await server.#open(options);
    server.#poll = setInterval(() => server.#followGrants(), GRANTS_POLL_MS);
    return server;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** No new sessions; those that are at work may finish, for DRAIN_MS at most. Returns how many did not. */
  async drain(): Promise<number> {
    for (const listener of this.#listeners.splice(0)) listener.stop();
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    for (const session of this.#sessions) session.drain();
    // who only talks has nothing to finish
    this.#context.room.close();
    // a shell that waits for a command has nothing to finish either, which takes two looks; one whose program ends is next
    const stopped = new SockError("draining", "the server was stopped");
    const endIdle = (): void => this.#context.terminals.endIdle(stopped);
    const looking = setInterval(endIdle, IDLE_LOOK_MS);
    endIdle();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DRAIN_MS);
    });
    if (this.#sessions.size > 0) await Promise.race([idle, late]);
    clearTimeout(timer);
    clearInterval(looking);
    const cut = this.#sessions.size;
    this.stop();
    await this.#context.terminals.close();
    return cut;
  }

  stop(): void {
    clearInterval(this.#poll);
    this.#guard.stop();
    for (const listener of this.#listeners.splice(0)) listener.stop();
    this.#context.udp.close();
    for (const session of this.#sessions) {
      session.stop(new SockError("draining", "the server was stopped"));
      session.channel.connection.terminate();
    }
  }

  /** TCP and UDP on the same port, a free one for all where 0 is asked for. */
  async #open(options: ServeOptions): Promise<void> {
    const wanted = [...options.addresses, ...(options.optional ?? [])];
    const free = wanted.some((address) => address.kind === "tcp" && address.port === 0);
    for (let attempt = 1; ; attempt++) {
      const listeners: Listener[] = [];
      const addresses: Address[] = [];
      let port = 0;
      try {
        for (const address of wanted) {
          const bound = address.kind === "tcp" && address.port === 0 ? { ...address, port } : address;
          const listener = this.#one(options, bound, !options.addresses.includes(address));
          if (listener === undefined) continue;
          if (address.kind === "tcp" && address.port === 0) port = listener.port;
          listeners.push(listener);
          addresses.push(bound.kind === "tcp" ? { ...bound, port: listener.port } : bound);
        }
        for (const [at, listener] of listeners.entries()) {
          const address = addresses[at];
          if (address !== undefined) await this.#context.udp.open(address, listener.port);
        }
        this.#listeners.push(...listeners);
        this.addresses.push(...addresses);
        return;
      } catch (thrown) {
        for (const listener of listeners) listener.stop();
        this.#context.udp.close(true);
        const taken = thrown instanceof SockError && thrown.code === "port-in-use";
        if (!free || !taken || attempt === PORT_TRIES) throw thrown;
      }
    }
  }

  #one(options: ServeOptions, address: Address, optional: boolean): Listener | undefined {
    try {
      return listen<Grant>({
        address,
        identity: options.identity,
        gate: this.#guard,
        decide: (key, from) => {
          const { grants } = this.#context;
          let found = grants.lookup(key, from, Date.now());
          if (!found.ok && found.code === "unknown") {
            // a code that was made a moment ago; costs one stat when it was not
            grants.poll();
            found = grants.lookup(key, from, Date.now());
          }
          if (found.ok) return found;
          return { ok: false, error: new SockError(found.code, found.message) };
        },
        accept: (connection, grant, candidate) => {
          if (this.#idle !== undefined) {
            new Channel(connection).refuse(new SockError("draining", "the server is stopping"));
            return;
          }
          this.#session(connection, grant, candidate).catch((thrown: unknown) => {
            this.#report({ type: "warning", what: `a session failed: ${String(thrown)}` });
          });
        },
        refuse: (connection, error) => {
          new Channel(connection).refuse(error);
          this.#report(refusal(connection.address, error));
        },
        stranger: (from, what) => this.#report({ type: "refused", address: from, code: "stranger", what }),
      });
    } catch (thrown) {
      if (!optional || (thrown instanceof SockError && thrown.code === "port-in-use")) throw thrown;
      this.#report({ type: "warning", what: `not on ${formatAddress(address)}: this machine has no IPv6` });
      return undefined;
    }
  }

  async #session(connection: Connection, grant: Grant, candidate: Candidate): Promise<void> {
    const session = new Session(this.#context, connection, grant);
    this.#sessions.add(session);
    try {
      await session.greet();
      this.#guard.leave(candidate, true);
      await session.serve(answer);
    } catch (thrown) {
      const error = thrown instanceof SockError ? thrown : new SockError("internal", String(thrown));
      if (session.channel.failure === undefined) session.channel.refuse(error);
      if (error.code !== "lost" && error.code !== "draining") {
        this.#report(refusal(connection.address, error, grant.name));
      }
    } finally {
      this.#guard.leave(candidate, false);
      session.ended();
      // its last answers may still be on their way
      await connection.gone();
      this.#sessions.delete(session);
      if (this.#sessions.size === 0) this.#idle?.();
    }
  }

  #followGrants(): void {
    const { grants } = this.#context;
    grants.poll();
    for (const session of this.#sessions) {
      const verdict = grants.check(session.grant.id, Date.now());
      if (verdict.ok) session.grant = verdict.grant;
      else session.stop(new SockError(verdict.code, verdict.message));
    }
    this.#context.terminals
      .keepOnly((owner) => grants.check(grantId(owner), Date.now()).ok)
      .catch(() => undefined);
  }
}

function refusal(address: string, error: SockError, who?: string): ServerEvent {
  const what = who === undefined ? error.message : `${who}: ${error.message}`;
  return {
    type: "refused",
    address,
    code: error.code,
    what,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}

/** Whatever strangers send, the log grows by a line a second at most; the next line counts what was left out. */
function fewStrangers(report: Report): Report {
  let tokens = STRANGER_BURST;
  let at = performance.now();
  let left = 0;
  return (event) => {
    if (event.type !== "refused") {
      report(event);
      return;
    }
    const now = performance.now();
    tokens = Math.min(STRANGER_BURST, tokens + (now - at) / 1000);
    at = now;
    if (tokens < 1) {
      left += 1;
      return;
    }
    tokens -= 1;
    report(left === 0 ? event : { ...event, what: `${event.what} (and ${left} more)` });
    left = 0;
  };
}
