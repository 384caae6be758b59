/** What every dialect has: one file each, which answers its clients and, where `sock` can be one, asks its servers. */
import type { Root } from "../files/root.ts";
import type { OnExists } from "../protocol/file-messages.ts";
import type { Peer } from "./peer.ts";

/** What a server of plain peers has for its dialects. */
export interface PlainHost {
  /** What was asked for, the bytes that moved, and how it ended, for the log. */
  report(peer: Peer, what: string, bytes: number, outcome: string): void;
  /** The folder of files; a dialect that needs one is not started without. */
  readonly root: Root | undefined;
  readonly onExists: OnExists;
  /** What `greet` says. */
  readonly greeting: string;
  /** The folder in which commands run. */
  readonly cwd: string;
  readonly chat: ChatRoom | undefined;
}

/** Where `chat` shows what came, and has from what is to be said. */
export interface ChatRoom {
  join(peer: Peer): void;
  heard(peer: Peer, text: Uint8Array): void;
  leave(peer: Peer): void;
}

interface Common {
  readonly name: string;
  /** One line for `sock help dialects`: who sends what. */
  readonly drawn: readonly string[];
  /** Answers one client until it leaves. Throws what ends the connection. */
  answer(peer: Peer, host: PlainHost): Promise<void>;
  /** Words for a client that gets nothing else, as this dialect would say them: each piece alone in its segment. */
  refusal(text: string): readonly Uint8Array[];
}

/** Bytes for bytes. */
export interface EchoDialect extends Common {
  readonly kind: "echo";
  /** The answer to a datagram; undefined: not over UDP. */
  readonly reply: ((bytes: Uint8Array) => Uint8Array) | undefined;
  /** What has to come back for what was sent; undefined: nothing is sent. */
  readonly expected: ((sent: Uint8Array) => Uint8Array) | undefined;
}

export interface AskOptions {
  /** An answer without an end is over when nothing more has come for this long, ms. */
  readonly pauseMs: number;
  /** Something that the user should know about the answer. */
  warn(text: string): void;
}

/** A command, and what it wrote. */
export interface CommandDialect extends Common {
  readonly kind: "commands";
  /** Sends one command and gives its output as it comes. Throws `cut`, `protocol`, `lost`. */
  ask(peer: Peer, command: Uint8Array, options: AskOptions): AsyncGenerator<Uint8Array>;
}

/** A file on its way in. */
export interface Coming {
  readonly length: number;
  readonly pieces: AsyncGenerator<Uint8Array>;
}

export interface FileDialect extends Common {
  readonly kind: "files";
  /** Sends a file's name and length, and its bytes when the peer wants them. Throws `denied`… */
  put(peer: Peer, name: Uint8Array, length: number, send: () => Promise<void>): Promise<void>;
  /** Throws `not-found`, `protocol`; undefined: the dialect can't. */
  readonly get: ((peer: Peer, name: Uint8Array) => Promise<Coming>) | undefined;
}

export interface ChatDialect extends Common {
  readonly kind: "chat";
}

export type Dialect = EchoDialect | CommandDialect | FileDialect | ChatDialect;

/** Text as it is, where a dialect has no form for it. */
export function asLine(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\r\n`);
}

export function refusalLine(text: string): readonly Uint8Array[] {
  return [asLine(text)];
}
