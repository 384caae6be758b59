/**
 * The files behind the grants: `<state>/server/grants/<id>.json`, `<id>.revoked` beside it when it is revoked, and
 * `<state>/server/names/<name>`, which holds the id that has the name.
 */
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { asSockError, SockError } from "../errors.ts";
import {
  createState,
  listState,
  readRecord,
  readState,
  recordText,
  removeState,
  sweepTemporaries,
  writeState,
} from "../files/state.ts";
import { numbered } from "../protocol/label.ts";
import { asGrant, type Grant } from "./grant.ts";
import { usesFolder } from "./uses.ts";

export interface Snapshot {
  /** By id. */
  grants: Map<string, Grant>;
  /** Ids. */
  revoked: Set<string>;
  /** One `state` error for each file that can't be understood. */
  bad: SockError[];
}

interface Entry {
  /** Tell whether the file is still the one that was read. */
  ino: number;
  mtimeMs: number;
  size: number;
  grant: Grant | SockError;
}

const SUFFIX = ".json";
const REVOKED = ".revoked";
/** A folder that changed this lately may change again under the same time stamp (FAT counts in 2 s), ms. */
const SETTLED_MS = 2_000;
const NS_PER_MS = 1_000_000n;
/** Names tried before a grant gets its id as a name. */
const MAX_SAME_NAMES = 500;

export class GrantFolder {
  readonly serverFolder: string;
  readonly #path: string;
  /** Files read before, by name: a file is read again only when it is another one. */
  #cache = new Map<string, Entry>();
  /** Time stamp of the folder at the last reading, ns, and whether it was old enough to be trusted then. */
  #seen = 0n;
  #settled = false;

  constructor(serverFolder: string) {
    this.serverFolder = serverFolder;
    this.#path = join(serverFolder, "grants");
  }

  /** False when nothing can have changed since the last `read`: costs one stat. */
  mayHaveChanged(): boolean {
    return !this.#settled || this.#stamp() !== this.#seen;
  }

  /**
   * All files as they are. `quick`: while the folder shows the time of the last reading, only names are compared, and
   * files that were read stay as they were; what that overlooks shows once the time is old enough to be trusted.
   * @throws SockError `state` when the folder itself can't be read
   */
  read(quick = false): Snapshot {
    const stamp = this.#stamp();
    const settled = stamp !== 0n && BigInt(Date.now()) - stamp / NS_PER_MS > SETTLED_MS;
    const trust = quick && !settled && stamp === this.#seen;
    this.#seen = stamp;
    this.#settled = settled;
    const snapshot: Snapshot = { grants: new Map(), revoked: new Set(), bad: [] };
    const cache = new Map<string, Entry>();
    for (const name of listState(this.#path)) {
      if (name.endsWith(REVOKED)) snapshot.revoked.add(name.slice(0, -REVOKED.length));
      if (!name.endsWith(SUFFIX)) continue;
      const known = this.#cache.get(name);
      const entry = trust && known !== undefined ? known : this.#entry(name, known);
      if (entry === undefined) continue;
      cache.set(name, entry);
      if (entry.grant instanceof SockError) snapshot.bad.push(entry.grant);
      else snapshot.grants.set(entry.grant.id, entry.grant);
    }
    this.#cache = cache;
    return snapshot;
  }

  /** False when this id has a grant already. */
  create(grant: Grant): boolean {
    return createState(this.#file(grant.id), recordText(grant));
  }

  replace(grant: Grant): void {
    writeState(this.#file(grant.id), recordText(grant));
  }

  revoke(id: string, at: number): void {
    createState(join(this.#path, id + REVOKED), recordText({ at }));
  }

  /** The first of `label`, `label-2`… that no other grant has; the same for the same id. */
  claimName(label: string, id: string): string {
    let tries = 0;
    for (const name of numbered(label)) {
      tries += 1;
      const path = join(this.serverFolder, "names", name);
      const holder = readState(path);
      if (holder?.trim() === id || (holder === undefined && createState(path, `${id}\n`))) return name;
      if (readState(path)?.trim() === id) return name;
      if (tries >= MAX_SAME_NAMES) break;
    }
    return id;
  }

  /** Removes all that is known of a grant, its name last. */
  forget(grant: Grant): void {
    const { id } = grant;
    removeState(this.#file(id));
    removeState(join(this.#path, id + REVOKED));
    rmSync(usesFolder(this.serverFolder, id), { recursive: true, force: true });
    const name = join(this.serverFolder, "names", grant.name);
    if (readState(name)?.trim() === id) removeState(name);
  }

  sweep(): void {
    for (const folder of [this.#path, join(this.serverFolder, "names"), this.serverFolder])
      sweepTemporaries(folder);
  }

  #file(id: string): string {
    return join(this.#path, id + SUFFIX);
  }

  /** undefined when the file went away meanwhile. */
  #entry(name: string, known: Entry | undefined): Entry | undefined {
    const path = `${this.#path}/${name}`;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    const { ino, mtimeMs, size } = stat;
    if (known?.ino === ino && known.mtimeMs === mtimeMs && known.size === size) return known;
    try {
      const grant = readRecord(path, (value) => {
        const read = asGrant(value);
        if (read.id + SUFFIX !== name) throw new Error("its hash belongs to another file name");
        return read;
      });
      return grant === undefined ? undefined : { ino, mtimeMs, size, grant };
    } catch (thrown) {
      return { ino, mtimeMs, size, grant: asSockError(thrown) };
    }
  }

  /** Time of the last change in the folder, ns; 0 where there is none. */
  #stamp(): bigint {
    return statSync(this.#path, { bigint: true, throwIfNoEntry: false })?.mtimeNs ?? 0n;
  }
}
