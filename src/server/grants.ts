/**
 * Who may do what: the grants in memory, where the handshake decides on them synchronously, and on disk, where several
 * processes change them (`serve`, `invite`, `clients`, `revoke`). `poll` follows their changes.
 */
import { asSockError, SockError } from "../errors.ts";
import { withLock } from "../files/lock.ts";
import { isCapability, sortCapabilities } from "../protocol/capabilities.ts";
import { toLabel } from "../protocol/label.ts";
import { spkiHashOfKey } from "../transport/identity.ts";
import { inRanges } from "../protocol/cidr.ts";
import { type Grant, grantId } from "./grant.ts";
import { GrantFolder, type Snapshot } from "./grant-folder.ts";
import { parseRights, sameCommand } from "./rights.ts";
import { serverFolder } from "./identity-store.ts";
import { takenUses, takeUse, type Use, type UseDecision } from "./uses.ts";

export type { Grant } from "./grant.ts";

export type Decision =
  | { ok: true; grant: Grant }
  | { ok: false; code: "unknown" | "expired" | "revoked" | "wrong-address"; message: string };

export type NewGrant = Omit<Grant, "version" | "id" | "created">;
type OnBad = (error: SockError) => void;

export interface ListedGrant {
  id: string;
  grant: Grant;
  state: "valid" | "expired" | "revoked" | "used-up";
  uses: Use[];
}

/** An expired grant is told apart from an unknown one for this long, ms. */
const FORGET_AFTER_MS = 30 * 86_400_000;

export class Grants {
  readonly #folder: GrantFolder | undefined;
  readonly #onBad: OnBad;
  #grants = new Map<string, Grant>();
  /** Grants of this process only. */
  readonly #ours = new Map<string, Grant>();
  #revoked = new Set<string>();
  /** Messages about bad files that `onBad` has heard. */
  #named = new Set<string>();

  private constructor(folder: GrantFolder | undefined, onBad: OnBad) {
    this.#folder = folder;
    this.#onBad = onBad;
  }

  /**
   * `onBad` hears once of each file that goes bad later.
   * @throws SockError `state` naming a bad file: a list that is not understood must not be served by half
   */
  static open(stateFolder: string, onBad: OnBad = () => undefined): Grants {
    const folder = new GrantFolder(serverFolder(stateFolder));
    folder.sweep();
    const grants = new Grants(folder, onBad);
    const { bad } = grants.#refresh(folder);
    if (bad[0] !== undefined) throw bad[0];
    return grants;
  }

  /** Grants of a server without state; their uses can't be counted. */
  static fixed(list: readonly Grant[]): Grants {
    const grants = new Grants(undefined, () => undefined);
    grants.#grants = new Map(list.map((grant) => [grant.id, grant]));
    return grants;
  }

  /**
   * Decides on a key that its holder has proved (32 bytes, SHA-256 of the SPKI). Synchronous, from memory only.
   * `now` is this machine's clock, ms.
   */
  lookup(spkiHash: Uint8Array, address: string, now: number = Date.now()): Decision {
    const hash = Buffer.from(spkiHash).toString("hex");
    const grant = this.#grants.get(grantId(hash));
    if (grant?.hash !== hash)
      return { ok: false, code: "unknown", message: "this key is not in the server's list" };
    const found = this.check(grant.id, now);
    if (!found.ok || inRanges(address, grant.cidr)) return found;
    return {
      ok: false,
      code: "wrong-address",
      message: `the ${kindOf(grant)} ${grant.name} is not allowed from ${address}`,
    };
  }

  /** Decides again on the key of a session: the grant as it is now, or why it has ended. */
  check(id: string, now: number = Date.now()): Decision {
    const grant = this.#grants.get(id);
    if (grant === undefined)
      return { ok: false, code: "unknown", message: "this key is not in the server's list any more" };
    const who = `the ${kindOf(grant)} ${grant.name}`;
    if (this.#isRevoked(grant)) return { ok: false, code: "revoked", message: `${who} was revoked` };
    if (!isExpired(grant, now)) return { ok: true, grant };
    return {
      ok: false,
      code: "expired",
      message: `${who} expired ${new Date(grant.expires ?? 0).toISOString()}`,
    };
  }

  /** Follows what other processes changed. What a bad file granted is gone; when all is unreadable, all stays. */
  poll(): void {
    if (this.#folder?.mayHaveChanged() !== true) return;
    let bad: readonly SockError[];
    try {
      bad = this.#refresh(this.#folder, true).bad;
    } catch (thrown) {
      bad = [asSockError(thrown)];
    }
    for (const error of bad) if (!this.#named.has(error.message)) this.#onBad(error);
    this.#named = new Set(bad.map((error) => error.message));
  }

  /**
   * Adds a grant under its name, or under the next free one (`-2`); a key that is known keeps the grant that it has.
   * @throws SockError `state`
   */
  add(grant: NewGrant, now: number = Date.now()): Grant {
    const folder = this.#writable();
    this.#prune(now);
    const id = grantId(grant.hash);
    const named: Grant = { version: 1, id, created: now, ...grant, name: folder.claimName(grant.name, id) };
    if (folder.create(named)) {
      this.#grants.set(id, named);
      return named;
    }
    const known = this.#refresh(folder).grants.get(id);
    if (known?.hash === grant.hash) return known;
    throw new SockError("state", `the grant ${id} is in the list already, and can't be read`);
  }

  /** Adds a grant that is only in memory: it ends with this process, however that ends. */
  addForRun(grant: NewGrant, now: number = Date.now()): Grant {
    const id = grantId(grant.hash);
    const own: Grant = { version: 1, id, created: now, ...grant };
    this.#ours.set(id, own);
    this.#grants.set(id, own);
    return own;
  }

  /**
   * Lets the fresh key of a `join` in: it inherits what its code allows. The same code with the same key gets the same
   * answer, however often it is cut and repeated.
   * @throws SockError `used-up`; `policy` for a code that can't enrol, or a key that came another way; `protocol`
   */
  enrol(code: Grant, spki: Uint8Array, name: string, from: string, now: number = Date.now()): Grant {
    if (code.kind !== "enrol") {
      throw new SockError(
        "policy",
        `the code ${code.name} is used as it is, not for joining`,
        "put it into SOCK_JOIN, or ask for one of sock invite",
      );
    }
    const hash = Buffer.from(spkiHashOfKey(spki)).toString("hex");
    const use = this.takeUse(code, hash, from, now);
    if (!use.ok) throw new SockError(use.code, use.message, "ask for a new code: sock invite");
    const known = this.#grants.get(grantId(hash));
    const { caps, scope, cidr, key_ttl, exec } = code;
    const grant =
      known?.hash === hash
        ? known
        : this.add(
            {
              kind: "key",
              hash,
              name: toLabel(name, "client"),
              caps,
              scope,
              cidr,
              expires: key_ttl === null ? null : now + key_ttl,
              uses: null,
              key_ttl: null,
              parent: code.id,
              exec,
            },
            now,
          );
    if (grant.parent === code.id) return grant;
    throw new SockError("policy", "this key is in the list already, by another code");
  }

  /** Takes one of a code's uses for a run; `run` is 64 hex digits. Call it only after the peer's `hello`. */
  takeUse(grant: Grant, run: string, from: string, now: number = Date.now()): UseDecision {
    if (this.#folder === undefined) return { ok: true };
    return takeUse(this.#folder.serverFolder, grant, { run, at: now, from });
  }

  /**
   * Revokes a name or id, and every key that was enrolled by it; all of them are returned. Once is for ever.
   * @throws SockError `not-found`
   */
  revoke(nameOrId: string, now: number = Date.now()): Grant[] {
    const folder = this.#writable();
    this.#refresh(folder);
    const named = this.find(nameOrId);
    const ids = new Set(named.map((grant) => grant.id));
    const all = [...this.#grants.values()].filter(
      (grant) => ids.has(grant.id) || ids.has(grant.parent ?? ""),
    );
    for (const grant of all) {
      folder.revoke(grant.id, now);
      this.#revoked.add(grant.id);
    }
    return all;
  }

  /** Gives a capability to a key or code, or takes it away. @throws SockError `not-found`, `usage`, `state` */
  async setCaps(nameOrId: string, verb: "allow" | "deny", cap: string): Promise<Grant[]> {
    const folder = this.#writable();
    const rights = parseRights([cap]);
    // a listed command is taken back alone, the capability with all of them
    const only = rights.exec[0];
    return await withLock(folder.serverFolder, "grants", () => {
      this.#refresh(folder);
      return this.find(nameOrId).map((grant) => {
        const known = grant.caps.filter(isCapability);
        const commands = grant.exec.filter((argv) => only === undefined || !sameCommand(argv, only));
        const changed: Grant =
          verb === "allow"
            ? {
                ...grant,
                caps: sortCapabilities([...known, ...rights.caps]),
                exec: [...commands, ...rights.exec],
              }
            : only === undefined
              ? { ...grant, caps: known.filter((one) => !rights.caps.includes(one)) }
              : { ...grant, exec: commands };
        folder.replace(changed);
        this.#grants.set(grant.id, changed);
        return changed;
      });
    });
  }

  /** Every grant, the oldest first. */
  list(now: number = Date.now()): ListedGrant[] {
    const folder = this.#folder;
    return [...this.#grants.values()]
      .sort((a, b) => a.created - b.created || a.name.localeCompare(b.name))
      .map((grant) => {
        const uses = folder === undefined ? [] : takenUses(folder.serverFolder, grant);
        const usedUp = grant.uses !== null && uses.length >= grant.uses;
        const state = this.#isRevoked(grant)
          ? "revoked"
          : isExpired(grant, now)
            ? "expired"
            : usedUp
              ? "used-up"
              : "valid";
        return { id: grant.id, grant, state, uses };
      });
  }

  /** The grants of this name or id. @throws SockError `not-found` */
  find(nameOrId: string): Grant[] {
    const wanted = nameOrId.toLowerCase();
    const found = [...this.#grants.values()].filter((grant) => grant.name === wanted || grant.id === wanted);
    if (found.length > 0) return found;
    throw new SockError(
      "not-found",
      `no key or code ${JSON.stringify(nameOrId.slice(0, 80))}`,
      "sock clients lists them",
    );
  }

  #refresh(folder: GrantFolder, quick = false): Snapshot {
    const snapshot = folder.read(quick);
    this.#grants = new Map([...snapshot.grants, ...this.#ours]);
    this.#revoked = snapshot.revoked;
    return snapshot;
  }

  #isRevoked(grant: Grant): boolean {
    return this.#revoked.has(grant.id) || (grant.parent !== null && this.#revoked.has(grant.parent));
  }

  /** Forgets what expired long ago and let in no key that is still there. */
  #prune(now: number): void {
    const parents = new Set([...this.#grants.values()].map((grant) => grant.parent));
    for (const [id, grant] of this.#grants) {
      if (isExpired(grant, now - FORGET_AFTER_MS) && !parents.has(id)) {
        this.#folder?.forget(grant);
        this.#grants.delete(id);
      }
    }
  }

  #writable(): GrantFolder {
    if (this.#folder !== undefined) return this.#folder;
    throw new SockError("policy", "this server has no state: its only key is in SOCK_SERVE");
  }
}

function isExpired(grant: Grant, now: number): boolean {
  return grant.expires !== null && grant.expires <= now;
}

function kindOf(grant: Grant): string {
  return grant.kind === "key" || grant.kind === "local" ? "key" : "code";
}
