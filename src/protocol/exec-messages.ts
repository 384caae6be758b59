/** Messages of remote commands: the request, the three streams with their credit, signals, and the end. */
import {
  MAX_ARGV_BYTES,
  MAX_BODY_BYTES,
  MAX_ENV,
  MAX_ENV_TEXT,
  MAX_PATH_BYTES,
  STREAM_CREDIT,
} from "./constants.ts";
import {
  bool,
  type Fields,
  int,
  nullable,
  object,
  oneOf,
  optional,
  type Readers,
  str,
  wirePath,
  wrong,
} from "./fields.ts";
import type { Header } from "./json.ts";

/** Which program runs a line that is given with `-c`; `auto` is the server's own. */
export const SHELLS = ["auto", "sh", "bash", "cmd", "powershell"] as const;
export type ShellName = (typeof SHELLS)[number];

/** Signals that a client may ask for; each goes to the whole process group. */
export const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2"] as const;
export type SignalName = (typeof SIGNALS)[number];

/**
 * Client: runs a program. Its words follow in `words` frames: `bytes` of them in all, each word in UTF-8 and ended by a zero
 * byte. With `with` there is one word, a line for that shell.
 */
export type Exec = {
  readonly type: "exec";
  readonly bytes: number;
  readonly with?: ShellName;
  readonly cwd: string | null;
  /** A path as `ls` has it: a served folder that `cwd` is relative to, in the place of the home. */
  readonly folder?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Whether `in` frames follow; without, its stdin is empty. */
  readonly stdin: boolean;
  /** The program outlives the connection. */
  readonly detach: boolean;
  /** Bytes of both outputs together after which it is ended, or null. */
  readonly max_output: number | null;
};
/** Client: more of the words (+body). */
export type Words = { readonly type: "words"; readonly size: number };
/** Server: it runs. */
export type Begun = { readonly type: "begun"; readonly pid: number };
/** Client: bytes for its stdin (+body); no more than there is credit for. */
export type In = { readonly type: "in"; readonly size: number };
/** Client: its stdin ends. Server: nobody reads it any more. */
export type InEnd = { readonly type: "in_end" };
/** Server: bytes of its stdout or stderr (+body); no more than there is credit for. */
export type Out = { readonly type: "out"; readonly size: number };
export type Err = { readonly type: "err"; readonly size: number };
/** The reader of a stream has used up so many bytes of it, and takes as many more. */
export type Credit = { readonly type: "credit"; readonly stream: StreamName; readonly bytes: number };
export type StreamName = "in" | "out" | "err";
/** Client: a signal for all its processes. */
export type Signal = { readonly type: "signal"; readonly name: SignalName };
/** Server: it has ended, and every byte of its outputs was sent before. */
export type Exit = {
  readonly type: "exit";
  /** Its status, or null where a signal ended it. */
  readonly status: number | null;
  readonly signal: string | null;
  /** Bytes of each output that were sent. */
  readonly out: number;
  readonly err: number;
  /** Something else still holds an output open: what it writes later is not sent. */
  readonly held_open: boolean;
  /** It was ended because it wrote more than `max_output`. */
  readonly over: boolean;
};

export type ExecRequest = Exec | Words | In | InEnd | Credit | Signal;
export type ExecResponse = Begun | Out | Err | InEnd | Credit | Exit;

const STREAMS = ["in", "out", "err"] as const;
const MAX_SIGNAL_NAME = 16;

const size = (h: Header): number => int(h, "size", 0, MAX_BODY_BYTES);
const credit = (h: Header): Credit => ({
  type: "credit",
  stream: oneOf(h, "stream", STREAMS),
  bytes: int(h, "bytes", 1, STREAM_CREDIT),
});

export const execRequestReaders: Readers<ExecRequest> = {
  exec: (h) => ({
    type: "exec",
    bytes: int(h, "bytes", 1, MAX_ARGV_BYTES),
    ...optional(
      h,
      "with",
      (f, key) => oneOf(f, key, SHELLS),
      (name) => ({ with: name }),
    ),
    cwd: nullable(h, "cwd", (f, key) => str(f, key, MAX_PATH_BYTES)),
    ...optional(h, "folder", wirePath, (folder) => ({ folder })),
    env: environment(object(h, "env")),
    stdin: bool(h, "stdin"),
    detach: bool(h, "detach"),
    max_output: nullable(h, "max_output", int),
  }),
  words: (h) => ({ type: "words", size: size(h) }),
  in: (h) => ({ type: "in", size: size(h) }),
  in_end: () => ({ type: "in_end" }),
  credit,
  signal: (h) => ({ type: "signal", name: oneOf(h, "name", SIGNALS) }),
};

export const execResponseReaders: Readers<ExecResponse> = {
  begun: (h) => ({ type: "begun", pid: int(h, "pid") }),
  out: (h) => ({ type: "out", size: size(h) }),
  err: (h) => ({ type: "err", size: size(h) }),
  in_end: () => ({ type: "in_end" }),
  credit,
  exit: (h) => ({
    type: "exit",
    status: nullable(h, "status", int),
    signal: nullable(h, "signal", (f, key) => str(f, key, MAX_SIGNAL_NAME)),
    out: int(h, "out"),
    err: int(h, "err"),
    held_open: bool(h, "held_open"),
    over: bool(h, "over"),
  }),
};

/** Names and values as a shell would take them. */
export function environment(fields: Fields): Record<string, string> {
  const names = Object.keys(fields);
  if (names.length > MAX_ENV) throw wrong("env");
  const env: Record<string, string> = Object.create(null);
  for (const name of names) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,255}$/.test(name)) throw wrong("env");
    const value = str(fields, name, MAX_ENV_TEXT);
    if (value.includes("\0")) throw wrong("env");
    env[name] = value;
  }
  return env;
}
