import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { SockError } from "../errors.ts";
import type { BlockPool } from "../files/blocks.ts";
import {
  DRAIN_MS,
  FEATURE_ZSTD,
  FINISH_MS,
  MAX_BODY_BYTES,
  MAX_HEADER_BYTES,
  PROTOCOL_VERSION,
} from "../protocol/constants.ts";
import { checkMust, type Frame } from "../protocol/frame.ts";
import { type ClientMessage, parseClientMessage } from "../protocol/messages.ts";
import { Channel, type ReceivedFrame } from "../transport/channel.ts";
import type { Connection } from "../transport/connection.ts";
import type { Claims } from "./claims.ts";
import type { Report } from "./events.ts";
import type { Grant, Grants } from "./grants.ts";
import type { DelayedEchoes, ImpairedEchoes } from "./impaired-echoes.ts";
import type { Rails } from "./rails.ts";
import type { Room } from "./room.ts";
import type { Shares } from "./shares.ts";
import type { Terminals } from "./terminals.ts";
import type { UdpRuns } from "./udp-runs.ts";
import { VERSION } from "../version.ts";

/** What every session of one server shares. */
export interface ServerContext {
  readonly grants: Grants;
  readonly shares: Shares;
  readonly report: Report;
  /** Charset of this machine's locale or console, as TextDecoder names it. */
  readonly encoding: string | null;
  readonly pool: BlockPool;
  readonly claims: Claims;
  readonly rails: Rails;
  readonly terminals: Terminals;
  readonly room: Room;
  /** What runs in a terminal; undefined for the login shell of the user who serves. */
  readonly loginShell: string | undefined;
  readonly udp: UdpRuns;
  /** `--impair`; undefined: echoes go back at once. */
  readonly impairedEchoes: ImpairedEchoes | undefined;
}

/** A client that has not said `finish` after this is asked whether it has read what it owes that for, ms. */
const FINISH_ASK_MS = 500;

/** The capabilities that this version has verbs for; a grant may name others, for later ones. */
export const ANSWERED: readonly string[] = ["echo", "udp", "chat", "put", "get", "ls", "exec", "shell"];

type ClientHello = Extract<ClientMessage, { type: "hello" }>;

/** What it returns is waited for. */
export type Answer = (session: Session, message: ClientMessage, frame: Frame) => Promise<void> | undefined;

/** One authorised client, from its `hello` to its end; requests are answered one after another. */
export class Session {
  readonly context: ServerContext;
  readonly channel: Channel;
  /** Replaced when the owner changes it meanwhile. */
  grant: Grant;
  /** Hash of the secret that all connections of one run of the client share. */
  run = "";
  /** Whether the client takes packed frames. */
  packs = false;
  /** Whether a request is being answered. */
  busy = false;
  #draining = false;
  #stopped: SockError | undefined;
  #delayed: DelayedEchoes | undefined;
  readonly #since = performance.now();
  #echoes = 0;
  #echoBytes = 0;

  constructor(context: ServerContext, connection: Connection, grant: Grant) {
    this.context = context;
    this.grant = grant;
    this.channel = new Channel(connection);
  }

  get address(): string {
    return this.channel.connection.address;
  }

  /** Those that wait for their time; undefined where none has to. */
  get echoes(): DelayedEchoes | undefined {
    this.#delayed ??= this.context.impairedEchoes?.over(this.channel);
    return this.#delayed;
  }

  /** Reads the client's `hello`, takes the use that it costs, answers. Throws what refuses it. */
  async greet(): Promise<void> {
    const hello = this.#hello(await this.channel.next());
    if (hello.min > PROTOCOL_VERSION || hello.max < PROTOCOL_VERSION) {
      throw new SockError(
        "version",
        `the client speaks versions ${hello.min} to ${hello.max}, this server ${PROTOCOL_VERSION} (sock ${VERSION})`,
        "use the same sock on both machines",
      );
    }
    this.run = createHash("sha256").update(hello.run).digest("hex");
    // an enrol code's use is taken by the key that it brings
    if (this.grant.kind !== "enrol") {
      const use = this.context.grants.takeUse(this.grant, this.run, this.address);
      if (!use.ok) throw new SockError(use.code, use.message);
    }
    this.channel.open(true);
    this.packs = hello.features.includes(FEATURE_ZSTD);
    this.channel.send({
      type: "hello",
      min: PROTOCOL_VERSION,
      max: PROTOCOL_VERSION,
      sock: VERSION,
      features: [FEATURE_ZSTD],
      platform: process.platform,
      name: hostname(),
      caps: this.grant.kind === "enrol" ? [] : this.grant.caps.filter((cap) => ANSWERED.includes(cap)),
      encoding: this.context.encoding,
      limits: { header: MAX_HEADER_BYTES, body: MAX_BODY_BYTES },
      key: this.grant.name,
    });
  }

  /** Hands requests to `answer`, one after another, until the client says `bye` or the connection ends. */
  async serve(answer: Answer): Promise<void> {
    for (;;) {
      const frame = await this.#frame();
      const message = parseClientMessage(frame.header);
      // answers keep the order of what was asked
      if (message.type !== "echo") await this.#delayed?.flush();
      if (message.type === "bye") break;
      this.busy = true;
      try {
        const answering = answer(this, message, frame);
        if (answering !== undefined) await answering;
        // who does not read the answers is not read either
        if (this.channel.congested) await this.channel.ready();
      } finally {
        this.busy = false;
      }
      if (this.#draining) break;
    }
    this.channel.end();
    // what else it sends is not heard
    this.channel.fail(new SockError("lost", "the session is over"));
  }

  /** The next frame of a request that has several. */
  async next(): Promise<{ message: ClientMessage; frame: ReceivedFrame }> {
    const frame = await this.#frame();
    return { message: parseClientMessage(frame.header), frame };
  }

  /** Waits for what the client owes when it has read all that was sent; one that says nothing then is cut off. */
  async owed<T>(answer: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isAnswered = false;
    const cutOff = (): void =>
      this.stop(new SockError("protocol", `no finish came within ${FINISH_MS / 1000} s`));
    const ask = async (): Promise<void> => {
      await this.channel.reached();
      if (!isAnswered) timer = setTimeout(cutOff, FINISH_MS);
    };
    // most have answered by then, and are not asked
    timer = setTimeout(() => void ask().catch(() => undefined), FINISH_ASK_MS);
    try {
      return await answer;
    } finally {
      isAnswered = true;
      clearTimeout(timer);
    }
  }

  /** Called when it is over, however. */
  ended(): void {
    if (this.#echoes > 0)
      this.report(
        "echo",
        `${this.#echoes} round trip${this.#echoes === 1 ? "" : "s"}`,
        this.#echoBytes,
        this.#since,
        "ok",
      );
  }

  /** Ends the session at once and tells the client why; what has come of it and was not looked at yet is dropped. */
  stop(error: SockError): void {
    this.#stopped ??= error;
    this.channel.refuse(error);
  }

  /** Tells the client that the server goes; a session without a request ends at once. */
  drain(): void {
    this.#draining = true;
    this.channel.send({ type: "closing", reason: "the server was told to stop" });
    // answers may still be on their way
    if (!this.busy) this.channel.refuse(new SockError("draining", "the server is stopping"), DRAIN_MS);
  }

  /** For the one line that all echoes of a session get. */
  countEcho(bytes: number): void {
    this.#echoes += 1;
    this.#echoBytes += bytes;
  }

  allows(capability: string): boolean {
    return this.grant.caps.includes(capability) && this.context.rails.answers(capability);
  }

  /** One line for the owner. */
  report(verb: string, what: string, bytes: number, started: number, outcome: string): void {
    const ms = performance.now() - started;
    const who = this.grant.name;
    this.context.report({
      type: "request",
      verb,
      who,
      address: this.address,
      what: what.toWellFormed(),
      bytes,
      ms,
      outcome,
    });
  }

  #frame(): Promise<ReceivedFrame> | ReceivedFrame {
    if (this.#stopped !== undefined) throw this.#stopped;
    return this.channel.next();
  }

  #hello(frame: Frame): ClientHello {
    checkMust(frame.header, []);
    const message = parseClientMessage(frame.header);
    if (message.type !== "hello")
      throw new SockError("protocol", `the first frame is ${message.type}, not hello`);
    return message;
  }

  /** Throws `capability` with the line that would allow it. */
  require(capability: string): void {
    if (this.allows(capability)) return;
    const { name, caps } = this.grant;
    if (caps.includes(capability)) throw this.context.rails.refusal(capability);
    throw new SockError(
      "capability",
      `the key ${name} does not allow ${capability}`,
      `on the server: sock clients allow ${name} ${capability}`,
    );
  }
}
