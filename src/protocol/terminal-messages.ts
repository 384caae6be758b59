/** Messages of terminals, which outlive their connections: both directions are counted from the terminal's beginning. */
import {
  MAX_BODY_BYTES,
  MAX_PATH_BYTES,
  MAX_TERMINAL_SIDE,
  MAX_TERMINAL_NAME,
  MAX_WORD,
} from "./constants.ts";
import { bool, int, match, nullable, object, optional, type Readers, str } from "./fields.ts";
import { environment } from "./exec-messages.ts";

/** Client: a new terminal with the login shell in it. */
export type OpenTerminal = {
  readonly type: "terminal";
  readonly name: string | null;
  readonly cols: number;
  readonly rows: number;
  readonly cwd: string | null;
  readonly env: Readonly<Record<string, string>>;
};
/** Client: goes on with one. With `id` after a break, by the same run, from byte `at`; with `name` (or null: the only one) from elsewhere. */
export type Attach = {
  readonly type: "attach";
  readonly id?: string;
  readonly name: string | null;
  readonly at?: number;
  readonly cols: number;
  readonly rows: number;
};
/** Server: it is yours. `at` is where its output goes on, `taken` how much input it has had. */
export type Attached = {
  readonly type: "attached";
  readonly id: string;
  readonly name: string;
  readonly at: number;
  readonly taken: number;
};
/** Client: keys (+body). Server: output (+body). `at` is the offset of the first byte. */
export type Bytes = { readonly type: "bytes"; readonly at: number; readonly size: number };
/** Either side: everything before `at` has been used, and need not be kept. */
export type Ack = { readonly type: "ack"; readonly at: number };
export type Resize = { readonly type: "resize"; readonly cols: number; readonly rows: number };
/** Client: the connection is given up, the terminal stays; or, with `end`, it is hung up. */
export type Leave = { readonly type: "leave"; readonly end: boolean };
/** Client: which terminals are there for this key? Each is a `terminal_item`, then comes `listed`. */
export type ListTerminals = { readonly type: "terminals" };
export type TerminalItem = {
  readonly type: "terminal_item";
  readonly id: string;
  readonly name: string;
  /** ms since 1970. */
  readonly since: number;
  readonly attached: boolean;
  readonly command: string;
};
export type Listed = { readonly type: "listed"; readonly count: number };
/** Server: it is over; `at` bytes of output in all. Or, with `taken_over`, another client has it now. */
export type Over = {
  readonly type: "over";
  readonly at: number;
  readonly status: number | null;
  readonly signal: string | null;
  readonly reason: string;
};

export type TerminalRequest = OpenTerminal | Attach | Bytes | Ack | Resize | Leave | ListTerminals;
export type TerminalResponse = Attached | Bytes | Ack | TerminalItem | Listed | Over;

const ID = /^[0-9a-f]{32}$/;
const ID_CHARS = 32;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const MAX_SIGNAL_NAME = 16;

export function isTerminalName(text: string): boolean {
  return text.length <= MAX_TERMINAL_NAME && NAME.test(text);
}

type H = Parameters<Readers<Ack>["ack"]>[0];
const cols = (h: H): number => int(h, "cols", 1, MAX_TERMINAL_SIDE);
const rows = (h: H): number => int(h, "rows", 1, MAX_TERMINAL_SIDE);
const nameOrNull = (h: H): string | null =>
  nullable(h, "name", (f, key) => match(f, key, NAME, MAX_TERMINAL_NAME));
const bytes = (h: H): Bytes => ({ type: "bytes", at: int(h, "at"), size: int(h, "size", 0, MAX_BODY_BYTES) });
const ack = (h: H): Ack => ({ type: "ack", at: int(h, "at") });

export const terminalRequestReaders: Readers<TerminalRequest> = {
  terminal: (h) => ({
    type: "terminal",
    name: nameOrNull(h),
    cols: cols(h),
    rows: rows(h),
    cwd: nullable(h, "cwd", (f, key) => str(f, key, MAX_PATH_BYTES)),
    env: environment(object(h, "env")),
  }),
  attach: (h) => ({
    type: "attach",
    ...optional(
      h,
      "id",
      (f, key) => match(f, key, ID, ID_CHARS),
      (id) => ({ id }),
    ),
    name: nameOrNull(h),
    ...optional(h, "at", int, (at) => ({ at })),
    cols: cols(h),
    rows: rows(h),
  }),
  bytes,
  ack,
  resize: (h) => ({ type: "resize", cols: cols(h), rows: rows(h) }),
  leave: (h) => ({ type: "leave", end: bool(h, "end") }),
  terminals: () => ({ type: "terminals" }),
};

export const terminalResponseReaders: Readers<TerminalResponse> = {
  attached: (h) => ({
    type: "attached",
    id: match(h, "id", ID, ID_CHARS),
    name: str(h, "name", MAX_TERMINAL_NAME),
    at: int(h, "at"),
    taken: int(h, "taken"),
  }),
  bytes,
  ack,
  terminal_item: (h) => ({
    type: "terminal_item",
    id: match(h, "id", ID, ID_CHARS),
    name: str(h, "name", MAX_TERMINAL_NAME),
    since: int(h, "since"),
    attached: bool(h, "attached"),
    command: str(h, "command", MAX_PATH_BYTES),
  }),
  listed: (h) => ({ type: "listed", count: int(h, "count") }),
  over: (h) => ({
    type: "over",
    at: int(h, "at"),
    status: nullable(h, "status", int),
    signal: nullable(h, "signal", (f, key) => str(f, key, MAX_SIGNAL_NAME)),
    reason: str(h, "reason", MAX_WORD),
  }),
};
