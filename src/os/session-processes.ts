/** The processes that belong to one session (setsid(2)), and how they are ended. */
import { readdirSync, readFileSync } from "node:fs";

/** After SIGTERM a program has this long to leave by itself, ms. */
const GRACE_MS = 2_000;

/** Never throws: who is gone needs no signal. */
export function signalGroup(leader: number, name: NodeJS.Signals): void {
  try {
    process.kill(process.platform === "win32" ? leader : -leader, name);
  } catch {
    // gone
  }
}

/** Ends all processes of the session that `leader` began; a shell gives its jobs groups of their own. */
export async function endSession(leader: number, ended: Promise<unknown>): Promise<void> {
  signalGroup(leader, "SIGHUP");
  for (const pid of members(leader)) {
    signalOne(pid, "SIGTERM");
    signalOne(pid, "SIGCONT");
  }
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, GRACE_MS);
  await Promise.race([ended, late.promise]);
  clearTimeout(timer);
  signalGroup(leader, "SIGKILL");
  for (const pid of members(leader)) signalOne(pid, "SIGKILL");
}

function signalOne(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // gone
  }
}

/** Linux: by /proc. Elsewhere only the group is known, which most programs never leave. */
function members(session: number): number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => sessionOf(pid) === session);
}

function sessionOf(pid: number): number | undefined {
  const session = statOf(pid)?.[6 - 3];
  return session === undefined ? undefined : Number(session);
}

/**
 * What a process that sleeps has done so far: two looks that find the same found it asleep all the while. It is more with
 * every child that it makes. undefined for one that runs.
 */
export function workOf(pid: number): string | undefined {
  const stat = statOf(pid);
  if (stat?.[0] !== "S") return undefined;
  const [faults, userTime, systemTime] = [stat[10 - 3], stat[14 - 3], stat[15 - 3]];
  return `${faults} ${userTime} ${systemTime}`;
}

/** /proc/PID/stat (proc_pid_stat(5)) from its field 3 on; the second may hold blanks and brackets. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
