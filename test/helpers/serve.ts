import { childEnv, events, SOCK } from "./run.ts";
import { temporaryFolder } from "./temp.ts";
import { until } from "./until.ts";

export interface ServeOptions {
  /** What follows `sock serve`: folders and flags. */
  args?: readonly string[];
  home?: string;
  cwd?: string;
  env?: Record<string, string>;
  /** What a shell does first: `ulimit -n 256`. */
  limit?: string;
  /** Each for `--listen`; a free port of 127.0.0.1 where left out. */
  listen?: readonly string[];
}

export interface Serving extends AsyncDisposable {
  /** A direct code, valid while it runs; for SOCK_JOIN of `sock(…, { env })`. */
  readonly join: string;
  readonly port: number;
  readonly home: string;
  readonly process: Bun.Subprocess;
  /** What it has written so far. */
  stdout(): string;
  stderr(): string;
  /** SIGTERM (or another), and its status. */
  stop(signal?: NodeJS.Signals): Promise<number>;
}

/** `sock serve` on a free port of loopback, ready to be asked; ends with its scope. */
export async function serve(options: ServeOptions = {}): Promise<Serving> {
  const own = options.home === undefined ? await temporaryFolder() : undefined;
  const home = options.home ?? own?.path ?? "";
  const listen = (options.listen ?? ["127.0.0.1:0"]).flatMap((where) => ["--listen", where]);
  const argv = [SOCK, "serve", ...(options.args ?? []), "--json", ...listen];
  const limited = ["sh", "-c", `${options.limit ?? ""}; exec "$@"`, "sh", ...argv];
  const child = Bun.spawn(options.limit === undefined ? argv : limited, {
    cwd: options.cwd ?? home,
    env: childEnv(home, options.env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<number> => {
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), 15_000);
    const status = await child.exited;
    clearTimeout(late);
    return status;
  };
  try {
    const { join, port } = await until(() => {
      if (child.exitCode !== null)
        throw new Error(`serve ended with ${child.exitCode}: ${stdout()}${stderr()}`);
      return listening(stdout());
    }, "the listening event");
    return {
      join,
      port,
      home,
      process: child,
      stdout,
      stderr,
      stop,
      [Symbol.asyncDispose]: async () => {
        await stop();
        await own?.[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await stop("SIGKILL");
    await own?.[Symbol.asyncDispose]();
    throw error;
  }
}

function listening(text: string): { join: string; port: number } | undefined {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  for (const { type, join, port } of events(whole)) {
    if (type === "listening" && typeof join === "string" && typeof port === "number") return { join, port };
  }
  return undefined;
}

/** Keeps reading, so that the child never waits for us. */
function collect(stream: ReadableStream<Uint8Array>): () => string {
  let text = "";
  const decoder = new TextDecoder();
  void (async () => {
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  })();
  return () => text;
}
