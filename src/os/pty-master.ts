/**
 * The master's side of a PTY, beside Bun's own hold on it: Bun's writes wait for a turn of the loop, and don't say how much was
 * taken. Linux only.
 */
import { closeSync, readdirSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { duplicate, ioctl } from "./native.ts";

const O_NONBLOCK = 0o4000;
/** ioctl_tty(2): settings of the slave, its foreground group, a signal to that, forgetting what was not read there. */
const TCGETS = 0x5401;
const TIOCGPGRP = 0x540f;
const TIOCSIG = 0x4004_5436;
const TCFLSH = 0x540b;
const TCIFLUSH = 0;
/** The kernel's struct termios: four flag words, the discipline, the keys. */
const TERMIOS_BYTES = 36;
const LFLAG_AT = 12;
const KEYS_AT = 17;
const ISIG = 0x1;
const NOFLSH = 0x80;
/** Number of the key in c_cc, and of the signal. */
const SIGNAL_KEYS = [
  [0, 2], // INTR, SIGINT
  [1, 3], // QUIT, SIGQUIT
  [10, 20], // SUSP, SIGTSTP
] as const;

/** A key among bytes that the terminal would make a signal of. */
export interface SignalKey {
  readonly at: number;
  readonly signal: number;
}

export class PtyMaster {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Of the terminal /dev/pts/`number`, if this process is its master. */
  static of(number: string): PtyMaster | undefined {
    for (const name of readdirSync("/proc/self/fd")) {
      if (!isMaster(name, number)) continue;
      const fd = duplicate(Number(name));
      return fd === undefined ? undefined : new PtyMaster(fd);
    }
    return undefined;
  }

  /** Returns how many bytes were taken; 0 where the program does not read. */
  write(bytes: Uint8Array): number {
    try {
      return writeSync(this.#fd, bytes);
    } catch {
      return 0;
    }
  }

  /**
   * The last key here that would be a signal, and make the terminal forget what was typed before; undefined where there is
   * none, or the program wants it otherwise.
   */
  signalKey(bytes: Uint8Array): SignalKey | undefined {
    const termios = Buffer.alloc(TERMIOS_BYTES);
    if (!ioctl(this.#fd, TCGETS, termios)) return undefined;
    const flags = termios.readUInt32LE(LFLAG_AT);
    if ((flags & ISIG) === 0 || (flags & NOFLSH) !== 0) return undefined;
    let last: SignalKey | undefined;
    for (const [key, signal] of SIGNAL_KEYS) {
      const byte = termios[KEYS_AT + key] ?? 0;
      const at = byte === 0 ? -1 : bytes.lastIndexOf(byte); // 0: switched off
      if (at > (last?.at ?? -1)) last = { at, signal };
    }
    return last;
  }

  /** Number of the process group in the foreground. */
  foreground(): number | undefined {
    const group = Buffer.alloc(4);
    return ioctl(this.#fd, TIOCGPGRP, group) ? group.readInt32LE() : undefined;
  }

  /** As the terminal does for the key: to the processes in its foreground. */
  signal({ signal }: SignalKey): void {
    ioctl(this.#fd, TIOCSIG, signal);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** What was typed, and not read by the program at this slave. */
export function forgetInput(slave: number): void {
  ioctl(slave, TCFLSH, TCIFLUSH);
}

/** Never blocks, or it is of no use. */
function isMaster(fd: string, number: string): boolean {
  try {
    if (!/^\/dev\/(?:pts\/)?ptmx$/.test(readlinkSync(`/proc/self/fd/${fd}`))) return false;
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
    const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? "0", 8);
    return /^tty-index:\s*(\d+)$/m.exec(info)?.[1] === number && (flags & O_NONBLOCK) !== 0;
  } catch {
    return false;
  }
}
