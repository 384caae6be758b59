/**
 * The messages by which files travel. There is a sender and a receiver, whichever of them is the client: a `put` makes the
 * client the sender, a `get` the server.
 */
import type { ErrorCode } from "../errors.ts";
import { MAX_BODY_BYTES, MAX_GET_PATHS, MAX_LINK_TARGET_BYTES } from "./constants.ts";
import {
  base64,
  bool,
  errorCode,
  int,
  match,
  nullable,
  objects,
  oneOf,
  optional,
  problem,
  type Fields,
  type Problem,
  type Readers,
  wirePath,
  wirePath64,
  wrong,
} from "./fields.ts";

/** How a whole file is hashed: SHA-256, or XXH3-64 chained over blocks of 64 KiB. */
export const DIGESTS = ["sha256", "xxh3-64k"] as const;
export type Digest = (typeof DIGESTS)[number];

/** What the receiver does where a file of that name stands already. */
export const ON_EXISTS = ["replace", "refuse", "rename", "skip"] as const;
export type OnExists = (typeof ON_EXISTS)[number];

/** What the receiver did with an entry; `same`: it was there already, `repaired`: only its mode or time was set. */
export const ACTIONS = ["new", "replaced", "renamed", "skipped", "same", "repaired"] as const;
export type Action = (typeof ACTIONS)[number];

/** A path as text, or where it is not UTF-8 as the base64 of its bytes. */
export type WirePath = { readonly path: string } | { readonly path64: string };
export type WireTarget = { readonly target: string } | { readonly target64: string };

/** Client: entries follow, to be published at or under `to`. */
export type Put = {
  readonly type: "put";
  readonly to: string;
  readonly digest: Digest;
  readonly on_exists: OnExists;
  readonly verify?: boolean;
  readonly sync?: boolean;
  /** Same size and time do not prove that a file is there: its bytes are compared. */
  readonly checksum?: boolean;
  /** Nothing is changed; the answers say what would be. */
  readonly dry?: boolean;
  /** The folder `to` changes as one, at the end. */
  readonly atomic?: boolean;
  /** When the answers are packed. */
  readonly compress?: Compress;
};
/**
 * Server: entries may come; `fresh` when there is nothing to compare them with, with `atomic` `kept` when what an earlier
 * connection of this run has sent is still there.
 */
export type Ready = { readonly type: "ready"; readonly fresh: boolean; readonly kept?: boolean };
/** Client: no more entries. */
export type Finish = { readonly type: "finish" };
/** Client: asks for these files and trees. */
export type Get = {
  readonly type: "get";
  readonly paths: readonly WirePath[];
  readonly digest: Digest;
  readonly links: Links;
  readonly compress: Compress;
  /** Nothing is there to compare with: files may come without being asked for. */
  readonly fresh: boolean;
};
/** When the sender packs its frames. */
export const COMPRESS = ["auto", "always", "never"] as const;
export type Compress = (typeof COMPRESS)[number];
/** What the sender does with symbolic links. */
export const LINKS = ["keep", "follow", "skip"] as const;
export type Links = (typeof LINKS)[number];
/** Server: what the `get`'s path of that number is; its entries follow, unless it failed. */
export type Source = { readonly type: "source"; readonly source: number } & (
  { readonly kind: "file" | "folder" } | ({ readonly kind: "failed" } & Problem)
);
/** Server, in a get: what is there and does not come. It failed; or it is `skipped`, as a device, or a link that leads out. */
export type Missed = {
  readonly type: "missed";
  readonly source: number;
  readonly skipped?: true;
} & WirePath &
  Problem;
/** Server: ends a `put` or `get`, with what became of its entries. */
export type Result = {
  readonly type: "result";
  readonly files: number;
  readonly bytes: number;
  readonly skipped: number;
  readonly failed: number;
};

/** `mtime` in us since 1970; `mode` without the type bits. */
type EntryBase = {
  readonly type: "entry";
  readonly entry: number;
  /** In a get: which of its paths this belongs to. */
  readonly source?: number;
  readonly mtime: number | null;
  readonly mode: number | null;
} & WirePath;
/**
 * A file of `length` bytes, if known. Its bytes follow as `data`; or are the body of this frame, with their `digest`; or come
 * when they are wanted (`offer`, with a `digest` that the receiver may compare with what it has); or follow what the
 * receiver proves to have (`resume`).
 */
export type FileEntry = EntryBase & {
  readonly kind: "file";
  readonly length: number | null;
  readonly offer?: true;
  readonly digest?: string;
  readonly size?: number;
  /** Bytes that the receiver said it has. */
  readonly resume?: number;
  /** It was sent before, on a connection that broke before the answer came. */
  readonly again?: true;
};
/** A folder, after all that is in it; `.` is what was put or asked for itself. */
export type FolderEntry = EntryBase & { readonly kind: "folder" };
export type LinkEntry = EntryBase & { readonly kind: "link" } & WireTarget;
export type Entry = FileEntry | FolderEntry | LinkEntry;
/** The file's next bytes (+body). */
export type Data = { readonly type: "data"; readonly size: number; readonly entry: number };
/** XXH3-64 of the file's next blocks of PROOF_BLOCK_BYTES, 8 bytes each, big-endian (+body). */
export type Proof = { readonly type: "proof"; readonly size: number; readonly entry: number };
/** The file is complete, this long, with this digest (hex). */
export type End = {
  readonly type: "end";
  readonly entry: number;
  readonly bytes: number;
  readonly digest: string;
};
/** The file can't be completed. */
export type Abort = { readonly type: "abort"; readonly entry: number; readonly code: ErrorCode };

/** What was offered is wanted; the receiver may have its first `have` bytes, and asks for proofs of them if there are any. */
export type Want = { readonly type: "want"; readonly entry: number; readonly have: number };
/** So many bytes are proved; `data` goes on from there. */
export type From = { readonly type: "from"; readonly entry: number; readonly at: number };
/** This entry is not wanted, or failed; the sender goes on with the next. */
export type Stop = { readonly type: "stop"; readonly entry: number } & Problem;
/** Published at `path`, with the receiver's own count and digest (hex; empty for what has or needed none). */
export type Done = {
  readonly type: "done";
  readonly entry: number;
  readonly bytes: number;
  readonly digest: string;
  readonly action: Action;
  readonly path: string;
};

export type SenderMessage = Entry | Data | Proof | End | Abort;
export type ReceiverMessage = Want | From | Stop | Done;

const MAX_MODE = 0o7777;
const DIGEST_HEX = /^(?:[0-9a-f]{16}|[0-9a-f]{64})$/;
const MAX_DIGEST_HEX = 64;

export const senderReaders: Readers<SenderMessage> = {
  entry: (h) => {
    const base = {
      type: "entry",
      entry: int(h, "entry"),
      ...optional(h, "source", int, (source) => ({ source })),
      ...pathOf(h),
      mtime: nullable(h, "mtime", (f, key) => int(f, key, Number.MIN_SAFE_INTEGER)),
      mode: nullable(h, "mode", (f, key) => int(f, key, 0, MAX_MODE)),
    } as const;
    switch (oneOf(h, "kind", ["file", "folder", "link"])) {
      case "file":
        return { ...base, kind: "file", ...fileFields(h) };
      case "folder":
        return { ...base, kind: "folder" };
      case "link":
        return { ...base, kind: "link", ...targetOf(h) };
    }
  },
  data: (h) => ({ type: "data", size: int(h, "size", 0, MAX_BODY_BYTES), entry: int(h, "entry") }),
  proof: (h) => ({ type: "proof", size: int(h, "size", 0, MAX_BODY_BYTES), entry: int(h, "entry") }),
  end: (h) => ({ type: "end", entry: int(h, "entry"), bytes: int(h, "bytes"), digest: digestHex(h) }),
  abort: (h) => ({ type: "abort", entry: int(h, "entry"), code: errorCode(h, "code") }),
};

export const receiverReaders: Readers<ReceiverMessage> = {
  want: (h) => ({ type: "want", entry: int(h, "entry"), have: int(h, "have") }),
  from: (h) => ({ type: "from", entry: int(h, "entry"), at: int(h, "at") }),
  stop: (h) => ({ type: "stop", entry: int(h, "entry"), ...problem(h) }),
  done: (h) => ({
    type: "done",
    entry: int(h, "entry"),
    bytes: int(h, "bytes"),
    digest: h["digest"] === "" ? "" : digestHex(h),
    action: oneOf(h, "action", ACTIONS),
    path: wirePath(h, "path"),
  }),
};

export const fileRequestReaders: Readers<Put | Finish | Get> = {
  put: (h) => ({
    type: "put",
    to: wirePath(h, "to"),
    digest: oneOf(h, "digest", DIGESTS),
    on_exists: oneOf(h, "on_exists", ON_EXISTS),
    ...optional(h, "verify", bool, (verify) => ({ verify })),
    ...optional(h, "sync", bool, (sync) => ({ sync })),
    ...optional(h, "checksum", bool, (checksum) => ({ checksum })),
    ...optional(h, "dry", bool, (dry) => ({ dry })),
    ...optional(h, "atomic", bool, (atomic) => ({ atomic })),
    ...optional(
      h,
      "compress",
      (f, key) => oneOf(f, key, COMPRESS),
      (compress) => ({ compress }),
    ),
  }),
  finish: () => ({ type: "finish" }),
  get: (h) => ({
    type: "get",
    paths: objects(h, "paths", MAX_GET_PATHS).map(pathOf),
    digest: oneOf(h, "digest", DIGESTS),
    links: oneOf(h, "links", LINKS),
    compress: oneOf(h, "compress", COMPRESS),
    fresh: bool(h, "fresh"),
  }),
};

export const fileResponseReaders: Readers<Ready | Source | Missed | Result> = {
  ready: (h) => ({
    type: "ready",
    fresh: bool(h, "fresh"),
    ...optional(h, "kept", bool, (kept) => ({ kept })),
  }),
  source: (h) => {
    const kind = oneOf(h, "kind", ["file", "folder", "failed"]);
    const base = { type: "source", source: int(h, "source") } as const;
    return kind === "failed" ? { ...base, kind, ...problem(h) } : { ...base, kind };
  },
  missed: (h) => ({
    type: "missed",
    source: int(h, "source"),
    ...optional(h, "skipped", yes, (skipped) => ({ skipped })),
    ...pathOf(h),
    ...problem(h),
  }),
  result: (h) => ({
    type: "result",
    files: int(h, "files"),
    bytes: int(h, "bytes"),
    skipped: int(h, "skipped"),
    failed: int(h, "failed"),
  }),
};

type FileFields = Pick<FileEntry, "length" | "offer" | "digest" | "size" | "resume" | "again">;

function fileFields(h: Fields): FileFields {
  const length = nullable(h, "length", int);
  const [offer, resume] = [h["offer"] !== undefined, h["resume"] !== undefined];
  const body = h["size"] !== undefined;
  // a body has its digest, and is all of the file
  if (body ? h["digest"] === undefined || h["size"] !== length : h["digest"] !== undefined && !offer)
    throw wrong("size");
  if (Number(offer) + Number(resume) + Number(body) > 1) throw wrong("offer");
  if ((offer || resume) && length === null) throw wrong("length");
  return {
    length,
    ...(offer && yes(h, "offer") ? { offer: true } : {}),
    ...optional(h, "again", yes, (again) => ({ again })),
    ...optional(h, "digest", digestHex, (digest) => ({ digest })),
    ...optional(
      h,
      "size",
      (f, key) => int(f, key, 0, MAX_BODY_BYTES),
      (size) => ({ size }),
    ),
    ...optional(
      h,
      "resume",
      (f, key) => int(f, key, 0, length ?? 0),
      (at) => ({ resume: at }),
    ),
  };
}

/** A mark: `true`, or not there. */
function yes(h: Fields, key: string): true {
  if (!bool(h, key)) throw wrong(key);
  return true;
}

function pathOf(h: Fields): WirePath {
  if (h["path"] !== undefined && h["path64"] !== undefined) throw wrong("path");
  return h["path64"] === undefined ? { path: wirePath(h, "path") } : { path64: wirePath64(h, "path64") };
}

function targetOf(h: Fields): WireTarget {
  if (h["target"] !== undefined && h["target64"] !== undefined) throw wrong("target");
  if (h["target64"] === undefined) return { target: wirePath(h, "target") };
  return { target64: base64(h, "target64", Math.ceil(MAX_LINK_TARGET_BYTES / 3) * 4) };
}

function digestHex(h: Fields): string {
  return match(h, "digest", DIGEST_HEX, MAX_DIGEST_HEX);
}
