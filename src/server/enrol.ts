import type { Enrol } from "../protocol/messages.ts";
import { SockError } from "../errors.ts";
import { ANSWERED, type Session } from "./session.ts";

/** Makes the client's fresh key known, with what its code allows; the code is used up then. */
export function answerEnrol(session: Session, request: Enrol): void {
  const { context, grant } = session;
  if (grant.kind !== "enrol") {
    throw new SockError(
      "capability",
      "this code can't join: it is a direct one",
      "put it into SOCK_JOIN as it is",
    );
  }
  const made = context.grants.enrol(
    grant,
    Buffer.from(request.spki, "base64"),
    request.name,
    session.address,
  );
  session.channel.send({
    type: "enrolled",
    name: made.name,
    caps: made.caps.filter((cap) => ANSWERED.includes(cap)),
    scope: made.scope,
    expires: made.expires,
  });
  context.report({ type: "joined", who: made.name, address: session.address, allows: made.caps });
}
