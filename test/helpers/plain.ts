/** `sock plain`, and naive peers of either side: naive.py, in Python's own sockets. */
import { join } from "node:path";
import { type Child, type ChildOptions, start } from "./child.ts";
import { events } from "./run.ts";
import { until } from "./until.ts";

const NAIVE = join(import.meta.dir, "naive.py");

/** Without it the tests with naive peers skip themselves. */
export const PYTHON = Bun.which("python3");

export interface Plain extends AsyncDisposable {
  readonly child: Child;
  /** The port of a dialect, the first that carries it. */
  port(dialect: string): number;
  events(type: string): Record<string, unknown>[];
}

/** `sock plain WORDS --json`, once it listens everywhere. */
export async function plain(words: readonly string[], options: ChildOptions = {}): Promise<Plain> {
  const child = await start(["plain", ...words, "--json"], options);
  const all = (type: string): Record<string, unknown>[] => {
    const text = child.stdout();
    return events(text.slice(0, text.lastIndexOf("\n") + 1)).filter((event) => event["type"] === type);
  };
  const wanted = words.filter((word) => /^[a-z-]+=(tcp|udp|unix):/.test(word)).length;
  await until(() => {
    if (child.process.exitCode !== null)
      throw new Error(`plain has ended: ${child.stdout()}${child.stderr()}`);
    return all("listening").length === wanted;
  }, "sock plain to listen");
  return {
    child,
    port: (dialect) => Number(all("listening").find((event) => event["dialect"] === dialect)?.["port"]),
    events: all,
    [Symbol.asyncDispose]: async () => child[Symbol.asyncDispose](),
  };
}

/** A dialect on loopback, at any port. */
export function anywhere(dialect: string, kind: "tcp" | "udp" = "tcp"): string {
  return `${dialect}=${kind}://127.0.0.1:0`;
}

export interface NaiveServer extends AsyncDisposable {
  readonly port: number;
  readonly process: Bun.Subprocess;
}

/** `naive.py server WORDS`; it ends by itself after its connections. */
export async function naiveServer(words: readonly string[]): Promise<NaiveServer> {
  const child = Bun.spawn(["python3", NAIVE, "server", ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    env: { ...process.env, LC_ALL: "C.UTF-8" },
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const port = Number(new TextDecoder().decode(value).trim());
  return {
    port,
    process: child,
    [Symbol.asyncDispose]: async () => {
      await reader.cancel();
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** `naive.py client WORDS` to its end: what it printed. Throws where it failed. */
export async function naiveClient(words: readonly string[]): Promise<Buffer> {
  const child = Bun.spawn(["python3", NAIVE, "client", ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, error, status] = await Promise.all([
    new Response(child.stdout).arrayBuffer(),
    child.stderr.text(),
    child.exited,
  ]);
  if (status !== 0) throw new Error(`naive client: ${error}`);
  return Buffer.from(out);
}
