/**
 * System calls on datagram sockets that the runtime has opened, past its event loop (Linux only): a round trip that is
 * timed should not contain the loop's turns. Struct layouts: ip(7), ipv6(7), poll(2).
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { dlopen, type Pointer, ptr, read } from "bun:ffi";

/** The largest datagram there is. */
const BUFFER_BYTES = 65_536;
/** Payload of UDP in an Ethernet frame. */
const USUAL_BYTES = 1472;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;
const PORT_AT = 2;
const IPV4_AT = 4;
const IPV6_AT = 8;
const SCOPE_AT = 24;
/** INET6_ADDRSTRLEN and some. */
const TEXT_BYTES = 64;
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;
const POLLIN = 1;
/** Bytes of a struct pollfd as ints: the descriptor, then what is asked (low half) and what there is (high half). */
const POLLFD_INTS = 2;
const EPOLL_CTL_MOD = 3;
/** Where a struct epoll_event has its data: it is packed on this architecture alone. */
const EPOLL_DATA_AT = process.arch === "x64" ? 4 : 8;
const PR_SET_TIMERSLACK = 29;
const NS_PER_MS = 1e6;

export type DatagramSent =
  | "sent"
  /** Our own system has no room now. */
  | "full"
  /** Longer than the way out takes. */
  | "too-large";

/** By errno: EAGAIN, EMSGSIZE, ENOBUFS. */
const NOT_SENT: Readonly<Record<number, DatagramSent>> = { 11: "full", 90: "too-large", 105: "full" };

/** Where a datagram came from or goes to, as the kernel wants it and as people do. */
export interface Endpoint {
  readonly raw: Uint8Array;
  readonly address: string;
  readonly port: number;
}

/** An entry of an epoll(7), as /proc/PID/fdinfo shows it. */
export interface Watch {
  readonly epoll: number;
  readonly fd: number;
  readonly events: number;
  readonly data: bigint;
}

type Symbols = ReturnType<typeof open>["symbols"];

function open(name: string) {
  return dlopen(name, {
    recvfrom: { args: ["i32", "ptr", "u64", "i32", "ptr", "ptr"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i32" },
    ppoll: { args: ["ptr", "u64", "ptr", "ptr"], returns: "i32" },
    epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
    sched_yield: { args: [], returns: "i32" },
    prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
    inet_ntop: { args: ["i32", "ptr", "ptr", "u32"], returns: "ptr" },
    inet_pton: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
  });
}

let calls: DatagramCalls | undefined;
let looked = false;

/** Undefined where the platform has no such calls. */
export function datagramCalls(): DatagramCalls | undefined {
  if (looked || process.platform !== "linux") return calls;
  looked = true;
  for (const name of ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`]) {
    try {
      calls = new DatagramCalls(open(name).symbols);
      return calls;
    } catch {
      // the next one
    }
  }
  return calls;
}

export class DatagramCalls {
  /** What `receive` has written, until the next one. */
  readonly #bytes = Buffer.alloc(BUFFER_BYTES);
  /** Its beginnings by their length, as far as datagrams have no more than a usual network's. */
  readonly #beginnings: Buffer[] = [];
  readonly #libc: Symbols;
  // the collector must not take what only C points to, so all of it hangs here
  readonly #source = new Uint8Array(SOCKADDR_IN6_BYTES);
  readonly #sourceLength = new Uint32Array(1);
  readonly #text = Buffer.alloc(TEXT_BYTES);
  readonly #timeout = new BigInt64Array(2);
  readonly #at: { bytes: Pointer; source: Pointer; sourceLength: Pointer; text: Pointer; timeout: Pointer };
  #latest: Endpoint | undefined;

  constructor(libc: Symbols) {
    this.#libc = libc;
    this.#at = {
      bytes: ptr(this.#bytes),
      source: ptr(this.#source),
      sourceLength: ptr(this.#sourceLength),
      text: ptr(this.#text),
      timeout: ptr(this.#timeout),
    };
  }

  /** Length of the datagram that is in `received` now; -1 where there is none; -2 where an ICMP error was waiting. */
  receive(fd: number): number {
    const { bytes, source, sourceLength } = this.#at;
    this.#sourceLength[0] = SOCKADDR_IN6_BYTES;
    const length = this.#libc.recvfrom(fd, bytes, BUFFER_BYTES, MSG_DONTWAIT, source, sourceLength);
    if (length >= 0) return length;
    return this.errno() === EAGAIN ? -1 : -2;
  }

  /** The datagram that `receive` has got, until it gets another one. */
  received(length: number): Buffer {
    if (length > USUAL_BYTES) return this.#bytes.subarray(0, length);
    // a new view for each would be as much garbage as the datagrams themselves
    return (this.#beginnings[length] ??= this.#bytes.subarray(0, length));
  }

  /** Who sent what `receive` has got; the same object as long as it is the same one. */
  source(): Endpoint | undefined {
    const length = this.#sourceLength[0] ?? 0;
    const { raw } = this.#latest ?? { raw: undefined };
    if (raw?.length === length && isSame(raw, this.#source)) return this.#latest;
    const copy = this.#source.slice(0, length);
    const address = this.#addressOf(copy);
    if (address === undefined) return undefined;
    const port = ((copy[PORT_AT] ?? 0) << 8) | (copy[PORT_AT + 1] ?? 0);
    this.#latest = { raw: copy, address, port };
    return this.#latest;
  }

  /** For `send`; undefined for an address that needs its interface named, or a name. */
  endpoint(address: string, port: number, ipv6: boolean): Endpoint | undefined {
    const raw = new Uint8Array(ipv6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES);
    const family = ipv6 ? AF_INET6 : AF_INET;
    new Uint16Array(raw.buffer, 0, 1)[0] = family;
    new DataView(raw.buffer).setUint16(PORT_AT, port);
    const host = ipv6 && !address.includes(":") ? `::ffff:${address}` : address;
    const text = Buffer.from(`${host}\0`);
    const into = raw.subarray(ipv6 ? IPV6_AT : IPV4_AT);
    return this.#libc.inet_pton(family, ptr(text), ptr(into)) === 1 ? { raw, address, port } : undefined;
  }

  /** Undefined where it failed for another reason than these. */
  send(fd: number, bytes: Uint8Array, to: Endpoint): DatagramSent | undefined {
    // of an empty array there is no address
    const isOwn = bytes.length === 0 || bytes.buffer === this.#bytes.buffer;
    const at = isOwn ? this.#at.bytes : ptr(bytes);
    const sent = this.#libc.sendto(fd, at, bytes.length, MSG_DONTWAIT, ptr(to.raw), to.raw.length);
    return sent < 0 ? NOT_SENT[this.errno()] : "sent";
  }

  /** Waits until one of `fds` (made by `pollFds`) is ready, `ms` (fractions too) at most, or a signal comes: how many are. */
  wait(fds: Int32Array, ms: number): number {
    this.#timeout[1] = BigInt(Math.max(0, Math.floor(ms * NS_PER_MS)));
    return this.#libc.ppoll(ptr(fds), fds.length / POLLFD_INTS, this.#at.timeout, null);
  }

  /** Whether the event loop is told of what can be read there; errors it always hears. The descriptor must still be its own. */
  tell({ epoll, fd, events, data }: Watch, told: boolean): void {
    const event = new DataView(new ArrayBuffer(EPOLL_DATA_AT + 8));
    event.setUint32(0, told ? events : 0, true);
    event.setBigUint64(EPOLL_DATA_AT, data, true);
    this.#libc.epoll_ctl(epoll, EPOLL_CTL_MOD, fd, ptr(event));
  }

  /** Others on this processor go first (sched_yield(2)). */
  yield(): void {
    this.#libc.sched_yield();
  }

  /** Timers of this thread may be late by 1 ns instead of 50 us (prctl(2)). */
  punctual(): void {
    this.#libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  }

  /** Of the call that has just failed. */
  errno(): number {
    const at = this.#libc.__errno_location();
    return at === null ? -1 : read.i32(at, 0);
  }

  /** As inet_ntop(3) writes it, with the number of its interface where it has one; IPv4 inside IPv6 is IPv4. */
  #addressOf(raw: Uint8Array): string | undefined {
    const family = raw[0];
    if (family === AF_INET) return raw.subarray(IPV4_AT, IPV4_AT + 4).join(".");
    if (family !== AF_INET6) return undefined;
    const from = ptr(raw.subarray(IPV6_AT));
    if (this.#libc.inet_ntop(AF_INET6, from, this.#at.text, TEXT_BYTES) === null) return undefined;
    const text = this.#text.toString("latin1", 0, this.#text.indexOf(0)).replace(/^::ffff:(?=.*\.)/, "");
    const scope = new DataView(raw.buffer).getUint32(SCOPE_AT, true);
    return scope === 0 ? text : `${text}%${scope}`;
  }
}

/** What `wait` takes: each descriptor, to be read from. */
export function pollFds(descriptors: readonly number[]): Int32Array {
  return Int32Array.from(descriptors.flatMap((fd) => [fd, POLLIN]));
}

/** What `wait` has found about the descriptor at that place: something to read, something else (an error), nothing. */
export function foundAt(fds: Int32Array, place: number): "readable" | "other" | "nothing" {
  const found = (fds[place * POLLFD_INTS + 1] ?? 0) >>> 16;
  if (found === 0) return "nothing";
  return found === POLLIN ? "readable" : "other";
}

/** How the event loop's own epoll watches that descriptor; undefined where /proc does not show it. */
export function watchOf(fd: number): Watch | undefined {
  const watched = new RegExp(`^tfd:\\s+${fd}\\s+events:\\s+([0-9a-f]+)\\s+data:\\s+([0-9a-f]+)`, "m");
  try {
    for (const name of readdirSync("/proc/self/fd")) {
      if (!isEpoll(name)) continue;
      const [, events, data] = watched.exec(readFileSync(`/proc/self/fdinfo/${name}`, "latin1")) ?? [];
      if (events === undefined || data === undefined) continue;
      return { epoll: Number(name), fd, events: Number.parseInt(events, 16), data: BigInt(`0x${data}`) };
    }
  } catch {
    // no /proc
  }
  return undefined;
}

function isEpoll(name: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${name}`) === "anon_inode:[eventpoll]";
  } catch {
    return false;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}
