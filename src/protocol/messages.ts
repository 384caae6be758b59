/**
 * Every message that a frame's header can be, by direction, and the readers that make one of a header: types and ranges
 * checked, unknown keys left out, unknown types refused (`protocol`). What a value means, and whether this peer may send
 * it now, is for the verbs. Messages marked (+body) have `size` and that many raw bytes.
 */
import { type ErrorCode, SockError } from "../errors.ts";
import {
  MAX_BODY_BYTES,
  MAX_FIRST_HEADER_BYTES,
  MAX_PEER_NAME,
  MAX_SPKI_TEXT,
  MAX_WORD,
} from "./constants.ts";
import {
  base64,
  bool,
  cutText,
  errorCode,
  int,
  match,
  nullable,
  object,
  oneOf,
  optional,
  str,
  wirePath,
  wirePath64,
  words,
  wrong,
} from "./fields.ts";
import type { Header } from "./json.ts";
import { type Item, type Ls, readItem, readLs } from "./list-messages.ts";

/** How a whole file is hashed: SHA-256, or XXH3-64 chained over blocks of 64 KiB. */
export const DIGESTS = ["sha256", "xxh3-64k"] as const;
export type Digest = (typeof DIGESTS)[number];

/** What the receiver does where a file of that name stands already. */
export const ON_EXISTS = ["replace", "refuse", "rename", "skip"] as const;
export type OnExists = (typeof ON_EXISTS)[number];

/** What the receiver did with a file. */
export const ACTIONS = ["new", "replaced", "renamed", "skipped"] as const;
export type Action = (typeof ACTIONS)[number];

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
export type ErrorMessage = {
  readonly type: "error";
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
};
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

/** Client: entries follow, to be published at or under `to`. */
export type Put = {
  readonly type: "put";
  readonly to: string;
  readonly digest: Digest;
  readonly on_exists: OnExists;
  readonly verify?: boolean;
  readonly sync?: boolean;
};
/** Client: no more entries. */
export type Finish = { readonly type: "finish" };
/** Client: asks for the file at `path`. */
export type Get = { readonly type: "get"; readonly path: string; readonly digest: Digest };
/** Server: ends a `put`, `get` or `ls`, with what became of its entries. */
export type Result = {
  readonly type: "result";
  readonly files: number;
  readonly bytes: number;
  readonly skipped: number;
  readonly failed: number;
};

/** Sender of files: one file begins. `length` in bytes, if known; `mtime` in us since 1970; `mode` without the type bits. */
export type Entry = {
  readonly type: "entry";
  readonly entry: number;
  readonly kind: "file";
  readonly length: number | null;
  readonly mtime: number | null;
  readonly mode: number | null;
} & ({ readonly path: string } | { readonly path64: string });
/** Sender of files: the file's next bytes (+body). */
export type Data = { readonly type: "data"; readonly size: number; readonly entry: number };
/** Sender of files: the file is complete, this long, with this digest (hex). */
export type End = {
  readonly type: "end";
  readonly entry: number;
  readonly bytes: number;
  readonly digest: string;
};
/** Sender of files: the file can't be completed. */
export type Abort = { readonly type: "abort"; readonly entry: number; readonly code: ErrorCode };
/** Receiver of files: this file is not wanted, or failed; the sender goes on with the next. */
export type Stop = {
  readonly type: "stop";
  readonly entry: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
};
/** Receiver of files: published at `path`, with its own count and digest (hex; may be empty where it was skipped). */
export type Done = {
  readonly type: "done";
  readonly entry: number;
  readonly bytes: number;
  readonly digest: string;
  readonly action: Action;
  readonly path: string;
};
/** Server: it drains; what runs may end, nothing new is begun. */
export type Closing = { readonly type: "closing"; readonly reason: string };

type Common = Ping | Pong | Bye | ErrorMessage | Echo | Entry | Data | End | Abort | Stop | Done;
export type ClientMessage = Common | ClientHello | Enrol | Put | Finish | Get | Ls;
export type ServerMessage = Common | ServerHello | Enrolled | Result | Item | Closing;

/** One reader for each type of the union, so that a type without a reader does not compile. */
type Readers<M extends { readonly type: string }> = {
  readonly [T in M["type"]]: (header: Header) => Extract<M, { readonly type: T }>;
};

const MAX_VERSION = 0xffff;
const MAX_MODE = 0o7777;
const MAX_U32 = 0xffff_ffff;
const RUN_ID = /^[0-9a-f]{32}$/;
const DIGEST_HEX = /^(?:[0-9a-f]{16}|[0-9a-f]{64})$/;
const MAX_DIGEST_HEX = 64;

const common: Readers<Common> = {
  ping: (h) => ({ type: "ping", n: int(h, "n") }),
  pong: (h) => ({ type: "pong", n: int(h, "n") }),
  bye: () => ({ type: "bye" }),
  error: (h) => ({ type: "error", ...problem(h) }),
  echo: (h) => ({ type: "echo", size: int(h, "size", 0, MAX_BODY_BYTES), seq: int(h, "seq") }),
  entry: (h) => ({
    type: "entry",
    entry: int(h, "entry"),
    kind: oneOf(h, "kind", ["file"]),
    ...pathOf(h),
    length: nullable(h, "length", int),
    mtime: nullable(h, "mtime", (f, key) => int(f, key, Number.MIN_SAFE_INTEGER)),
    mode: nullable(h, "mode", (f, key) => int(f, key, 0, MAX_MODE)),
  }),
  data: (h) => ({ type: "data", size: int(h, "size", 0, MAX_BODY_BYTES), entry: int(h, "entry") }),
  end: (h) => ({ type: "end", entry: int(h, "entry"), bytes: int(h, "bytes"), digest: digestHex(h) }),
  abort: (h) => ({ type: "abort", entry: int(h, "entry"), code: errorCode(h, "code") }),
  stop: (h) => ({ type: "stop", entry: int(h, "entry"), ...problem(h) }),
  done: (h) => {
    const action = oneOf(h, "action", ACTIONS);
    const digest = action === "skipped" && h["digest"] === "" ? "" : digestHex(h);
    return {
      type: "done",
      entry: int(h, "entry"),
      bytes: int(h, "bytes"),
      digest,
      action,
      path: wirePath(h, "path"),
    };
  },
};

const client: Readers<ClientMessage> = {
  ...common,
  hello: (h) => ({ ...helloBase(h), run: match(h, "run", RUN_ID, 32) }),
  enrol: (h) => ({ type: "enrol", spki: base64(h, "spki", MAX_SPKI_TEXT), name: str(h, "name", MAX_WORD) }),
  put: (h) => ({
    type: "put",
    to: wirePath(h, "to"),
    digest: oneOf(h, "digest", DIGESTS),
    on_exists: oneOf(h, "on_exists", ON_EXISTS),
    ...optional(h, "verify", bool, (verify) => ({ verify })),
    ...optional(h, "sync", bool, (sync) => ({ sync })),
  }),
  finish: () => ({ type: "finish" }),
  get: (h) => ({ type: "get", path: wirePath(h, "path"), digest: oneOf(h, "digest", DIGESTS) }),
  ls: readLs,
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
  result: (h) => ({
    type: "result",
    files: int(h, "files"),
    bytes: int(h, "bytes"),
    skipped: int(h, "skipped"),
    failed: int(h, "failed"),
  }),
  item: readItem,
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

function problem(h: Header): { code: ErrorCode; message: string; hint?: string } {
  return {
    code: errorCode(h, "code"),
    message: cutText(h, "message"),
    ...optional(h, "hint", cutText, (hint) => ({ hint })),
  };
}

function pathOf(h: Header): { readonly path: string } | { readonly path64: string } {
  if (h["path"] !== undefined && h["path64"] !== undefined) throw wrong("path");
  return h["path64"] === undefined ? { path: wirePath(h, "path") } : { path64: wirePath64(h, "path64") };
}

function digestHex(h: Header): string {
  return match(h, "digest", DIGEST_HEX, MAX_DIGEST_HEX);
}
