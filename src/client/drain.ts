import { mkdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { SockError } from "../errors.ts";
import type { BlockPool } from "../files/blocks.ts";
import { createDigester } from "../files/digest.ts";
import { fsFailure } from "../files/failure.ts";
import { Incoming } from "../files/incoming.ts";
import { sweepPartials } from "../files/partials.ts";
import { showPath } from "../files/names.ts";
import { Receiving } from "../files/receiving.ts";
import { Root } from "../files/root.ts";
import type { Digest, Entry, OnExists } from "../protocol/messages.ts";
import type { Drain } from "./get.ts";

/** Where a fetched file is to stand. */
export interface LocalPlace {
  readonly folder: string;
  readonly name: string;
  /** As the user would write it. */
  readonly shown: string;
}

export interface FileDrainOptions {
  readonly algorithm: Digest;
  readonly onExists: OnExists;
  readonly verify: boolean;
  readonly sync: boolean;
  readonly pool: BlockPool;
  readonly show: (bytes: number) => void;
}

/** `dest` is a folder where it ends in `/`, is one, or several files go there; else it is the new name. Makes folders. */
export function landLocally(dest: string, remotePath: string, several: boolean): LocalPlace {
  const name = remotePath.split("/").at(-1) ?? "";
  const into = several || dest.endsWith("/") || dest === "" || isFolder(dest);
  if (into && (name === "" || name === "." || name === "..")) {
    throw new SockError("usage", "which file? the path names a folder", "sock get HOST:PATH");
  }
  const folder = into ? dest || "." : dirname(dest);
  const own = into ? name : basename(dest);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw fsFailure(cause, folder);
  }
  return { folder, name: own, shown: folder === "." ? own : join(folder, own) };
}

/** A file that appears when it is whole and verified; undefined where it is there already and is to be skipped. */
export function fileDrain(place: LocalPlace, entry: Entry, options: FileDrainOptions): Drain | undefined {
  const { algorithm, onExists, verify, sync, pool, show } = options;
  const root = Root.open(place.folder, {
    name: place.folder === "." ? "" : join(place.folder),
    writable: true,
  });
  let incoming: Incoming;
  try {
    const { mode, mtime: mtimeUs, length } = entry;
    incoming = Incoming.create(root, [place.name], { onExists, mode, mtimeUs, length, sync, verify });
  } catch (thrown) {
    root.close();
    throw thrown;
  }
  if (incoming.skipped) {
    root.close();
    return undefined;
  }
  const receiving = new Receiving(incoming, createDigester(algorithm, entry.length), pool, entry.length);
  const close = async (): Promise<void> => {
    await receiving.discard();
    // of earlier runs that were killed
    await sweepPartials(root, Date.now()).catch(() => undefined);
    root.close();
  };
  return {
    data: async (piece, release) => {
      await receiving.data(piece, release);
      show(receiving.bytes);
    },
    end: async (bytes, digest) => {
      const published = await receiving.end(bytes, digest);
      await close();
      const name = published.path.at(-1) ?? place.name;
      return { digest: published.digest, action: published.action, name: showPath([name]) };
    },
    discard: close,
  };
}

/**
 * A stream that has no way back: what is wrong at the end shows in the exit status. `length` is what was announced, bytes.
 * `write` must not resolve before it is done with the bytes: their memory is given back then.
 */
export function streamDrain(
  write: (bytes: Uint8Array) => Promise<void>,
  length: number | null,
  algorithm: Digest,
  show: (bytes: number) => void,
): Drain {
  const digester = createDigester(algorithm, length);
  let written = 0;
  return {
    data: async (piece, release) => {
      if (length !== null && written + piece.length > length) {
        throw new SockError("changed", "more bytes came than were announced", "did it grow meanwhile?");
      }
      await Promise.all([write(piece), digester.update(piece)]);
      written += piece.length;
      release?.();
      show(written);
    },
    end: async (bytes, digest) => {
      const own = await digester.digest();
      digester.close();
      if (bytes !== written || bytes !== (length ?? bytes)) {
        throw new SockError("cut", `${written} of ${length ?? bytes} bytes arrived`);
      }
      if (own !== digest)
        throw new SockError("differs", "what arrived is not what was read: the digests differ");
      return { digest: own, action: "new", name: "-" };
    },
    discard: async () => digester.close(),
  };
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
