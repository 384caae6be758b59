/** Unix sockets outlive a killed server as files on which nobody listens, and bind refuses such a path. */
import { lstatSync, unlinkSync } from "node:fs";
import { errnoOf } from "./errno.ts";
import type { Address } from "../protocol/address.ts";

/** Removes sockets of these addresses on which nobody listens; what answers, and what is no socket, stays. */
export async function removeStaleSockets(addresses: readonly Address[]): Promise<void> {
  for (const address of addresses) {
    if (address.kind !== "unix" || !isSocket(address.path)) continue;
    if (!(await isRefused(address.path))) continue;
    try {
      unlinkSync(address.path);
    } catch {
      // listening says what is wrong
    }
  }
}

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
}

async function isRefused(path: string): Promise<boolean> {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data: () => undefined } });
    socket.terminate();
    return false;
  } catch (thrown) {
    return errnoOf(thrown) === "ECONNREFUSED";
  }
}
