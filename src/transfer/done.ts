import { SockError } from "../errors.ts";
import type { Done } from "../protocol/file-messages.ts";
import type { Pending, SenderOptions } from "./pending.ts";

/** The receiver's word counts only where it fits what was asked and sent. Throws `protocol`, `differs`. */
export function checkDone(
  done: Done,
  { item, sent, have }: Pending,
  { onExists, dry }: Pick<SenderOptions, "onExists" | "dry">,
): void {
  const { action } = done;
  const asked = onExists === "any" || onExists === (action === "skipped" ? "skip" : "rename");
  if ((action === "skipped" || action === "renamed") && !asked) {
    throw new SockError("protocol", `the receiver ${action} a file, and was not asked to`);
  }
  if (item.kind === "enter" || item.kind === "link" || action === "skipped") return;
  if (action === "same" || action === "repaired") {
    // a stream has no time and length to be known by
    if (item.kind === "stream") throw new SockError("protocol", "the receiver knows what nobody told it");
    if (sent !== undefined && done.digest !== "" && done.digest !== sent.digest) throw differs();
    return;
  }
  if (sent === undefined) {
    // what would become of an offer, where nothing is to be changed
    if (dry !== false && done.digest === "" && (have === 0 || action === "replaced")) return;
    throw new SockError("protocol", "the receiver says that it has all, before all was sent");
  }
  if (done.bytes !== sent.bytes || done.digest !== sent.digest) throw differs();
}

function differs(): SockError {
  return new SockError(
    "differs",
    "the receiver published something else than what was sent",
    "send it again",
  );
}
