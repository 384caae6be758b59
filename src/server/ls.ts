import { readlinkSync } from "node:fs";
import { type ErrorCode, SockError } from "../errors.ts";
import type { Entry } from "../files/entry.ts";
import type { Folder } from "../files/folder.ts";
import { joinPath, type Name, nameOf, type Segments, showPath } from "../files/names.ts";
import type { Root } from "../files/root.ts";
import { walk } from "../files/walk.ts";
import { MAX_LINK_TARGET_BYTES, MAX_PATH_BYTES } from "../protocol/constants.ts";
import { encodeFrame } from "../protocol/frame.ts";
import type { Item, Ls } from "../protocol/list-messages.ts";
import type { Channel } from "../transport/channel.ts";
import { type Located, locate } from "./locate.ts";
import type { Session } from "./session.ts";

/** Items are gathered up to this before they are sent: a TLS record for each would cost more than the rest, bytes. */
const BATCH_BYTES = 64 * 1024;

/** Lists what is at a path: first itself, then what is in it, each folder before its own names. */
export async function answerLs(session: Session, request: Ls): Promise<void> {
  const { context, channel, grant } = session;
  const started = performance.now();
  const list = new Listing(channel);
  const path = "path" in request ? request.path : Buffer.from(request.path64, "base64");
  let shown = ".";
  try {
    const shares = path.length === 0 ? context.shares.namesFor(grant) : undefined;
    if (shares === undefined) {
      const place = locate(context.shares, grant, path);
      shown = place.prefix + showPath(place.segments) || ".";
      await listPlace(list, place, request);
    } else {
      await list.add([], undefined, "folder");
      for (const name of request.self === true ? [] : shares) {
        const { root } = locate(context.shares, grant, name);
        if (request.recursive === true) await listTree(list, root, root.top, [name], false);
        else await list.add([name], root.statEntry([]));
      }
    }
    await list.end();
    session.report("ls", shown, 0, started, list.failed === 0 ? "ok" : "some-failed");
  } catch (thrown) {
    if (channel.failure !== undefined) session.report("ls", shown, 0, started, "cut");
    throw thrown;
  }
}

async function listPlace(list: Listing, place: Located, request: Ls): Promise<void> {
  const { root, segments, isFolder } = place;
  const entry = root.statEntry(segments, { follow: isFolder });
  if (root.isForbidden(entry)) throw new SockError("outside", `${root.show(segments)}: not served`);
  if (isFolder && entry.kind !== "folder") {
    throw new SockError("not-folder", `${root.show(segments)}: not a folder`);
  }
  const folder = request.self === true ? undefined : openFolder(root, segments, entry);
  if (folder !== undefined) {
    try {
      await listTree(list, root, folder, [], request.recursive !== true);
    } finally {
      folder.close();
    }
  } else if (entry.kind === "link") {
    const target = root.withParent(segments, { create: false }, readTarget);
    await list.add([], entry, entry.kind, target);
  } else {
    await list.add([], entry);
  }
}

/** The folder that is there, or behind a link; a link to anything else is listed as what it is. */
function openFolder(root: Root, segments: Segments, entry: Entry): Folder | undefined {
  if (entry.kind === "folder") return root.openFolder(segments, { create: false });
  if (entry.kind !== "link") return undefined;
  try {
    return root.openFolder(segments, { create: false });
  } catch (thrown) {
    if (thrown instanceof SockError) return undefined;
    throw thrown;
  }
}

async function listTree(
  list: Listing,
  root: Root,
  top: Folder,
  base: Segments,
  flat: boolean,
): Promise<void> {
  for await (const found of walk(top, { flat, isForbidden: (id) => root.isForbidden(id) })) {
    const path = base.length === 0 ? found.path : [...base, ...found.path];
    let wait: Promise<void> | undefined;
    switch (found.kind) {
      case "entry":
        if (found.entry.kind === "link") {
          wait = list.add(path, found.entry, "link", targetOrNothing(found.folder, found.name));
        } else wait = list.add(path, found.entry);
        break;
      case "enter":
        if (!list.fits(path)) found.skip();
        wait = list.add(path, found.entry);
        break;
      case "failed":
        if (path.length === 0) throw found.error;
        wait = list.add(path, found.entry, found.entry?.kind ?? "other", undefined, found.error.code);
        break;
      case "leave":
        break;
      default:
        found satisfies never;
    }
    if (wait !== undefined) await wait;
  }
}

function readTarget(folder: Folder, name: Name): Uint8Array {
  const target = readlinkSync(folder.path(name), { encoding: "buffer" });
  return target.subarray(0, MAX_LINK_TARGET_BYTES);
}

function targetOrNothing(folder: Folder, name: Name): Uint8Array | undefined {
  try {
    return readTarget(folder, name);
  } catch {
    // replaced since it was looked at: what it was is told all the same
    return undefined;
  }
}

/** Items on their way, and how many there were. */
class Listing {
  failed = 0;
  readonly #channel: Channel;
  #items = 0;
  #frames: Uint8Array[] = [];
  #bytes = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Whether a message has room for this path. */
  fits(path: Segments): boolean {
    return Buffer.byteLength(joinPath(path)) <= MAX_PATH_BYTES;
  }

  /** What has too long a path is only counted, as failed. The caller waits for what is returned. */
  add(
    path: Segments,
    entry: Entry | undefined,
    kind: Item["kind"] = entry?.kind ?? "other",
    target?: Uint8Array,
    error?: ErrorCode,
  ): Promise<void> | undefined {
    const where = path.length === 0 ? "." : joinPath(path);
    if (error !== undefined) this.failed += 1;
    if (Buffer.byteLength(where) > MAX_PATH_BYTES) {
      if (error === undefined) this.failed += 1;
      return undefined;
    }
    const frame = encodeFrame({
      type: "item",
      ...(typeof where === "string" ? { path: where } : { path64: base64(where) }),
      kind,
      length: exact(entry?.bytes),
      mtime: exact(entry?.mtimeUs),
      mode: entry?.mode ?? null,
      ...(target === undefined ? {} : targetField(target)),
      ...(error === undefined ? {} : { error }),
    } satisfies Item);
    this.#items += 1;
    this.#frames.push(frame);
    this.#bytes += frame.length;
    return this.#bytes < BATCH_BYTES ? undefined : this.#flush();
  }

  async end(): Promise<void> {
    await this.#flush();
    const { failed } = this;
    this.#channel.send({ type: "result", files: this.#items, bytes: 0, skipped: 0, failed });
  }

  async #flush(): Promise<void> {
    const batch = Buffer.concat(this.#frames);
    this.#frames = [];
    this.#bytes = 0;
    if (this.#channel.failure === undefined) this.#channel.connection.write(batch);
    await this.#channel.ready();
  }
}

/** File systems know sizes and times that no message can hold. */
function exact(value: number | undefined): number | null {
  return value !== undefined && Number.isSafeInteger(value) ? value : null;
}

function targetField(bytes: Uint8Array): { target: string } | { target64: string } {
  const target = nameOf(bytes);
  return typeof target === "string" ? { target } : { target64: base64(target) };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}
