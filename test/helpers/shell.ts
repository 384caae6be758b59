/** A server that runs programs, and commands on it. */
import { readdirSync, readFileSync } from "node:fs";
import { type Child, type ChildOptions, start } from "./child.ts";
import { type Ran, type RunOptions, sock } from "./run.ts";
import { serve, type ServeOptions, type Serving } from "./serve.ts";

/** The tests may be run as root, who has to say so twice. */
export async function shellServer(options: ServeOptions = {}): Promise<Serving> {
  return serve({ ...options, args: ["--shell", "--allow-root", ...(options.args ?? [])] });
}

/** `sock shell ARGS` to its end. */
export async function shell(
  server: { readonly join: string },
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  return sock(["shell", ...args], { ...options, env: { SOCK_JOIN: server.join, ...options.env } });
}

/** `sock shell ARGS`, looked at while it runs. */
export async function startShell(
  server: { readonly join: string },
  args: readonly string[],
  options: ChildOptions = {},
): Promise<Child> {
  return start(["shell", ...args], { ...options, env: { SOCK_JOIN: server.join, ...options.env } });
}

/** Processes with this text in one of their words. */
export function processesWith(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandLine(pid).includes(text));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // it has ended
  }
}

/** Children of a process that have ended and that nobody asked for. */
export function zombiesOf(parent: number): number[] {
  return childrenOf(parent).filter((pid) => statOf(pid)?.[0] === "Z");
}

export function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => Number(statOf(pid)?.[1]) === parent);
}

/** State, parent and what follows in proc_pid_stat(5). */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** Memory that a process has resident, MiB. */
export function residentMiB(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(found?.[1] ?? 0) / 1024;
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** A word that no other process on this machine has in its command line: `sleep 1234.56789`. */
export function sleepWord(): string {
  return `9${Math.floor(Math.random() * 1e6)}.${process.pid}`;
}
