/** What every verb does with a plain peer: connect, say what only a warning is, leave. */
import { SockError } from "../errors.ts";
import type { PlainAddress } from "../plain/address.ts";
import { ANSWER_WARN_MS } from "../plain/limits.ts";
import type { Peer } from "../plain/peer.ts";
import { connectPeer } from "../plain/socket.ts";
import { tracer } from "./plain-options.ts";
import type { Context } from "./verb.ts";

/** Pause between two tries while a server is waited for (`--ready`), ms. */
const TRY_AGAIN_MS = 100;

/** Connects, and goes on trying for `--ready`. Throws `refused`, `unreachable`, `silent`. */
export async function connected(context: Context, address: PlainAddress, trace: boolean): Promise<Peer> {
  const { signal, connectTimeoutMs: timeoutMs } = context;
  return untilReady(context, async () =>
    connectPeer(address, {
      signal,
      timeoutMs,
      trace: tracer(context, trace),
      told: async () => context.ui.kept(),
    }),
  );
}

/** Goes on trying for `--ready`; throws what the last try has thrown. */
export async function untilReady<T>({ signal, readyMs = 0 }: Context, attempt: () => Promise<T>): Promise<T> {
  const end = performance.now() + readyMs;
  for (;;) {
    try {
      return await attempt();
    } catch (thrown) {
      const isOver = signal.aborted || performance.now() >= end;
      if (isOver || (thrown instanceof SockError && thrown.code === "usage")) throw thrown;
      await Bun.sleep(TRY_AGAIN_MS);
      if (signal.aborted) throw signal.reason;
    }
  }
}

/**
 * Says once that nothing has come, unless what it gives is called before: a peer of another dialect waits for us as
 * we wait for it, and nothing else would tell.
 */
export function noticeSilence({ ui }: Context): () => void {
  const timer = setTimeout(() => {
    ui.warn("nothing has come so far", "another --dialect? --timeout DUR gives up");
  }, ANSWER_WARN_MS);
  return () => clearTimeout(timer);
}
