/** `sock chat` with a peer that speaks no sock: text both ways, until one says `q` or closes. */
import { SockError } from "../errors.ts";
import { formatPlain, type PlainAddress, type PlainUrl } from "../plain/address.ts";
import { chat, isLeave, LEAVE } from "../plain/chat.ts";
import { asLine } from "../plain/dialect.ts";
import { ALONE_MS } from "../plain/limits.ts";
import type { Peer } from "../plain/peer.ts";
import { listenForPeers } from "../plain/socket.ts";
import { encodeText } from "../text/encoder.ts";
import { escapeForDisplay } from "../text/escape.ts";
import type { ChatScreen } from "./chat-screen.ts";
import { connected } from "./plain-client.ts";
import { type DialectGiven, tracer } from "./plain-options.ts";
import type { TextChoice } from "./text-options.ts";
import { TextOutput } from "./text-output.ts";
import type { Context } from "./verb.ts";

export interface TalkOptions {
  readonly given: DialectGiven;
  readonly text: TextChoice;
  readonly screen: ChatScreen;
}

/** Longest part of what came at once that is shown as one, characters. */
const LONGEST_SHOWN = 4_000;

/** Talks with one that listens, until either leaves. */
export async function talkTo(context: Context, url: PlainUrl, options: TalkOptions): Promise<void> {
  const address = checked(url, options.given);
  const talk = new Talk(context, options);
  try {
    const peer = await connected(context, address, options.given.trace);
    options.screen.notice(`* connected to ${escapeForDisplay(peer.name)}; q leaves`);
    await talk.until(async () => talk.with(peer));
  } finally {
    await talk.close();
  }
}

/** Waits for somebody, talks, and waits for the next, until what is typed here ends. */
export async function talkAt(context: Context, url: PlainUrl, options: TalkOptions): Promise<void> {
  const talk = new Talk(context, options);
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => undefined);
  const listener = await listenForPeers(
    checked(url, options.given),
    () => ({ trace: tracer(context, options.given.trace) }),
    (peer) => {
      if (!talk.isFree) refuse(peer);
      else talk.with(peer).catch((thrown: unknown) => over.reject(thrown));
    },
  );
  const where = formatPlain(listener.address);
  const at = listener.address;
  context.json.emit({ type: "listening", address: where, ...(at.kind === "unix" ? {} : { port: at.port }) });
  options.screen.notice(`* waiting at ${where}: whoever can reach it can talk; q leaves`);
  try {
    await talk.until(async () => over.promise);
  } finally {
    listener.stop();
    await talk.close();
  }
}

function checked({ address, rest }: PlainUrl, given: DialectGiven): PlainAddress {
  const { dialect = chat.name } = given;
  if (dialect !== chat.name) {
    throw new SockError("usage", `--dialect: ${JSON.stringify(dialect)} is no chat`, `only ${chat.name}`);
  }
  if (rest !== "") throw new SockError("usage", "nothing may follow the port of a chat");
  if (address.kind === "udp")
    throw new SockError("usage", "a chat is not for UDP", "tcp://HOST:PORT, or unix:PATH");
  return address;
}

function refuse(peer: Peer): void {
  peer
    .write(asLine("somebody talks here already"))
    .then(async () => peer.finish())
    .catch(() => undefined);
}

class Talk {
  readonly #context: Context;
  readonly #options: TalkOptions;
  #peer: Peer | undefined;
  #arrived = Promise.withResolvers<void>();
  #talking: Promise<void> = Promise.resolve();
  #isOver = false;
  readonly #counts = { sent: 0, received: 0 };

  constructor(context: Context, options: TalkOptions) {
    this.#context = context;
    this.#options = options;
  }

  get isFree(): boolean {
    return this.#peer === undefined;
  }

  /** Talks with a peer until it leaves. Throws what our side failed with. */
  async with(peer: Peer): Promise<void> {
    this.#talking = this.#hear(peer);
    await this.#talking;
  }

  async #hear(peer: Peer): Promise<void> {
    const { screen, text } = this.#options;
    this.#peer = peer;
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers<void>();
    this.#context.json.emit({ type: "came", name: peer.name });
    screen.notice(`* ${escapeForDisplay(peer.name)} is here`);
    const decoder = new TextDecoder();
    const shown = new TextOutput({ ...text, out: "utf-8" }, async (bytes) =>
      this.#show(peer, decoder.decode(bytes, { stream: true })),
    );
    try {
      for (let piece = await heard(peer); piece !== undefined && !isLeave(piece); piece = await heard(peer)) {
        this.#counts.received += piece.length;
        await shown.push(piece);
      }
      await shown.end();
    } finally {
      this.#peer = undefined;
      peer.close();
      this.#context.json.emit({ type: "left", name: peer.name });
      if (!this.#isOver) screen.notice(`* ${escapeForDisplay(peer.name)} left`);
    }
  }

  /** Sends what is typed, until its end or the end of `work`. */
  async until(work: () => Promise<void>): Promise<void> {
    await Promise.race([work(), this.#say()]);
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#options.screen.close();
    this.#peer?.close();
    // its end comes before ours
    await this.#talking.catch(() => undefined);
    this.#context.json.result({ dialect: chat.name, ...this.#counts });
  }

  async #show(peer: Peer, text: string): Promise<void> {
    for (let at = 0; at < text.length; at += LONGEST_SHOWN) {
      await this.#options.screen.said(peer.name, text.slice(at, at + LONGEST_SHOWN));
    }
  }

  async #say(): Promise<void> {
    const { screen, text } = this.#options;
    for await (const line of screen.typed()) {
      if (line.trim() === LEAVE) break;
      if (line === "") continue;
      // a person sees that nobody is there; a pipe has time
      if (this.#peer === undefined && screen.isPerson) screen.notice("* nobody is here to hear it");
      while (this.#peer === undefined && !screen.isPerson) await this.#arrived.promise;
      const bytes = encodeText(line, text.send);
      // one that is gone hears nothing; its own end says so
      await this.#peer?.write(bytes).catch(() => undefined);
      this.#counts.sent += bytes.length;
    }
    await this.#leave();
  }

  async #leave(): Promise<void> {
    const peer = this.#peer;
    if (peer === undefined) return;
    // stuck to the last words it would be one of them
    await Bun.sleep(ALONE_MS);
    await peer.write(new TextEncoder().encode(LEAVE)).catch(() => undefined);
    await peer.flush().catch(() => undefined);
    await peer.end().catch(() => undefined);
  }
}

/** A line that broke is an end as well: nothing was promised. */
async function heard(peer: Peer): Promise<Uint8Array | undefined> {
  try {
    return await peer.read();
  } catch (thrown) {
    if (thrown instanceof SockError && thrown.code === "lost") return undefined;
    throw thrown;
  }
}
