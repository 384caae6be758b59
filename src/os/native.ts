/** System calls that node's API lacks, by bun:ffi; each says when it is not to be had. */
import { dlopen } from "bun:ffi";

const LOCK_EX = 2;
const LOCK_NB = 4;

interface Libc {
  flock(fd: number, operation: number): number;
}

let libc: Libc | undefined | null = null;

function load(): Libc | undefined {
  if (libc !== null) return libc;
  libc = undefined;
  const names =
    process.platform === "darwin" ? ["libSystem.B.dylib"] : ["libc.so.6", "libc.so", "libc.musl-x86_64.so.1"];
  if (process.platform === "win32") return undefined;
  for (const name of names) {
    try {
      const { symbols } = dlopen(name, { flock: { args: ["i32", "i32"], returns: "i32" } });
      libc = symbols;
      return libc;
    } catch {
      // the next name
    }
  }
  return undefined;
}

/** flock(2) for writing, without waiting. It ends with the descriptor, also when the process is killed. */
export function tryLock(fd: number): "locked" | "busy" | "unsupported" {
  const loaded = load();
  if (loaded === undefined) return "unsupported";
  return loaded.flock(fd, LOCK_EX | LOCK_NB) === 0 ? "locked" : "busy";
}
