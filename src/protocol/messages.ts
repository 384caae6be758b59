/**
 * Every message that a frame's header can be, by direction, and the readers that make one of a header: types and ranges
 * checked, unknown keys left out, unknown types refused (`protocol`). What a value means, and whether this peer may send
 * it now, is for the verbs. Messages marked (+body) have `size` and that many raw bytes.
 */
import { SockError } from "../errors.ts";
import {
  MAX_BODY_BYTES,
  MAX_FIRST_HEADER_BYTES,
  MAX_PEER_NAME,
  MAX_SPKI_TEXT,
  MAX_WORD,
} from "./constants.ts";
import {
  base64,
  cutText,
  int,
  match,
  nullable,
  object,
  problem,
  type Problem,
  type Readers,
  str,
  wirePath,
  words,
} from "./fields.ts";
import {
  fileRequestReaders,
  fileResponseReaders,
  type Finish,
  type Get,
  type Missed,
  type Put,
  type Ready,
  receiverReaders,
  type ReceiverMessage,
  type Result,
  senderReaders,
  type SenderMessage,
  type Source,
} from "./file-messages.ts";
import {
  type ChatRequest,
  chatRequestReaders,
  type ChatResponse,
  chatResponseReaders,
} from "./chat-messages.ts";
import {
  type ExecRequest,
  execRequestReaders,
  type ExecResponse,
  execResponseReaders,
} from "./exec-messages.ts";
import type { Header } from "./json.ts";
import {
  type TerminalRequest,
  terminalRequestReaders,
  type TerminalResponse,
  terminalResponseReaders,
} from "./terminal-messages.ts";
import { type Item, type Ls, readItem, readLs } from "./list-messages.ts";
import {
  type AskCounts,
  type Counts,
  readAskCounts,
  readCounts,
  readUdp,
  readUdpRun,
  type Udp,
  type UdpRun,
} from "./udp-messages.ts";

type HelloBase = {
  readonly type: "hello";
  /** Lowest and highest protocol version that the sender speaks. */
  readonly min: number;
  readonly max: number;
  /** Version of the sender's tool, for people. */
  readonly sock: string;
  readonly features: readonly string[];
  readonly platform: string;
  /** The client's user-host, the server's host name. */
  readonly name: string;
};

/** First frame of the client; `run` is the secret of this run (32 hex characters), the same on each reconnect. */
export type ClientHello = HelloBase & { readonly run: string };

/** First frame of the server: what this key may do, its name, the charset of the server's locale, longest frames taken. */
export type ServerHello = HelloBase & {
  readonly caps: readonly string[];
  readonly encoding: string | null;
  readonly limits: { readonly header: number; readonly body: number };
  readonly key: string;
};

/** Either side, at any time: asks for a `pong` with the same number. */
export type Ping = { readonly type: "ping"; readonly n: number };
/** The answer to a `ping`. */
export type Pong = { readonly type: "pong"; readonly n: number };
/** Either side: nothing more will be sent, and all that was expected has come. */
export type Bye = { readonly type: "bye" };
/** Either side: what was asked for is refused or failed. */
export type ErrorMessage = { readonly type: "error" } & Problem;
/** Client: bytes to echo (+body). Server: the same bytes back (+body). */
export type Echo = { readonly type: "echo"; readonly size: number; readonly seq: number };

/** Client with an enrol code: asks for this public key (base64 of DER) to be known by that name. */
export type Enrol = { readonly type: "enrol"; readonly spki: string; readonly name: string };
/** Server: the key is known now; `expires` in ms since 1970. */
export type Enrolled = {
  readonly type: "enrolled";
  readonly name: string;
  readonly caps: readonly string[];
  readonly scope: string;
  readonly expires: number | null;
};

/** Server: it drains; what runs may end, nothing new is begun. */
export type Closing = { readonly type: "closing"; readonly reason: string };

type Common = Ping | Pong | Bye | ErrorMessage | Echo | SenderMessage | ReceiverMessage;
export type ClientMessage =
  | Common
  | ClientHello
  | Enrol
  | Put
  | Finish
  | Get
  | Ls
  | ExecRequest
  | TerminalRequest
  | ChatRequest
  | Udp
  | AskCounts;
export type ServerMessage =
  | Common
  | ServerHello
  | Enrolled
  | Ready
  | Source
  | Missed
  | Result
  | Item
  | Closing
  | ExecResponse
  | TerminalResponse
  | ChatResponse
  | UdpRun
  | Counts;

const MAX_VERSION = 0xffff;
const MAX_U32 = 0xffff_ffff;
const RUN_ID = /^[0-9a-f]{32}$/;

const common: Readers<Common> = {
  ping: (h) => ({ type: "ping", n: int(h, "n") }),
  pong: (h) => ({ type: "pong", n: int(h, "n") }),
  bye: () => ({ type: "bye" }),
  error: (h) => ({ type: "error", ...problem(h) }),
  echo: (h) => ({ type: "echo", size: int(h, "size", 0, MAX_BODY_BYTES), seq: int(h, "seq") }),
  ...senderReaders,
  ...receiverReaders,
};

const client: Readers<ClientMessage> = {
  ...common,
  hello: (h) => ({ ...helloBase(h), run: match(h, "run", RUN_ID, 32) }),
  enrol: (h) => ({ type: "enrol", spki: base64(h, "spki", MAX_SPKI_TEXT), name: str(h, "name", MAX_WORD) }),
  ...fileRequestReaders,
  ls: readLs,
  ...execRequestReaders,
  ...terminalRequestReaders,
  ...chatRequestReaders,
  udp: readUdp,
  counts: readAskCounts,
};

const server: Readers<ServerMessage> = {
  ...common,
  hello: (h) => {
    const limits = object(h, "limits");
    return {
      ...helloBase(h),
      caps: words(h, "caps"),
      encoding: nullable(h, "encoding", (f, key) => str(f, key, MAX_WORD)),
      limits: {
        header: int(limits, "header", MAX_FIRST_HEADER_BYTES, MAX_U32),
        body: int(limits, "body", 0, MAX_U32),
      },
      key: str(h, "key", MAX_WORD),
    };
  },
  enrolled: (h) => ({
    type: "enrolled",
    name: str(h, "name", MAX_WORD),
    caps: words(h, "caps"),
    scope: wirePath(h, "scope"),
    expires: nullable(h, "expires", int),
  }),
  ...fileResponseReaders,
  item: readItem,
  ...execResponseReaders,
  ...terminalResponseReaders,
  ...chatResponseReaders,
  udp: readUdpRun,
  counts: readCounts,
  closing: (h) => ({ type: "closing", reason: cutText(h, "reason") }),
};

/** What a client sent. Throws `protocol` for a type that clients don't send, or a field that is missing or wrong. */
export function parseClientMessage(header: Header): ClientMessage {
  return readerOf(client, header.type)(header);
}

/** What a server sent. Throws `protocol` for a type that servers don't send, or a field that is missing or wrong. */
export function parseServerMessage(header: Header): ServerMessage {
  return readerOf(server, header.type)(header);
}

function readerOf<T extends object>(readers: T, type: string): T[keyof T] {
  if (!isKey(readers, type)) throw new SockError("protocol", "the peer sent a message of an unknown type");
  return readers[type];
}

function isKey<T extends object>(readers: T, type: string): type is keyof T & string {
  // Not `in`: a type named `constructor` must not find Object.prototype's.
  return Object.hasOwn(readers, type);
}

function helloBase(h: Header): HelloBase {
  const min = int(h, "min", 1, MAX_VERSION);
  return {
    type: "hello",
    min,
    max: int(h, "max", min, MAX_VERSION),
    sock: str(h, "sock", MAX_WORD),
    features: words(h, "features"),
    platform: str(h, "platform", MAX_WORD),
    name: str(h, "name", MAX_PEER_NAME),
  };
}
