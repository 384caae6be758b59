/** System calls that node's API lacks, by bun:ffi. Loaded when they are first needed; each says when it is not to be had. */
import { CString, dlopen, type Pointer, ptr, read } from "bun:ffi";
import { SockError } from "../errors.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
/** Number of renameat2(2): glibc has a function for it since 2.28, musl has none. */
const RENAMEAT2: Partial<Record<NodeJS.Architecture, number>> = { x64: 316, arm64: 276 };
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
const SO_MEMINFO = 55;

const ERRNO: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  13: "EACCES",
  16: "EBUSY",
  17: "EEXIST",
  18: "EXDEV",
  20: "ENOTDIR",
  22: "EINVAL",
  28: "ENOSPC",
  30: "EROFS",
  38: "ENOSYS",
  39: "ENOTEMPTY",
};

const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const F_SETFL = 4;
/** Linux: how much a pipe holds. */
const F_SETPIPE_SZ = 1031;

/** Where a struct passwd (getpwuid(3)) has the pointers to name, home and shell, bytes. */
const PASSWD_AT = process.platform === "darwin" ? [0, 48, 56] : [0, 32, 40];

const F_DUPFD_CLOEXEC = 1030;

const TCOOFF = 0;
const TCOON = 1;

interface Libc {
  readonly getpwuid: (uid: number) => Pointer | bigint | null;
  readonly flock: (fd: number, operation: number) => number;
  /** Linux only. */
  readonly tcflow: ((fd: number, action: number) => number) | undefined;
  /** Linux only: `ends` are two ints, the end to read from and the one to write to; 0 or an errno. */
  readonly pipe: ((ends: Int32Array) => number) | undefined;
  /** Linux only. */
  readonly fcntl: ((fd: number, command: number, flags: number) => number) | undefined;
  /** Linux only; the last is a number, or where a struct is. */
  readonly ioctl: ((fd: number, request: number, value: number) => number) | undefined;
  /** Linux only. */
  readonly rename: ((from: Buffer, to: Buffer, flags: number) => number) | undefined;
  /** Linux only. */
  readonly setsockopt: ((fd: number, level: number, name: number, value: Buffer) => number) | undefined;
  /** Linux only: `value` is filled; how many bytes of it, or -1. */
  readonly getsockopt: ((fd: number, level: number, name: number, value: Buffer) => number) | undefined;
}

let libc: Libc | undefined;
let looked = false;

function load(): Libc | undefined {
  if (looked) return libc;
  looked = true;
  if (process.platform === "darwin") {
    libc = attempt(() => {
      const { symbols } = dlopen("libSystem.B.dylib", {
        flock: { args: ["i32", "i32"], returns: "i32" },
        getpwuid: { args: ["u32"], returns: "ptr" },
      });
      return {
        ...symbols,
        tcflow: undefined,
        pipe: undefined,
        fcntl: undefined,
        ioctl: undefined,
        rename: undefined,
        setsockopt: undefined,
        getsockopt: undefined,
      };
    });
  } else if (process.platform === "linux") {
    for (const name of ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`]) {
      libc ??= attempt(() => linux(name));
    }
  }
  return libc;
}

function linux(name: string): Libc {
  const { symbols } = dlopen(name, {
    flock: { args: ["i32", "i32"], returns: "i32" },
    tcflow: { args: ["i32", "i32"], returns: "i32" },
    getpwuid: { args: ["u32"], returns: "ptr" },
    pipe2: { args: ["ptr", "i32"], returns: "i32" },
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
    ioctl: { args: ["i32", "u64", "u64"], returns: "i32" },
    syscall: { args: ["i64", "i64", "ptr", "i64", "ptr", "u64"], returns: "i64" },
    __errno_location: { args: [], returns: "ptr" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  });
  const number = RENAMEAT2[process.arch];
  const rename = (from: Buffer, to: Buffer, flags: number): number => {
    const result = symbols.syscall(number ?? 0, AT_FDCWD, ptr(from), AT_FDCWD, ptr(to), flags);
    return Number(result) === 0 ? 0 : errno();
  };
  const errno = (): number => {
    const at = symbols.__errno_location();
    return at === null ? -1 : read.i32(at, 0);
  };
  const pipe = (ends: Int32Array): number => (symbols.pipe2(ptr(ends), O_CLOEXEC) === 0 ? 0 : errno());
  const { flock, getpwuid, tcflow, fcntl, ioctl: control } = symbols;
  const setsockopt = (fd: number, level: number, name: number, value: Buffer): number =>
    symbols.setsockopt(fd, level, name, ptr(value), value.length);
  const getsockopt = (fd: number, level: number, name: number, value: Buffer): number => {
    const length = Uint32Array.of(value.length);
    return symbols.getsockopt(fd, level, name, ptr(value), ptr(length)) === 0 ? (length[0] ?? -1) : -1;
  };
  const renameOrNone = number === undefined ? undefined : rename;
  return {
    flock,
    getpwuid,
    tcflow,
    fcntl,
    ioctl: control,
    pipe,
    rename: renameOrNone,
    setsockopt,
    getsockopt,
  };
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

/** flock(2) for writing, without waiting. It ends with the descriptor, also when the process is killed. */
export function tryLock(fd: number): "locked" | "busy" | "unsupported" {
  const loaded = load();
  if (loaded === undefined) return "unsupported";
  return loaded.flock(fd, LOCK_EX | LOCK_NB) === 0 ? "locked" : "busy";
}

/** Stops the output of a terminal, or lets it go on (tcflow(3)). Nothing happens where that can't be done. */
export function flow(fd: number, stopped: boolean): void {
  load()?.tcflow?.(fd, stopped ? TCOOFF : TCOON);
}

/** Another descriptor of the same open file, which no child inherits; undefined where that can't be done. */
export function duplicate(fd: number): number | undefined {
  const made = load()?.fcntl?.(fd, F_DUPFD_CLOEXEC, 0) ?? -1;
  return made < 0 ? undefined : made;
}

/** ioctl(2) with a number, or with a struct that it reads or fills. False where it failed. */
export function ioctl(fd: number, request: number, value: number | Buffer): boolean {
  return load()?.ioctl?.(fd, request, typeof value === "number" ? value : Number(ptr(value))) === 0;
}

/** Name, home and login shell of a user; undefined where the system does not know it. */
export function passwd(uid: number): { name: string; home: string; shell: string } | undefined {
  const at = load()?.getpwuid(uid);
  if (typeof at !== "number") return undefined;
  const [name = "", home = "", shell = ""] = PASSWD_AT.map((offset) => {
    const text = read.ptr(at, offset);
    // oxlint-disable-next-line typescript/no-unnecessary-type-conversion -- what is typed as a string is an object
    return text === 0 ? "" : new CString(text).toString();
  });
  return { name, home, shell };
}

/** A pipe whose ends no child inherits; undefined where that can't be done. Throws `busy` without free descriptors. */
export function pipe(): { readonly read: number; readonly write: number } | undefined {
  const make = load()?.pipe;
  if (make === undefined) return undefined;
  const ends = new Int32Array(2);
  if (make(ends) !== 0) throw new SockError("busy", "too many files are open there now", "try again later");
  const [readEnd = -1, writeEnd = -1] = ends;
  return { read: readEnd, write: writeEnd };
}

/** Has a pipe hold so many bytes. Refused where a user has too many large ones: then it stays as it was. */
export function enlargePipe(end: number, bytes: number): void {
  load()?.fcntl?.(end, F_SETPIPE_SZ, bytes);
}

/** A full pipe refuses our writes instead of holding them. */
export function neverBlocks(writeEnd: number): void {
  load()?.fcntl?.(writeEnd, F_SETFL, O_NONBLOCK);
}

/**
 * Two names of one file system change places in one step (renameat2(2), RENAME_EXCHANGE). False where kernel, file system or
 * platform can't do that. Throws an Error with the `code` of the failed call.
 */
export function exchange(a: string | Buffer, b: string | Buffer): boolean {
  const rename = load()?.rename;
  if (rename === undefined) return false;
  const errno = rename(terminated(a), terminated(b), RENAME_EXCHANGE);
  if (errno === 0) return true;
  const code = ERRNO[errno] ?? `errno ${errno}`;
  if (code === "EINVAL" || code === "ENOSYS") return false;
  throw Object.assign(new Error(`renameat2: ${code}`), { code });
}

/** Asks for a larger receive buffer of a socket, bytes; the system's limit stays, and where it can't be had all stays. */
export function enlargeReceiveBuffer(fd: number, bytes: number): void {
  const value = Buffer.alloc(4);
  value.writeInt32LE(bytes);
  load()?.setsockopt?.(fd, SOL_SOCKET, SO_RCVBUF, value);
}

/** A struct sock_filter: BPF_RET | BPF_K, of 0 bytes. */
const KEEP_NOTHING = Uint16Array.of(6, 0, 0, 0);
/** Where a struct sock_fprog has its pointer. */
const FPROG_FILTER_AT = 8;

/** Linux: whether the system throws away what comes to a socket from now on; it counts them as dropped. */
export function dropIncoming(fd: number, drop: boolean): void {
  const program = Buffer.alloc(FPROG_FILTER_AT + 8);
  program.writeUInt16LE(1);
  program.writeBigUInt64LE(BigInt(ptr(KEEP_NOTHING)), FPROG_FILTER_AT);
  load()?.setsockopt?.(fd, SOL_SOCKET, drop ? SO_ATTACH_FILTER : SO_DETACH_FILTER, program);
}

/** Where an array of SO_MEMINFO (sock_diag(7), SK_MEMINFO_DROPS) has the count of what was dropped, bytes. */
const MEMINFO_DROPS_AT = 8 * 4;

/**
 * Linux: datagrams that came to a socket and were dropped, modulo 2^32; undefined where the system does not say. /proc/net/udp
 * has the same figure, but a line twice or not at all while other sockets come and go.
 */
export function droppedIncoming(fd: number): number | undefined {
  const value = Buffer.alloc(MEMINFO_DROPS_AT + 4);
  const filled = load()?.getsockopt?.(fd, SOL_SOCKET, SO_MEMINFO, value);
  return filled === value.length ? value.readUInt32LE(MEMINFO_DROPS_AT) : undefined;
}

function terminated(path: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(path), Buffer.of(0)]);
}
