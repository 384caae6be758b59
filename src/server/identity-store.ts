/** The server's own key, `<state>/server/server.key`: made once, never made again by accident. */
import { join } from "node:path";
import { SockError } from "../errors.ts";
import { asSecret } from "../files/local.ts";
import { createState, listState, readRecord, recordText } from "../files/state.ts";
import { type Identity, identityFromSecret, newIdentity } from "../transport/identity.ts";

export function serverFolder(stateFolder: string): string {
  return join(stateFolder, "server");
}

/** A key from its file, or undefined where there is none. @throws SockError `state` naming the file */
function loadKey(path: string): Identity | undefined {
  const secret = readRecord(path, asSecret);
  if (secret === undefined) return undefined;
  try {
    return identityFromSecret(secret);
  } catch (cause) {
    throw new SockError("state", `${path} holds no private key`, "restore it from a copy", { cause });
  }
}

/** Loads a key or makes it; when two processes do so at once, both get the same one. @throws SockError `state` */
export function keyFile(path: string): Identity {
  const found = loadKey(path);
  if (found !== undefined) return found;
  const fresh = newIdentity();
  if (createState(path, secretText(fresh.secret))) return fresh;
  return loadKey(path) ?? fresh;
}

export function secretText(secret: Uint8Array): string {
  return recordText({ version: 1, secret: Buffer.from(secret).toString("base64") });
}

/** The server's key, or undefined where no server has run from this state folder. @throws SockError `state` */
export function loadServerIdentity(stateFolder: string): Identity | undefined {
  return loadKey(serverKeyPath(stateFolder));
}

/**
 * The server's key, made on the first run. Where grants are and the key is not, all clients would refuse a new key: the
 * owner has to know, so it is not made.
 * @throws SockError `state`
 */
export function openServerIdentity(stateFolder: string): Identity {
  const path = serverKeyPath(stateFolder);
  const found = loadKey(path);
  if (found !== undefined) return found;
  // another process makes its first grant only after the key: list first, then look for the key once more
  const grants = listState(join(serverFolder(stateFolder), "grants"));
  const late = loadKey(path);
  if (late !== undefined) return late;
  if (grants.length > 0) {
    throw new SockError(
      "state",
      `${path} is missing, but keys that trust it are still in the list`,
      `restore it from a copy, or remove ${serverFolder(stateFolder)}: then every client has to join again`,
    );
  }
  return keyFile(path);
}

function serverKeyPath(stateFolder: string): string {
  return join(serverFolder(stateFolder), "server.key");
}
