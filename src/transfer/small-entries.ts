/** Entries that are done in one go: folders, links, small files, and the look at what is there already. */
import * as fs from "node:fs";
import { SockError } from "../errors.ts";
import { digestOf } from "../files/digest.ts";
import { sameFile, type Entry as Existing } from "../files/entry.ts";
import { fsFailure } from "../files/failure.ts";
import type { Folder } from "../files/folder.ts";
import { checkLinkTarget } from "../files/link-target.ts";
import { permissionBits, sameTime } from "../files/metadata.ts";
import { type Name, pathBytes, showPath } from "../files/names.ts";
import { partialBytes, partialId } from "../files/partials.ts";
import { besideName, mustBeReplaceable } from "../files/publish.ts";
import { repair, repairFolder } from "../files/repair.ts";
import { openFile } from "../files/root.ts";
import { MAX_RENAMES, RESUME_BYTES, SMALL_FILE_BYTES } from "../protocol/constants.ts";
import { linkOrCopy } from "../files/staging.ts";
import type { FileEntry, FolderEntry, LinkEntry } from "../protocol/file-messages.ts";
import type { Outcome } from "./outcome.ts";
import type { Place } from "./places.ts";
import type { Landing, ReceiverOptions } from "./receiving-options.ts";

/** File systems stamp by a clock that stands still between two ticks, ms. */
const CLOCK_MS = 20;

/** One entry and all that it needs. */
export interface Put {
  readonly options: ReceiverOptions;
  readonly place: Place;
  readonly landing: Landing;
  readonly started: number;
}

/** Makes the folder if it is not there, and gives it its mode and time. */
export function putFolder(put: Put, { mode, mtime }: FolderEntry): Outcome {
  const { landing, options, place } = put;
  const { segments, shown } = landing;
  const done = (action: Outcome["action"]): Outcome => ({ ...base(put, "folder"), action });
  if (segments.length === 0 && landing.keepsRoot === true) return done("same");
  if (segments.length === 0 && landing.ownsRoot !== true)
    throw new SockError("bad-name", `${shown}: is the served folder itself`);
  return named(shown, () => {
    if (options.dry) return done("same");
    const folder = place.folders.open(segments, true);
    const known = !folder.isNew;
    const stat = fs.statSync(folder.path(), { bigint: true });
    const { protects } = options;
    // folders come after what is in them: one that is there now may have been made for that
    if (known && protects !== undefined && Number(stat.birthtimeMs) < protects - CLOCK_MS)
      return done("same");
    const bits = mode === null ? null : permissionBits(mode);
    const now = { mode: Number(stat.mode) & 0o777, mtimeUs: Number(stat.mtimeNs / 1000n) };
    const modeDiffers = bits !== null && bits !== now.mode;
    const timeDiffers = mtime !== null && !sameTime(mtime, now.mtimeUs);
    if (modeDiffers || timeDiffers) repairFolder(folder, { mode: modeDiffers ? mode : null, mtimeUs: mtime });
    return done(known ? (modeDiffers || timeDiffers ? "repaired" : "same") : "new");
  });
}

/** Makes the link, where its target stays inside the tree. */
export function putLink(put: Put, entry: LinkEntry): Outcome {
  const { landing, options, place } = put;
  const target = "target" in entry ? Buffer.from(entry.target) : Buffer.from(entry.target64, "base64");
  const path = ownPath(entry);
  return named(landing.shown, () => {
    checkLinkTarget(path, target);
    const { parent, name } = open(put, !options.dry, "links");
    const existing = parent?.entry(name);
    const isSame = (there: Folder): boolean =>
      fs.readlinkSync(there.path(name), { encoding: "buffer" }).equals(target);
    if (parent !== undefined && existing?.kind === "link" && !options.checksum && isSame(parent)) {
      return { ...base(put, "link"), action: "same" };
    }
    const outcome = settled(put, existing, entry);
    if (outcome !== undefined) return outcome;
    if (parent === undefined || options.dry) {
      return { ...base(put, "link"), ...foreseen(put, parent, name, existing) };
    }
    const files = place.smallFiles(parent);
    const { action, name: own } = files.publishLink(parent, name, target, options.onExists);
    return { ...base(put, "link", own), action: asLive(put, action, isSame) };
  });
}

/** Writes and publishes a file whose bytes are here and were compared with its digest. */
export function putSmall(put: Put, entry: FileEntry, bytes: Uint8Array): Outcome {
  const { landing, options, place } = put;
  return named(landing.shown, () => {
    const { parent, name } = open(put, true);
    if (parent === undefined) throw new SockError("internal", "no folder was made");
    // what was made by this transfer holds nothing else, but for what the transfer itself put there
    const existing = parent.isNew ? undefined : parent.entry(name);
    const kept =
      existing === undefined
        ? undefined
        : (settled(put, existing, entry) ??
          alike(put, entry, parent, name, existing) ??
          compared(put, entry, parent, name, existing, entry.digest ?? ""));
    if (kept !== undefined) return kept;
    if (options.minFree !== undefined) place.mustHaveSpace(parent, bytes.length, options.minFree);
    const { mode, mtime: mtimeUs } = entry;
    const placed = place
      .smallFiles(parent)
      .publish(parent, name, { bytes, mode, mtimeUs, onExists: options.onExists, known: existing });
    const digest = placed.action === "skipped" ? "" : (entry.digest ?? "");
    return {
      ...base(put, "file", placed.name),
      bytes: bytes.length,
      digest,
      action: asLive(put, placed.action),
    };
  });
}

/** What is to be done with a file that is offered: it is wanted (`have` bytes may be there), or this became of it. */
export function weigh(put: Put, entry: FileEntry): Outcome | { have: number } {
  const { landing, options } = put;
  return named(landing.shown, () => {
    const { place } = put;
    const { parent, name } = open(put, false);
    const existing = parent?.entry(name);
    const outcome = settled(put, existing, entry) ?? alike(put, entry, parent, name, existing);
    if (outcome !== undefined) return outcome;
    const taken = existing === undefined ? fromLive(put, entry) : undefined;
    if (taken !== undefined) return taken;
    const { length, digest } = entry;
    if (parent !== undefined && digest !== undefined) {
      const known = compared(put, entry, parent, name, existing, digest);
      if (known !== undefined || !options.dry) return known ?? { have: 0 };
      return { ...base(put, "file"), bytes: length ?? 0, ...foreseen(put, parent, name, existing) };
    }
    const have = parent === undefined || length === null ? 0 : kept(put, parent, length, existing);
    if (length !== null && length > have && (options.minFree !== undefined || length > SMALL_FILE_BYTES)) {
      place.mustHaveSpace(parent ?? place.root.top, length - have, options.minFree ?? 0);
    }
    if (!options.dry || have > 0) return { have };
    return { ...base(put, "file"), bytes: length ?? 0, ...foreseen(put, parent, name, existing) };
  });
}

/** What would become of a stream, where nothing is to be changed. */
export function foreseenStream(put: Put, entry: FileEntry): Outcome {
  return named(put.landing.shown, () => {
    const { parent, name } = open(put, false);
    const existing = parent?.entry(name);
    return (
      settled(put, existing, entry) ?? { ...base(put, "file"), ...foreseen(put, parent, name, existing) }
    );
  });
}

/** In a tree that will take the place of another as one: what is new in it may take the place of something. */
export function asLive(
  { landing }: Put,
  action: Outcome["action"],
  isSame?: (there: Folder) => boolean,
): Outcome["action"] {
  const name = landing.segments.at(-1);
  if (landing.live === undefined || action !== "new" || name === undefined) return action;
  try {
    const there = landing.live.open(landing.segments.slice(0, -1), false);
    const existing = there.entry(name);
    if (existing === undefined) return "new";
    return existing.kind === "link" && isSame?.(there) === true ? "same" : "replaced";
  } catch {
    return "new";
  }
}

/** A file that is in the live tree already, just so: it gets a second name in the new one. */
function fromLive(put: Put, entry: FileEntry): Outcome | undefined {
  const { checksum, dry } = put.options;
  const { live, segments } = put.landing;
  const name = segments.at(-1);
  if (live === undefined || checksum || name === undefined || entry.mtime === null) return undefined;
  let folder: Folder;
  try {
    folder = live.open(segments.slice(0, -1), false);
  } catch {
    return undefined;
  }
  const there = folder.entry(name);
  if (there?.kind !== "file" || there.bytes !== entry.length || !sameTime(there.mtimeUs, entry.mtime))
    return undefined;
  if (!hasMode(there, entry.mode)) return undefined;
  if (!dry) {
    const { parent } = open(put, true);
    if (parent !== undefined) linkOrCopy(folder.path(name), parent.path(name));
  }
  return { ...base(put, "file"), bytes: there.bytes, action: "same" };
}

/** A small file that is there, looked at for its bytes. Undefined where it is another one. */
function compared(
  put: Put,
  entry: FileEntry,
  parent: Folder,
  name: Name,
  existing: Existing | undefined,
  digest: string,
): Outcome | undefined {
  const { options } = put;
  if (existing === undefined || existing.bytes > SMALL_FILE_BYTES) return undefined;
  if (!canBeProved(put, existing, entry.length)) return undefined;
  const bytes = readSmall(parent, name, existing);
  if (bytes === undefined || digestOf(options.digest, bytes) !== digest) return undefined;
  return { ...base(put, "file"), bytes: bytes.length, digest, action: putMetadata(put, entry, existing) };
}

/** All of a file that is there; undefined where we may not read it, or it changed. */
function readSmall(parent: Folder, name: Name, existing: Existing): Uint8Array | undefined {
  let fd: number;
  try {
    ({ fd } = openFile(parent.path(name)));
  } catch {
    return undefined;
  }
  try {
    const bytes = new Uint8Array(existing.bytes + 1);
    const count = fs.readSync(fd, bytes, 0, bytes.length, 0);
    return count === existing.bytes ? bytes.subarray(0, count) : undefined;
  } finally {
    fs.closeSync(fd);
  }
}

/** Bytes that may be there: of a transfer that broke, or of the file that is to be replaced, if it is as long. */
function kept(put: Put, parent: Folder, length: number, existing: Existing | undefined): number {
  const { options, place, landing } = put;
  if (options.owner !== undefined && length >= RESUME_BYTES && !options.dry) {
    const bytes = partialBytes(place.root, parent, partialId(options.owner, [pathBytes(landing.shown)]));
    if (bytes > 0) return Math.min(bytes, length);
  }
  return canBeProved(put, existing, length) ? length : 0;
}

/** Whether the bytes of the old file may be those of the new one, and are worth a look. */
export function canBeProved(
  { options, landing }: Put,
  existing: Existing | undefined,
  length: number | null,
): boolean {
  if (existing?.kind !== "file" || existing.bytes !== length || length === 0) return false;
  return options.onExists === "replace" && options.mayCompare && landing.live === undefined;
}

/** The same size and time: it is there already; a mode that differs is set. Undefined where the bytes have to come. */
function alike(
  put: Put,
  entry: FileEntry,
  parent: Folder | undefined,
  name: Name,
  existing: Existing | undefined,
): Outcome | undefined {
  const { options } = put;
  if (parent === undefined || existing?.kind !== "file" || existing.bytes !== entry.length) return undefined;
  if (options.checksum && existing.bytes > 0) return undefined;
  if (options.onExists === "rename" || entry.mtime === null || !sameTime(existing.mtimeUs, entry.mtime)) {
    return undefined;
  }
  const bytes = existing.bytes;
  // with `checksum` only an empty file comes here: what is in it is known
  const digest = options.checksum ? digestOf(options.digest, new Uint8Array(0)) : "";
  if (hasMode(existing, entry.mode)) return { ...base(put, "file"), bytes, digest, action: "same" };
  // it may be another name of a file that is live
  if (put.landing.live !== undefined) return undefined;
  if (!options.dry) repair(parent, name, existing, { mode: entry.mode, mtimeUs: entry.mtime });
  return { ...base(put, "file"), bytes, digest, action: "repaired" };
}

/** Mode and time of a file whose bytes were found to be equal; one that took its place since then keeps its own. */
export function putMetadata(put: Put, entry: FileEntry, expected: Existing): Outcome["action"] {
  const { parent, name } = open(put, false);
  const existing = parent?.entry(name);
  // it was there, and what somebody did after that came after us
  if (parent === undefined || existing === undefined || !sameFile(existing, expected)) return "same";
  const { mode, mtime: mtimeUs } = entry;
  if (hasMode(existing, mode) && (mtimeUs === null || sameTime(mtimeUs, existing.mtimeUs))) return "same";
  if (!put.options.dry) repair(parent, name, existing, { mode, mtimeUs });
  return "repaired";
}

function hasMode(existing: Existing, mode: number | null): boolean {
  return mode === null || process.platform === "win32" || existing.mode === permissionBits(mode);
}

/** Where what is there decides without a look at the bytes. Throws `exists`, `is-folder`, `not-file`. */
function settled(
  put: Put,
  existing: Existing | undefined,
  entry: FileEntry | LinkEntry,
): Outcome | undefined {
  mustBeReplaceable(existing);
  if (existing === undefined) return undefined;
  const { onExists, protects, checksum } = put.options;
  if (onExists === "refuse") {
    // of the connection that broke before we could say so; or nobody asked us to refuse what is there already
    const mayBe = entry.kind === "file" && (entry.again === true || (protects !== undefined && !checksum));
    const isSame = mayBe && existing.kind === "file" && existing.bytes === entry.length;
    if (!isSame || entry.mtime === null || !sameTime(existing.mtimeUs, entry.mtime)) {
      const hint =
        protects === undefined ? undefined : "only new names are taken there: --on-exists skip or rename";
      throw new SockError("exists", "exists already", hint);
    }
    return { ...base(put, entry.kind), bytes: existing.bytes, action: "same" };
  }
  return put.options.onExists === "skip" ? { ...base(put, entry.kind), action: "skipped" } : undefined;
}

/** What a real run would do with a file that has to come. */
function foreseen(
  put: Put,
  parent: Folder | undefined,
  name: Name,
  existing: Existing | undefined,
): Pick<Outcome, "action" | "shown"> {
  const { shown } = put.landing;
  if (parent === undefined || existing === undefined) return { shown, action: "new" };
  if (put.options.onExists !== "rename") return { shown, action: "replaced" };
  for (let count = 1; count <= MAX_RENAMES; count++) {
    const other = besideName(name, count);
    if (parent.entry(other) === undefined) return { shown: shownAs(shown, other), action: "renamed" };
  }
  throw new SockError("exists", "exists already, with too many others of its name");
}

/** The parent folder, held until the next call; undefined where it is missing and not to be made. */
function open(
  { landing, place }: Put,
  create: boolean,
  links?: "links",
): { parent: Folder | undefined; name: Name } {
  const { segments, root } = landing;
  const name = segments.at(-1);
  if (name === undefined) throw new SockError("is-folder", "is the served folder itself");
  const above = segments.slice(0, -1);
  if (links !== undefined) root.mustBeReal(above);
  if (!root.writable) throw new SockError("read-only", "the folder is served read only");
  try {
    return { parent: place.parents.open(above, create), name };
  } catch (thrown) {
    if (create || !(thrown instanceof SockError) || thrown.code !== "not-found") throw thrown;
    return { parent: undefined, name };
  }
}

function base(
  { landing, started }: Put,
  kind: Outcome["kind"],
  name?: Name,
): Omit<Outcome, "action"> & { bytes: number } {
  let { shown } = landing;
  if (name !== undefined && name !== landing.segments.at(-1)) shown = shownAs(shown, name);
  return { kind, shown, bytes: 0, digest: "", ms: performance.now() - started };
}

/** The path with another last name. */
function shownAs(shown: string, name: Name): string {
  return shown.slice(0, shown.lastIndexOf("/") + 1) + showPath([name]);
}

/** The path of an entry below its tree's top. */
function ownPath(entry: LinkEntry): Name[] {
  const path = "path" in entry ? entry.path : Buffer.from(entry.path64, "base64").toString("latin1");
  return path.split("/");
}

/** Errors get the path's name, once. */
function named<T>(shown: string, action: () => T): T {
  try {
    return action();
  } catch (thrown) {
    if (!(thrown instanceof SockError)) throw fsFailure(thrown, shown);
    if (thrown.message.startsWith(`${shown.toWellFormed()}: `)) throw thrown;
    throw new SockError(thrown.code, `${shown}: ${thrown.message}`, thrown.hint, { cause: thrown });
  }
}
