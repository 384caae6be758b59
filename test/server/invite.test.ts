import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { parseJoinCode } from "../../src/protocol/join-code.ts";
import { Grants } from "../../src/server/grants.ts";
import { openServerIdentity } from "../../src/server/identity-store.ts";
import { fromServeSecret, invite, type InviteOptions, pair } from "../../src/server/invite.ts";
import { changeCaps, listClients, revokeClients } from "../../src/server/manage.ts";
import { announce } from "../../src/server/presence.ts";
import { identityFromSecret } from "../../src/transport/identity.ts";
import { codeOf, errorOf, rejectionOf } from "../helpers/codes.ts";
import { temporaryFolder } from "../helpers/temp.ts";

const HOUR = 3_600_000;
const options = (changes: Partial<InviteOptions> = {}): InviteOptions => ({
  allow: ["put", "echo"],
  direct: false,
  cidr: [],
  ...changes,
});

describe("invite", () => {
  test("a code whose key is in the list, with the defaults of its kind", async () => {
    await using folder = await temporaryFolder();
    const { spkiHash } = openServerIdentity(folder.path);
    const enrol = invite(folder.path, ["web1"], options());
    const code = parseJoinCode(enrol.code);
    expect(code).toMatchObject({
      direct: false,
      pin: spkiHash,
      addresses: [{ kind: "tcp", host: "web1", port: 7625 }],
    });
    expect(enrol.grant).toMatchObject({ kind: "enrol", uses: 1, caps: ["echo", "put"], key_ttl: null });
    expect((enrol.grant.expires ?? 0) - enrol.grant.created).toBeWithin(HOUR - 1000, HOUR + 1);
    const direct = invite(
      folder.path,
      ["web1"],
      options({ direct: true, scope: "a/b/", cidr: ["10.1.0.0/8"] }),
    );
    expect(direct.grant).toMatchObject({ kind: "direct", uses: null, scope: "a/b", cidr: ["10.0.0.0/8"] });
    expect((direct.grant.expires ?? 0) - direct.grant.created).toBeWithin(
      30 * 24 * HOUR - 1000,
      30 * 24 * HOUR + 1,
    );
    const grants = Grants.open(folder.path);
    expect(grants.lookup(identityFromSecret(code.secret).spkiHash, "203.0.113.9").ok).toBe(true);
  });

  test("without hosts, the addresses of the server that runs; its port for a host without one", async () => {
    await using folder = await temporaryFolder();
    const { spkiHash } = openServerIdentity(folder.path);
    const withdraw = announce(folder.path, spkiHash, [], [{ kind: "tcp", host: "10.0.3.7", port: 4711 }]);
    expect(invite(folder.path, [], options()).reach).toEqual(["10.0.3.7:4711"]);
    expect(invite(folder.path, ["web1", "web2:80"], options()).reach).toEqual(["web1:4711", "web2:80"]);
    withdraw();
    expect(invite(folder.path, [], options()).reach.length).toBeGreaterThan(0);
  });

  test("where no server has run: refused by the folder's name, and nothing is made", async () => {
    await using folder = await temporaryFolder();
    const error = errorOf(() => invite(folder.path, ["web1"], options()));
    expect(error?.code).toBe("state");
    expect(error?.message).toContain(folder.path);
    expect(codeOf(() => listClients(folder.path))).toBe("state");
    expect(codeOf(() => revokeClients(folder.path, ["kai"]))).toBe("state");
    expect(await rejectionOf(changeCaps(folder.path, "kai", "allow", ["echo"]))).toBe("state");
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test.each([
    ["capability", options({ allow: ["root"] })],
    ["name", options({ name: "../x" })],
    ["time", options({ ttlMs: 0 })],
    ["uses", options({ uses: 0 })],
    ["uses", options({ uses: 1_000_000 })],
    ["range", options({ cidr: ["10.0.0.0/99"] })],
    ["scope", options({ scope: "../x" })],
    ["scope", options({ scope: "/x" })],
    ["key's life", options({ direct: true, keyTtlMs: 1 })],
  ])("a bad %s is refused before anything is written", async (_what, bad) => {
    await using folder = await temporaryFolder();
    openServerIdentity(folder.path);
    expect(codeOf(() => invite(folder.path, ["web1"], bad))).toBe("usage");
    expect(codeOf(() => invite(folder.path, ["a1", "a2", "a3", "a4", "a5"], options()))).toBe("usage");
    expect(listClients(folder.path)).toEqual([]);
  });
});

describe("pair", () => {
  test("two halves that know each other, without any state", () => {
    const { serve, join } = pair(["sock:7625"], options({ name: "ci", allow: ["udp", "put"], ttlMs: HOUR }));
    const code = parseJoinCode(join);
    const { identity, grants } = fromServeSecret(serve);
    expect(code.direct).toBe(true);
    expect(code.pin).toEqual(identity.spkiHash);
    const client = identityFromSecret(code.secret).spkiHash;
    const found = grants.lookup(client, "10.0.0.1");
    expect(found.ok && found.grant).toMatchObject({ name: "ci", caps: ["udp", "put"], kind: "direct" });
    expect(found.ok && grants.takeUse(found.grant, "0".repeat(64), "10.0.0.1").ok).toBe(true);
    const late = grants.lookup(client, "10.0.0.1", Date.now() + HOUR);
    expect(late.ok ? "ok" : late.code).toBe("expired");
    expect(codeOf(() => grants.revoke("ci"))).toBe("policy");
  });

  test("needs an address; counts nothing", () => {
    expect(codeOf(() => pair([], options()))).toBe("usage");
    expect(codeOf(() => pair(["sock"], options({ uses: 2 })))).toBe("usage");
    expect(codeOf(() => pair(["sock"], options({ keyTtlMs: 2 })))).toBe("usage");
  });
});

describe("the owner's list", () => {
  test("revoking is all or nothing; capabilities come and go", async () => {
    await using folder = await temporaryFolder();
    openServerIdentity(folder.path);
    for (const name of ["one", "two"]) invite(folder.path, ["web1"], options({ name }));
    expect(codeOf(() => revokeClients(folder.path, ["one", "three"]))).toBe("not-found");
    expect(listClients(folder.path).map(({ state }) => state)).toEqual(["valid", "valid"]);
    expect((await changeCaps(folder.path, "two", "allow", ["shell", "udp"]))[0]?.caps).toEqual([
      "echo",
      "udp",
      "put",
      "shell",
    ]);
    expect((await changeCaps(folder.path, "two", "deny", ["shell"]))[0]?.caps).toEqual([
      "echo",
      "udp",
      "put",
    ]);
    expect(revokeClients(folder.path, ["one", "ONE"]).map(({ name }) => name)).toEqual(["one"]);
    expect(listClients(folder.path).map(({ grant, state }) => [grant.name, state])).toEqual([
      ["one", "revoked"],
      ["two", "valid"],
    ]);
  });
});
