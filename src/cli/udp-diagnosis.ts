import type { UdpMeasured } from "../client/udp.ts";
import { SockError } from "../errors.ts";
import { escapeForDisplay } from "../text/escape.ts";

/** The words for a run without any reply: which way is dead. */
export function diagnosed(
  name: string,
  failure: SockError,
  measured: UdpMeasured,
  plain: boolean,
): SockError {
  const { counts, trips } = measured;
  if (trips.back > 0 || (failure.code !== "silent" && failure.code !== "refused")) return failure;
  if (plain) {
    return failure.code === "refused"
      ? failure
      : new SockError(
          "silent",
          `no reply to ${trips.sent} datagrams`,
          "is an echo server there, and is its port open for udp?",
        );
  }
  const says = `tcp to ${escapeForDisplay(name)} works, udp does not`;
  const port = `${measured.port}/udp`;
  if (failure.code === "refused") {
    return new SockError(
      "refused",
      `${says}: its port is closed (ICMP)`,
      `open ${port} there, or where it is forwarded`,
    );
  }
  if (counts === undefined) return new SockError("silent", `${says}: no reply to ${trips.sent} probes`);
  const seen = counts.answered + counts.corrupt + counts.limited;
  const what = `${says}: ${escapeForDisplay(name)} saw ${seen} of ${trips.sent} probes`;
  return seen === 0
    ? new SockError(
        "silent",
        what,
        `blocked on the way there; open ${port} (cloud security group, ufw, Windows firewall)`,
      )
    : new SockError("silent", what, "blocked on the way back; does a firewall here drop the replies?");
}
