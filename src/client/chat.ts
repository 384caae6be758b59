/** A chat at a server, seen from here: it goes on over as many connections as it takes, and no line is lost or doubled. */
import { SockError } from "../errors.ts";
import { MAX_UNHEARD, type Person } from "../protocol/chat-messages.ts";
import { MAX_CHAT_TEXT } from "../protocol/constants.ts";
import { retrying, type RetryOptions } from "./retry.ts";
import type { Session } from "./session.ts";

export type { Person } from "../protocol/chat-messages.ts";

export interface ChatOptions extends RetryOptions {
  /** What to be called; null: as the key. */
  readonly name: string | null;
  open(): Promise<Session>;
  /** In, by this name; also after each break. */
  onRoom(name: string, people: readonly Person[]): void;
  /** Until it resolves, nothing more is read. */
  onSaid(from: string, text: string): Promise<void>;
  onCame(person: Person): void;
  onLeft(name: string): void;
  /** So many others were told a line of ours. */
  onHeard(people: number): void;
}

export class Chat {
  readonly #options: ChatOptions;
  /** Lines that the server has not answered yet, and the number of the first. */
  readonly #unheard: string[] = [];
  #first = 1;
  #session: Session | undefined;
  #name: string | undefined;
  #leaving = false;
  #finished = false;
  #events = 0;
  #wake: (() => void) | undefined;
  /** Left while there was no connection, and nothing that needs one. */
  readonly #away = Promise.withResolvers<void>();

  constructor(options: ChatOptions) {
    this.#options = options;
  }

  /** Says a line, a long one in pieces; resolves when more may follow. */
  async say(text: string): Promise<void> {
    for (const piece of pieces(text)) {
      while (this.#unheard.length >= MAX_UNHEARD && !this.#finished) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      this.#unheard.push(piece);
      this.#send(this.#first + this.#unheard.length - 1, piece);
    }
  }

  /** Leaves as soon as all was heard. */
  leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    if (this.#unheard.length === 0 && this.#name !== undefined && this.#session === undefined) {
      this.#away.resolve();
    }
    this.#finishIfDone();
  }

  /** Resolves after `leave`. Throws what refused it, and `lost` where it can't be reached any more. */
  async run(): Promise<void> {
    try {
      const talking = retrying(
        async () => this.#once(),
        () => this.#events,
        this.#options,
      );
      await Promise.race([talking, this.#away.promise]);
    } finally {
      this.#finished = true;
      this.#wake?.();
    }
  }

  async #once(): Promise<void> {
    const session = await this.#options.open();
    // a first session is one more than none; that there are others after it is no progress
    this.#events = Math.max(this.#events, 1);
    try {
      session.require("chat");
      session.channel.send({ type: "chat", name: this.#options.name });
      await this.#converse(session);
    } catch (thrown) {
      // all was said, and heard
      if (this.#leaving && this.#unheard.length === 0 && session.channel.failure !== undefined) return;
      throw thrown;
    } finally {
      this.#session = undefined;
      session.close();
    }
  }

  async #converse(session: Session): Promise<void> {
    const options = this.#options;
    for (;;) {
      const { message } = await session.next();
      this.#events += 1;
      if (message.type !== "room" && this.#session === undefined) throw unasked(message.type);
      switch (message.type) {
        case "room":
          if (this.#session !== undefined) throw unasked("room");
          this.#session = session;
          this.#name = message.name;
          options.onRoom(message.name, message.people);
          for (const [index, text] of this.#unheard.entries()) this.#send(this.#first + index, text);
          this.#finishIfDone();
          break;
        case "said":
          await options.onSaid(message.from, message.text);
          break;
        case "came":
          options.onCame({ name: message.name, key: message.key });
          break;
        case "left":
          if (message.name === this.#name && this.#leaving) return;
          options.onLeft(message.name);
          break;
        case "heard":
          this.#heard(message.seq, message.people);
          break;
        default:
          throw unasked(message.type);
      }
    }
  }

  #heard(seq: number, people: number): void {
    if (seq !== this.#first || this.#unheard.length === 0) {
      throw new SockError("protocol", "the server heard what nobody said");
    }
    this.#unheard.shift();
    this.#first += 1;
    this.#options.onHeard(people);
    this.#wake?.();
    this.#finishIfDone();
  }

  #send(seq: number, text: string): void {
    this.#session?.channel.send({ type: "say", seq, text });
  }

  #finishIfDone(): void {
    if (this.#leaving && this.#unheard.length === 0) this.#session?.channel.send({ type: "finish" });
  }
}

function* pieces(text: string): Generator<string> {
  for (let at = 0; at === 0 || at < text.length;) {
    let piece = text.slice(at, at + MAX_CHAT_TEXT);
    // no character is cut in two
    if (!piece.isWellFormed() && piece.length === MAX_CHAT_TEXT) piece = piece.slice(0, -1);
    yield piece.toWellFormed();
    at += Math.max(1, piece.length);
  }
}

function unasked(type: string): SockError {
  return new SockError("protocol", `the server answered a chat with ${type}`);
}
