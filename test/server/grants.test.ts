import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SockError } from "../../src/errors.ts";
import { Grants } from "../../src/server/grants.ts";
import { newIdentity } from "../../src/transport/identity.ts";
import { codeOf, errorOf, rejectionOf } from "../helpers/codes.ts";
import { grantFor, hex } from "../helpers/grants.ts";
import { temporaryFolder } from "../helpers/temp.ts";

const FROM = "203.0.113.9";
const NOW = 1_795_000_000_000;
const run = (n: number): string => n.toString(16).padStart(64, "0");
const verdict = (grants: Grants, key: Uint8Array, from = FROM, now = NOW): string => {
  const found = grants.lookup(key, from, now);
  return found.ok ? "ok" : found.code;
};

describe("lookup", () => {
  test("knows a key, and tells why it refuses one that is in the list", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    const good = grantFor({ expires: NOW + 1 });
    const ranged = grantFor({ cidr: ["10.0.0.0/8"] });
    const revoked = grantFor({ name: "old" });
    for (const { grant } of [good, ranged, revoked]) grants.add(grant);
    grants.revoke("old");
    expect(verdict(grants, good.identity.spkiHash)).toBe("ok");
    expect(verdict(grants, good.identity.spkiHash, FROM, NOW + 1)).toBe("expired");
    expect(verdict(grants, ranged.identity.spkiHash)).toBe("wrong-address");
    expect(verdict(grants, ranged.identity.spkiHash, "::ffff:10.1.2.3")).toBe("ok");
    expect(verdict(grants, revoked.identity.spkiHash)).toBe("revoked");
    expect(verdict(grants, newIdentity().spkiHash)).toBe("unknown");
  });

  test("a key with the same first digits is another key", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    const { identity, grant } = grantFor();
    grants.add(grant);
    const near = Uint8Array.from(identity.spkiHash);
    near[31] = (near[31] ?? 0) ^ 1;
    expect(verdict(grants, near)).toBe("unknown");
  });

  test("another process reads the same list", async () => {
    await using folder = await temporaryFolder();
    const { identity, grant } = grantFor({
      caps: ["shell", "echo"],
      scope: "a/b",
      exec: [["/bin/true", "x"]],
    });
    const added = Grants.open(folder.path).add(grant);
    const found = Grants.open(folder.path).lookup(identity.spkiHash, FROM);
    expect(found).toEqual({ ok: true, grant: { ...added, caps: ["echo", "shell"] } });
  });

  test("no secret is in any file of the list", async () => {
    await using folder = await temporaryFolder();
    const { identity, grant } = grantFor();
    Grants.open(folder.path).add(grant);
    for (const name of readdirSync(folder.join("server", "grants"))) {
      const text = readFileSync(folder.join("server", "grants", name), "utf8");
      expect(text).not.toContain(hex(identity.secret));
      expect(text).not.toContain(Buffer.from(identity.secret).toString("base64"));
    }
  });
});

describe("a list that is damaged", () => {
  const good = grantFor();
  const id = good.grant.hash.slice(0, 16);
  const whole = { version: 1, created: 0, ...good.grant };
  const cases: [string, string, string][] = [
    ["half written", `${id}.json`, JSON.stringify(whole).slice(0, 60)],
    ["empty", `${id}.json`, ""],
    ["not an object", `${id}.json`, "[]"],
    ["an unknown capability", `${id}.json`, JSON.stringify({ ...whole, caps: ["echo", "root"] })],
    ["a wrong type", `${id}.json`, JSON.stringify({ ...whole, expires: "never" })],
    ["a missing field", `${id}.json`, JSON.stringify({ ...whole, cidr: undefined })],
    ["a bad range", `${id}.json`, JSON.stringify({ ...whole, cidr: ["10.0.0.0/99"] })],
    ["a scope that leaves", `${id}.json`, JSON.stringify({ ...whole, scope: "a/../.." })],
    ["another version", `${id}.json`, JSON.stringify({ ...whole, version: 2 })],
    ["another's name", "0123456789abcdef.json", JSON.stringify(whole)],
  ];

  test("the same file undamaged is fine", async () => {
    await using folder = await temporaryFolder();
    Grants.open(folder.path).add(good.grant);
    writeFileSync(folder.join("server", "grants", `${id}.json`), JSON.stringify(whole));
    expect(verdict(Grants.open(folder.path), good.identity.spkiHash)).toBe("ok");
  });

  test.each(cases)("%s: refused at the start, by its name", async (_what, name, text) => {
    await using folder = await temporaryFolder();
    Grants.open(folder.path).add(grantFor().grant);
    const path = folder.join("server", "grants", name);
    writeFileSync(path, text);
    const error = errorOf(() => Grants.open(folder.path));
    expect(error?.code).toBe("state");
    expect(error?.message).toContain(path);
  });

  test("later: named once, and it grants nothing; the others go on", async () => {
    await using folder = await temporaryFolder();
    const heard: SockError[] = [];
    const grants = Grants.open(folder.path, (error) => heard.push(error));
    const other = grantFor();
    grants.add(good.grant);
    grants.add(other.grant);
    grants.poll();
    rmSync(folder.join("server", "grants", `${id}.json`));
    writeFileSync(folder.join("server", "grants", `${id}.json`), "{");
    grants.poll();
    grants.poll();
    expect(heard.map((error) => error.code)).toEqual(["state"]);
    expect(verdict(grants, good.identity.spkiHash)).toBe("unknown");
    expect(verdict(grants, other.identity.spkiHash)).toBe("ok");
  });
});

describe("poll follows other processes", () => {
  test("added, changed, revoked", async () => {
    await using folder = await temporaryFolder();
    const serving = Grants.open(folder.path);
    const owner = Grants.open(folder.path);
    const { identity, grant } = grantFor();
    const { id } = owner.add(grant);
    expect(verdict(serving, identity.spkiHash)).toBe("unknown");
    serving.poll();
    expect(verdict(serving, identity.spkiHash)).toBe("ok");
    await owner.setCaps("ci", "allow", "shell");
    serving.poll();
    const found = serving.check(id);
    expect(found.ok && found.grant.caps).toEqual(["echo", "put", "shell"]);
    owner.revoke(id);
    serving.poll();
    expect(verdict(serving, identity.spkiHash)).toBe("revoked");
    expect(serving.check(id).ok).toBe(false);
  });

  test("a whole list that goes away is followed, too", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    const { identity, grant } = grantFor();
    const { id } = grants.add(grant);
    rmSync(folder.join("server", "grants"), { recursive: true });
    grants.poll();
    expect(verdict(grants, identity.spkiHash)).toBe("unknown");
    expect(grants.check(id).ok).toBe(false);
  });
});

describe("uses", () => {
  test("a run is one use, however often it reconnects", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    const code = grants.add(grantFor({ uses: 2 }).grant);
    const take = (n: number): boolean => grants.takeUse(code, run(n), FROM, NOW).ok;
    expect([take(1), take(1), take(2), take(1), take(2)]).toEqual([true, true, true, true, true]);
    const refused = grants.takeUse(code, run(3), FROM, NOW);
    expect(refused.ok ? "ok" : refused.code).toBe("used-up");
    expect(refused.ok ? "" : refused.message).toContain(FROM);
    expect(refused.ok ? "" : refused.message).toContain(new Date(NOW).toISOString());
    expect(take(1)).toBe(true);
    expect(Grants.open(folder.path).list(NOW)[0]?.state).toBe("used-up");
  });

  test("any number of uses leaves no file", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    const code = grants.add(grantFor().grant);
    expect(grants.takeUse(code, run(1), FROM).ok).toBe(true);
    expect(readdirSync(folder.join("server"))).not.toContain("uses");
  });

  test("50 tries at a code of one use from 5 processes: exactly one wins", async () => {
    await using folder = await temporaryFolder();
    const code = Grants.open(folder.path).add(grantFor({ uses: 1 }).grant);
    const script = `import { Grants } from ${JSON.stringify(join(import.meta.dir, "../../src/server/grants.ts"))};
      const grants = Grants.open(${JSON.stringify(folder.path)});
      const [code] = grants.find(${JSON.stringify(code.id)});
      let won = 0;
      for (let n = 0; n < 10; n += 1) {
        const run = (process.pid * 16 + n).toString(16).padStart(64, "0");
        if (grants.takeUse(code, run, "10.0.0.1").ok) won += 1;
      }
      console.log(won);`;
    const children = Array.from({ length: 5 }, () =>
      Bun.spawn([process.execPath, "-e", script], { stderr: "inherit" }),
    );
    const won = await Promise.all(
      children.map(async (child) => Number(await new Response(child.stdout).text())),
    );
    expect(won.reduce((sum, one) => sum + one, 0)).toBe(1);
  }, 20_000);
});

describe("enrol", () => {
  const code = (): ReturnType<typeof grantFor> =>
    grantFor({
      kind: "enrol",
      name: "team",
      uses: 1,
      caps: ["get"],
      scope: "a",
      cidr: ["203.0.113.0/24"],
      key_ttl: 1000,
      expires: NOW + 10,
    });

  test("a key inherits what its code allows, and has its own life", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    const invited = grants.add(code().grant);
    const fresh = newIdentity();
    const key = grants.enrol(invited, fresh.spki, "Kai's Laptop", FROM, NOW);
    expect(key).toMatchObject({
      kind: "key",
      name: "kai-s-laptop",
      caps: ["get"],
      scope: "a",
      cidr: ["203.0.113.0/24"],
      expires: NOW + 1000,
      uses: null,
      parent: invited.id,
    });
    expect(verdict(grants, fresh.spkiHash, FROM, NOW + 999)).toBe("ok");
    expect(verdict(grants, fresh.spkiHash, "198.51.100.1", NOW + 999)).toBe("wrong-address");
    expect(verdict(grants, fresh.spkiHash, FROM, NOW + 1000)).toBe("expired");
  });

  test("the same code with the same key gets the same answer; another key none", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    const invited = grants.add(code().grant);
    const fresh = newIdentity();
    const key = grants.enrol(invited, fresh.spki, "kai", FROM, NOW);
    expect(grants.enrol(invited, fresh.spki, "kai", FROM, NOW + 5)).toEqual(key);
    expect(Grants.open(folder.path).enrol(invited, fresh.spki, "kai", FROM, NOW + 5)).toEqual(key);
    expect(codeOf(() => grants.enrol(invited, newIdentity().spki, "eve", FROM, NOW))).toBe("used-up");
    expect(
      readdirSync(folder.join("server", "grants")).filter((name) => name.endsWith(".json")),
    ).toHaveLength(2);
  });

  test("killed between the use and the grant, the same join goes through", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    const invited = grants.add(code().grant);
    const fresh = newIdentity();
    grants.takeUse(invited, hex(fresh.spkiHash), FROM, NOW);
    const later = Grants.open(folder.path);
    expect(later.enrol(invited, fresh.spki, "kai", FROM, NOW).name).toBe("kai");
    expect(codeOf(() => later.enrol(invited, newIdentity().spki, "eve", FROM, NOW))).toBe("used-up");
  });

  test("direct codes enrol nothing, keys of other codes are not taken over, and no key but a P-256 one is", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    const direct = grants.add(grantFor().grant);
    const one = grants.add(grantFor({ kind: "enrol", uses: 5, caps: ["get"] }).grant);
    const two = grants.add(grantFor({ kind: "enrol", uses: 5, caps: ["shell"] }).grant);
    const fresh = newIdentity();
    expect(codeOf(() => grants.enrol(direct, fresh.spki, "kai", FROM))).toBe("policy");
    grants.enrol(one, fresh.spki, "kai", FROM);
    expect(codeOf(() => grants.enrol(two, fresh.spki, "kai", FROM))).toBe("policy");
    expect(codeOf(() => grants.enrol(one, new Uint8Array(91), "kai", FROM))).toBe("protocol");
    expect(grants.find("kai")[0]?.caps).toEqual(["get"]);
  });

  test("revoking the code's name revokes its keys, also one that comes in at that moment", async () => {
    await using folder = await temporaryFolder();
    const serving = Grants.open(folder.path);
    const invited = serving.add(grantFor({ kind: "enrol", name: "team", uses: 3 }).grant);
    const [early, late] = [newIdentity(), newIdentity()];
    serving.enrol(invited, early.spki, "kai", FROM);
    const owner = Grants.open(folder.path);
    expect(owner.revoke("team").map((grant) => grant.name)).toEqual(expect.arrayContaining(["team", "kai"]));
    serving.enrol(invited, late.spki, "eve", FROM);
    serving.poll();
    expect(verdict(serving, early.spkiHash)).toBe("revoked");
    expect(verdict(serving, late.spkiHash)).toBe("revoked");
  });
});

describe("names", () => {
  test("one that is taken gets a number", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    const names = [1, 2, 3].map(() => grants.add(grantFor({ name: "kai" }).grant).name);
    expect(names).toEqual(["kai", "kai-2", "kai-3"]);
    expect(grants.revoke("kai-2")).toHaveLength(1);
    expect(grants.find("kai-2")[0]?.name).toBe("kai-2");
    expect(codeOf(() => grants.find("nobody"))).toBe("not-found");
    expect(codeOf(() => grants.revoke("nobody"))).toBe("not-found");
  });

  test("four processes that add at once lose nothing, and share no name", async () => {
    await using folder = await temporaryFolder();
    const script = `import { Grants } from ${JSON.stringify(join(import.meta.dir, "../../src/server/grants.ts"))};
      import { grantFor } from ${JSON.stringify(join(import.meta.dir, "../helpers/grants.ts"))};
      const grants = Grants.open(${JSON.stringify(folder.path)});
      for (let n = 0; n < 5; n += 1) grants.add(grantFor({ name: "kai" }).grant);`;
    const children = Array.from({ length: 4 }, () =>
      Bun.spawn([process.execPath, "-e", script], { stderr: "inherit" }),
    );
    await Promise.all(children.map((child) => child.exited));
    const names = Grants.open(folder.path)
      .list()
      .map(({ grant }) => grant.name);
    expect(names).toHaveLength(20);
    expect(new Set(names).size).toBe(20);
  }, 20_000);
});

describe("setCaps", () => {
  test("two owners at once: nothing is lost", async () => {
    await using folder = await temporaryFolder();
    const [one, two] = [Grants.open(folder.path), Grants.open(folder.path)];
    one.add(grantFor({ name: "kai", caps: ["echo"] }).grant);
    await Promise.all([
      one.setCaps("kai", "allow", "shell"),
      two.setCaps("kai", "allow", "udp"),
      one.setCaps("kai", "deny", "echo"),
    ]);
    expect(Grants.open(folder.path).find("kai")[0]?.caps).toEqual(["udp", "shell"]);
    expect(await rejectionOf(one.setCaps("kai", "allow", "root"))).toBe("usage");
    expect(await rejectionOf(one.setCaps("eve", "allow", "udp"))).toBe("not-found");
  });
});

describe("what expired long ago is forgotten", () => {
  test("without its keys, and with its name", async () => {
    await using folder = await temporaryFolder();
    const grants = Grants.open(folder.path);
    const old = grants.add(grantFor({ name: "kai", expires: NOW, uses: 1 }).grant);
    grants.takeUse(old, run(1), FROM);
    const parent = grants.add(grantFor({ kind: "enrol", name: "team", expires: NOW, uses: 1 }).grant);
    grants.enrol(parent, newIdentity().spki, "child", FROM);
    const month = 31 * 86_400_000;
    expect(grants.add(grantFor({ name: "kai" }).grant, NOW + month).name).toBe("kai");
    expect(
      Grants.open(folder.path)
        .list()
        .map(({ grant }) => grant.name)
        .toSorted(),
    ).toEqual(["child", "kai", "team"]);
    expect(readdirSync(folder.join("server", "uses"))).toEqual([parent.id]);
  });
});
