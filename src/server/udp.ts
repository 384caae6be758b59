import { SockError } from "../errors.ts";
import type { Udp } from "../protocol/udp-messages.ts";
import { inRanges } from "../protocol/cidr.ts";
import type { Session } from "./session.ts";

/** How often a run asks whether its key still allows it, ms. */
const ALLOWED_POLL_MS = 400;

/** A run lasts from here until its client has asked for the final counts, or the session ends. */
export async function answerUdp(session: Session, asked: Udp): Promise<void> {
  const { channel, context, grant } = session;
  const { address, localAddress, localPort } = channel.connection;
  const started = performance.now();
  if (localAddress === "") {
    throw new SockError(
      "policy",
      "a session over a unix socket has no address for datagrams",
      "reach the server at HOST:PORT",
    );
  }
  const begun = await context.udp.begin(asked, { address, localAddress, localPort }, (from) =>
    inRanges(from, grant.cidr),
  );
  const { run, cookie, key } = begun;
  const poll = setInterval(() => {
    if (!session.allows("udp"))
      session.stop(new SockError("capability", `${grant.name} may not do this any more`));
  }, ALLOWED_POLL_MS);
  let isOver = false;
  try {
    channel.send({ type: "udp", cookie: cookie.toHex(), key: key.toBase64() });
    for (;;) {
      const { message } = await session.next();
      if (message.type !== "counts") throw new SockError("protocol", `${message.type} in a run of datagrams`);
      if (message.final) begun.catchUp();
      // before the end: what its socket drops from then on is not this run's
      const counts = run.counts();
      if (message.final) begun.end();
      channel.send({ ...counts });
      isOver = message.final;
      if (isOver) break;
    }
  } finally {
    clearInterval(poll);
    begun.end();
    const { answered, corrupt, limited, peer } = run.counts();
    const limit = limited > 0 ? `, ${limited} too fast` : "";
    const damaged = corrupt > 0 ? `, ${corrupt} corrupt` : "";
    session.report(
      "udp",
      `${answered} ${answered === 1 ? "datagram" : "datagrams"}${limit}${damaged} from ${peer ?? "nowhere"}`,
      run.bytes,
      started,
      isOver ? "ok" : "cut",
    );
  }
}
