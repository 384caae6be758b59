import { describe, expect, test } from "bun:test";
import { lstatSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { readLocalKey } from "../../src/files/local.ts";
import { Grants } from "../../src/server/grants.ts";
import { openServerIdentity } from "../../src/server/identity-store.ts";
import { ensureLocalGrant } from "../../src/server/presence.ts";
import { identityFromSecret } from "../../src/transport/identity.ts";
import { codeOf } from "../helpers/codes.ts";
import { grantFor } from "../helpers/grants.ts";
import { temporaryFolder } from "../helpers/temp.ts";

const FROM = "203.0.113.9";
const NOW = 1_795_000_000_000;
const verdict = (grants: Grants, key: Uint8Array, from = FROM, now = NOW): string => {
  const found = grants.lookup(key, from, now);
  return found.ok ? "ok" : found.code;
};

describe("the server's key", () => {
  test("is made once, 0600 in 0700", async () => {
    await using folder = await temporaryFolder();
    const one = openServerIdentity(folder.path);
    expect(openServerIdentity(folder.path).spkiHash).toEqual(one.spkiHash);
    if (process.platform === "win32") return;
    expect(lstatSync(folder.join("server", "server.key")).mode & 0o777).toBe(0o600);
    expect(lstatSync(folder.join("server")).mode & 0o777).toBe(0o700);
  });

  test("is never made again where grants trust the old one", async () => {
    await using folder = await temporaryFolder();
    openServerIdentity(folder.path);
    Grants.open(folder.path).add(grantFor().grant);
    rmSync(folder.join("server", "server.key"));
    expect(codeOf(() => openServerIdentity(folder.path))).toBe("state");
    expect(readdirSync(folder.join("server"))).not.toContain("server.key");
  });

  test("half written or no key: refused", async () => {
    await using folder = await temporaryFolder();
    openServerIdentity(folder.path);
    const path = folder.join("server", "server.key");
    for (const text of [
      "{",
      "{}",
      '{"version":1,"secret":"AAAA"}',
      `{"version":1,"secret":"${"A".repeat(43)}="}`,
    ]) {
      writeFileSync(path, text);
      expect(codeOf(() => openServerIdentity(folder.path))).toBe("state");
    }
  });
});

describe("the local key", () => {
  test("allows all, is the same for every server of the folder, and stays revoked", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    ensureLocalGrant(folder.path, grants);
    ensureLocalGrant(folder.path, Grants.open(folder.path));
    expect(grants.list().map(({ grant }) => [grant.kind, grant.name])).toEqual([["local", "local"]]);
    const { spkiHash } = identityFromSecret(readLocalKey(folder.path) ?? new Uint8Array(0));
    expect(verdict(grants, spkiHash)).toBe("ok");
    grants.revoke("local");
    const again = Grants.open(folder.path);
    ensureLocalGrant(folder.path, again);
    expect(verdict(again, spkiHash)).toBe("revoked");
  });
});
