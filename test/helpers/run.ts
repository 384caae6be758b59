import { join, resolve } from "node:path";
import { temporaryFolder } from "./temp.ts";

/** The executable under test; SOCK_BIN names another one than dist/sock. */
export const SOCK = resolve(process.env["SOCK_BIN"] ?? resolve(import.meta.dir, "../../dist/sock"));

export interface RunOptions {
  env?: Record<string, string>;
  stdin?: string | Uint8Array<ArrayBuffer> | Blob;
  /** SOCK_HOME; its own empty folder where left out. */
  home?: string;
  cwd?: string;
  /** Killed after this, ms; the test then sees `status` null. */
  timeout?: number;
}

export interface Ran {
  stdout: string;
  stderr: string;
  /** Exit status; null where a signal ended it. */
  status: number | null;
  signal: NodeJS.Signals | number | null;
}

/** The environment of a child: nothing of sock's from the shell that runs the tests. */
export function childEnv(home: string, env: Record<string, string> = {}): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    SOCK_HOME: join(home, "sock"),
    LC_ALL: "C.UTF-8",
    ...env,
  };
}

/** Runs dist/sock to its end. stdin is empty where not given. */
export async function sock(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  await using own = options.home === undefined ? await temporaryFolder() : undefined;
  const home = options.home ?? own?.path ?? "";
  const child = Bun.spawn([SOCK, ...args], {
    cwd: options.cwd ?? home,
    env: childEnv(home, options.env),
    stdin:
      typeof options.stdin === "string"
        ? new TextEncoder().encode(options.stdin)
        : (options.stdin ?? "ignore"),
    stdout: "pipe",
    stderr: "pipe",
    timeout: options.timeout ?? 20_000,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { stdout, stderr, status: child.exitCode, signal: child.signalCode };
}

/** The NDJSON events of a run with `--json`. */
export function events(text: string): Record<string, unknown>[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The last event, which must be the result. */
export function resultOf(text: string): Record<string, unknown> {
  const last = events(text).at(-1);
  if (last?.["type"] !== "result")
    throw new Error(`no result event at the end of ${JSON.stringify(text.slice(-500))}`);
  return last;
}
