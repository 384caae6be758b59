/**
 * Keys that a `join` has made and the server may know already: stored before connecting, so that a `join` cut in the
 * middle asks again with the same key and gets the same answer.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { asSecret } from "../files/local.ts";
import { createState, readRecord, recordText, removeState } from "../files/state.ts";
import type { JoinCode } from "../protocol/join-code.ts";
import { newIdentity } from "../transport/identity.ts";
import { clientFolder } from "./host-store.ts";

/** The private key (32 bytes) that joins with this code: a fresh one, or the one of an earlier try. @throws SockError `state` */
export function pendingSecret(stateFolder: string, code: JoinCode): Uint8Array {
  const path = pendingPath(stateFolder, code);
  const earlier = readRecord(path, asSecret);
  if (earlier !== undefined) return earlier;
  const { secret } = newIdentity();
  if (createState(path, recordText({ version: 1, secret: Buffer.from(secret).toString("base64") })))
    return secret;
  return readRecord(path, asSecret) ?? secret;
}

/** After the host was added: the key is there now. */
export function dropPending(stateFolder: string, code: JoinCode): void {
  removeState(pendingPath(stateFolder, code));
}

function pendingPath(stateFolder: string, code: JoinCode): string {
  const digest = createHash("sha256").update(code.pin).update(code.secret).digest("hex");
  return join(clientFolder(stateFolder), "pending", `${digest}.json`);
}
