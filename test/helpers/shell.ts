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
  return childrenOf(parent).filter((pid) => processOf(pid)?.state === "Z");
}

export function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => processOf(pid)?.parent === parent);
}

export function isAlive(pid: number): boolean {
  const found = processOf(pid);
  return found !== undefined && found.state !== "Z";
}

export interface Process {
  readonly name: string;
  readonly state: string;
  readonly parent: number;
}

/** By proc_pid_stat(5); undefined for one that is gone. */
export function processOf(pid: number): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const end = stat.lastIndexOf(")");
    const fields = stat.slice(end + 2).split(" ");
    return {
      name: stat.slice(stat.indexOf("(") + 1, end),
      state: fields[0] ?? "",
      parent: Number(fields[1]),
    };
  } catch {
    return undefined;
  }
}

/** Memory that a process has resident, MiB. */
export function residentMiB(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(found?.[1] ?? 0) / 1024;
}

/** Bytes that a process has written so far. */
export function writtenBy(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}

/** The `sock shell` that talks to this server by its own code. */
export function clientOf(server: { readonly join: string }): number {
  const pid = processesWith("\0shell").find((found) => environmentOf(found).includes(server.join));
  if (pid === undefined) throw new Error("no client runs");
  return pid;
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return "";
  }
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** A number for sleep(1) that no other process on this machine has. */
export function sleepWord(): string {
  return `9${Math.floor(Math.random() * 1e6)}.${process.pid}`;
}
