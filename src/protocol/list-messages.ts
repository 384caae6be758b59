/** The messages of `ls`: what is asked for, and one answer for each name. */
import { type ErrorCode } from "../errors.ts";
import { MAX_LINK_TARGET_BYTES } from "./constants.ts";
import {
  base64,
  bool,
  errorCode,
  int,
  nullable,
  oneOf,
  optional,
  wirePath,
  wirePath64,
  wrong,
} from "./fields.ts";
import type { Header } from "./json.ts";

export const ITEM_KINDS = ["file", "folder", "link", "other"] as const;
export type ItemKind = (typeof ITEM_KINDS)[number];

type AnyPath = { readonly path: string } | { readonly path64: string };

/** Client: asks what is at this path (empty: all that is served), and if that is a folder, what is in it. */
export type Ls = {
  readonly type: "ls";
  /** Folders below it too. */
  readonly recursive?: boolean;
  /** Only the path itself, a link as a link. */
  readonly self?: boolean;
} & AnyPath;

/**
 * Server: one name, with its path below what was asked for; `.` is that itself. `length` in bytes, `mtime` in us since
 * 1970, `mode` without the type bits; null where they could not be read.
 */
export type Item = {
  readonly type: "item";
  readonly kind: ItemKind;
  readonly length: number | null;
  readonly mtime: number | null;
  readonly mode: number | null;
  /** What could not be read: the name itself, or of a folder what is in it. */
  readonly error?: ErrorCode;
  /** Where a link leads, as it is written in it. */
  readonly target?: string;
  readonly target64?: string;
} & AnyPath;

const MAX_MODE = 0o7777;
const MAX_TARGET64 = Math.ceil(MAX_LINK_TARGET_BYTES / 3) * 4;

export function readLs(h: Header): Ls {
  return {
    type: "ls",
    ...pathOf(h),
    ...optional(h, "recursive", bool, (recursive) => ({ recursive })),
    ...optional(h, "self", bool, (self) => ({ self })),
  };
}

export function readItem(h: Header): Item {
  const kind = oneOf(h, "kind", ITEM_KINDS);
  return {
    type: "item",
    ...pathOf(h),
    kind,
    length: nullable(h, "length", int),
    mtime: nullable(h, "mtime", (f, key) => int(f, key, Number.MIN_SAFE_INTEGER)),
    mode: nullable(h, "mode", (f, key) => int(f, key, 0, MAX_MODE)),
    ...optional(h, "error", errorCode, (error) => ({ error })),
    ...(kind === "link" ? targetOf(h) : {}),
  };
}

function pathOf(h: Header): AnyPath {
  if (h["path"] !== undefined && h["path64"] !== undefined) throw wrong("path");
  return h["path64"] === undefined ? { path: wirePath(h, "path") } : { path64: wirePath64(h, "path64") };
}

function targetOf(h: Header): { readonly target?: string; readonly target64?: string } {
  if (h["target"] !== undefined && h["target64"] !== undefined) throw wrong("target");
  return {
    ...optional(h, "target", wirePath, (target) => ({ target })),
    ...optional(
      h,
      "target64",
      (f, key) => base64(f, key, MAX_TARGET64),
      (target64) => ({ target64 }),
    ),
  };
}
