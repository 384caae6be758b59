import { describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { addHost, listHosts, type NewHost, removeHost, setHost } from "../../src/client/host-store.ts";
import { resolveHost } from "../../src/client/hosts.ts";
import { dropPending, pendingSecret } from "../../src/client/pending.ts";
import { encodeJoinCode, type JoinCode } from "../../src/protocol/join-code.ts";
import { Grants } from "../../src/server/grants.ts";
import { announce, ensureLocalGrant } from "../../src/server/presence.ts";
import { codeOf, errorOf, rejectionOf } from "../helpers/codes.ts";
import { temporaryFolder } from "../helpers/temp.ts";

const bytes = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const server = (changes: Partial<NewHost> = {}): NewHost => ({
  suggested: "web1",
  addresses: [{ kind: "tcp", host: "203.0.113.5", port: 7625 }],
  pin: bytes(1),
  secret: bytes(2),
  ...changes,
});
const code = (changes: Partial<JoinCode> = {}): string =>
  encodeJoinCode({
    direct: true,
    pin: bytes(5),
    secret: bytes(6),
    addresses: [{ kind: "tcp", host: "ci.example.com", port: 7625 }],
    ...changes,
  });

describe("joined hosts", () => {
  test("names of servers: taken by another one, -2; the same one again, the same", async () => {
    await using folder = await temporaryFolder();
    const add = async (changes: Partial<NewHost> = {}): Promise<string> =>
      (await addHost(folder.path, server(changes))).name;
    expect(await add()).toBe("web1");
    expect(await add({ pin: bytes(9) })).toBe("web1-2");
    expect(await add()).toBe("web1");
    expect(await add({ pin: bytes(9), secret: bytes(8) })).toBe("web1-2");
    expect(resolveHost("web1-2", {}, folder.path).secret).toEqual(bytes(8));
    expect(await add({ as: "Office" })).toBe("office");
    expect(await rejectionOf(addHost(folder.path, server({ as: "office", pin: bytes(7) })))).toBe("exists");
    expect(listHosts(folder.path).map((host) => host.name)).toEqual(["office", "web1", "web1-2"]);
  });

  test.each([
    "../../x",
    "a/b",
    "",
    "w",
    "LOCAL",
    "con",
    "NUL.txt",
    "-rf",
    ".ssh",
    "\u001b[2J",
    "服务器",
    "x".repeat(500),
  ])("what a server calls itself (%p) becomes a name that is a file here", async (suggested) => {
    await using folder = await temporaryFolder();
    const { name } = await addHost(folder.path, server({ suggested }));
    expect(name).toMatch(/^[a-z0-9][a-z0-9._-]{1,62}$/);
    expect(["local", "con", "nul.txt"]).not.toContain(name);
    expect(readdirSync(folder.join("client", "hosts"))).toEqual([`${name}.json`]);
    expect(resolveHost(undefined, {}, folder.path).name).toBe(name);
    expect(codeOf(() => removeHost(folder.path, suggested))).toBe(
      suggested.toLowerCase() === name ? undefined : "not-found",
    );
  });

  test("settings", async () => {
    await using folder = await temporaryFolder();
    await addHost(folder.path, server());
    const set = (key: string, value: string): ReturnType<typeof setHost> =>
      setHost(folder.path, "web1", key, value);
    await Promise.all([set("address", "web1.example.com,[::1]:80"), set("encoding", "GB2312")]);
    const target = resolveHost("web1", {}, folder.path);
    expect(target.addresses).toEqual([
      { kind: "tcp", host: "web1.example.com", port: 7625 },
      { kind: "tcp", host: "::1", port: 80 },
    ]);
    expect(target.encoding).toBe("gbk");
    await set("encoding", "auto");
    expect(resolveHost("web1", {}, folder.path).encoding).toBeUndefined();
    for (const [key, value] of [
      ["address", ""],
      ["address", "a1,a2,a3,a4,a5"],
      ["encoding", "klingon"],
      ["pin", "x"],
    ] as const) {
      expect(await rejectionOf(set(key, value))).toBe("usage");
    }
    expect(await rejectionOf(setHost(folder.path, "nobody", "encoding", "gbk"))).toBe("not-found");
    removeHost(folder.path, "web1");
    expect(codeOf(() => resolveHost("web1", {}, folder.path))).toBe("not-found");
  });

  test("a colon behind a name says no more, and alone is the default host", async () => {
    await using folder = await temporaryFolder();
    await addHost(folder.path, server());
    for (const word of ["web1", "web1:", "WEB1:", ":"])
      expect(resolveHost(word, {}, folder.path).name).toBe("web1");
    for (const word of ["", "::", "web1::"])
      expect(codeOf(() => resolveHost(word, {}, folder.path))).toBe("not-found");
  });

  test("a damaged file is named", async () => {
    await using folder = await temporaryFolder();
    await addHost(folder.path, server());
    const path = folder.join("client", "hosts", "web1.json");
    for (const text of ["{", "[]", '{"version":1}']) {
      writeFileSync(path, text);
      const error = errorOf(() => resolveHost("web1", {}, folder.path));
      expect(error?.code).toBe("state");
      expect(error?.message).toContain(path);
    }
  });
});

describe("resolveHost", () => {
  test("the default host: the environment, a file, else the only joined one", async () => {
    await using folder = await temporaryFolder();
    const resolve = (env: Record<string, string> = {}): string =>
      resolveHost(undefined, env, folder.path).name;
    expect(codeOf(() => resolve())).toBe("no-code");
    await addHost(folder.path, server());
    expect(resolve()).toBe("web1");
    expect(resolve({ SOCK_JOIN: `sock join ${code()}\n` })).toBe("ci.example.com");
    writeFileSync(folder.join("code"), `${code()}\r\n`);
    expect(resolve({ SOCK_JOIN_FILE: folder.join("code") })).toBe("ci.example.com");
    expect(resolve({ SOCK_JOIN: "", SOCK_JOIN_FILE: folder.join("code") })).toBe("ci.example.com");
    await addHost(folder.path, server({ suggested: "web2", pin: bytes(3) }));
    expect(codeOf(() => resolve())).toBe("usage");
    expect(errorOf(() => resolve())?.hint).toContain("web2");
  });

  test("codes of the environment leave no trace on the disk", async () => {
    await using folder = await temporaryFolder();
    const target = resolveHost(undefined, { SOCK_JOIN: code() }, folder.path);
    expect(target).toMatchObject({ pin: bytes(5), secret: bytes(6), ephemeral: true });
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("an empty secret has a hint on forks; enrol codes and damaged ones are refused", async () => {
    await using folder = await temporaryFolder();
    const error = errorOf(() => resolveHost(undefined, { SOCK_JOIN: " \n" }, folder.path));
    expect(error?.code).toBe("no-code");
    expect(error?.hint).toContain("fork");
    expect(error?.status).toBe(4);
    expect(codeOf(() => resolveHost(undefined, { SOCK_JOIN: code({ direct: false }) }, folder.path))).toBe(
      "no-code",
    );
    expect(codeOf(() => resolveHost(undefined, { SOCK_JOIN: code().slice(0, -3) }, folder.path))).toBe(
      "usage",
    );
    expect(codeOf(() => resolveHost(undefined, { SOCK_JOIN_FILE: folder.join("none") }, folder.path))).toBe(
      "not-found",
    );
    expect(codeOf(() => resolveHost(undefined, { SOCK_JOIN_FILE: "/dev/null" }, folder.path))).toBe(
      "no-code",
    );
  });

  test("SOCK_JOIN_EU is the host eu; SOCK_JOIN_FILE is not the host file", async () => {
    await using folder = await temporaryFolder();
    const env = { SOCK_JOIN_EU: code(), SOCK_JOIN_FILE: code(), SOCK_JOIN_EU_WEST: code({ pin: bytes(7) }) };
    expect(resolveHost("eu", env, folder.path)).toMatchObject({ name: "eu", ephemeral: true });
    expect(resolveHost("EU", env, folder.path).name).toBe("eu");
    expect(resolveHost("eu-west", env, folder.path).pin).toEqual(bytes(7));
    expect(codeOf(() => resolveHost("file", env, folder.path))).toBe("not-found");
  });

  test("an unknown host: the nearest name, and all of them", async () => {
    await using folder = await temporaryFolder();
    await addHost(folder.path, server());
    const error = errorOf(() => resolveHost("wbe1", { SOCK_JOIN_EU: code() }, folder.path));
    expect(error?.code).toBe("not-found");
    expect(error?.hint).toContain("did you mean web1");
    expect(error?.hint).toContain("eu");
    for (const word of ["../web1", "web1.json", "a/../web1", ""]) {
      expect(codeOf(() => resolveHost(word, {}, folder.path))).toBe("not-found");
    }
  });

  test("local is the newest server of this folder that runs", async () => {
    await using folder = await temporaryFolder();
    expect(codeOf(() => resolveHost("local", {}, folder.path))).toBe("not-found");
    ensureLocalGrant(folder.path, Grants.open(folder.path));
    expect(codeOf(() => resolveHost("local", {}, folder.path))).toBe("not-found");
    const dead = {
      version: 1,
      pid: 2 ** 30,
      addresses: ["127.0.0.1:1"],
      reach: [],
      pin: "00".repeat(32),
      started: Date.now() + 1000,
    };
    const withdraw = announce(folder.path, bytes(4), [{ kind: "tcp", host: "127.0.0.1", port: 4711 }], []);
    writeFileSync(folder.join("server", "live", "dead.json"), JSON.stringify(dead));
    writeFileSync(folder.join("server", "live", "half.json"), "{");
    const target = resolveHost("local", {}, folder.path);
    expect(target).toMatchObject({
      pin: bytes(4),
      addresses: [{ kind: "tcp", host: "127.0.0.1", port: 4711 }],
    });
    const found = Grants.open(folder.path)
      .list()
      .map(({ grant }) => grant.kind);
    expect(found).toEqual(["local"]);
    withdraw();
    expect(codeOf(() => resolveHost("local", {}, folder.path))).toBe("not-found");
    announce(folder.path, bytes(4), [], [])();
    expect(readdirSync(folder.join("server", "live"))).toEqual([]);
  });
});

describe("keys of joins that were cut", () => {
  test("the same code has the same key until it is dropped; another code another", async () => {
    await using folder = await temporaryFolder();
    const one: JoinCode = { direct: false, pin: bytes(1), secret: bytes(2), addresses: [] };
    const secret = pendingSecret(folder.path, one);
    expect(pendingSecret(folder.path, { ...one, addresses: [{ kind: "tcp", host: "x1", port: 1 }] })).toEqual(
      secret,
    );
    expect(pendingSecret(folder.path, { ...one, secret: bytes(3) })).not.toEqual(secret);
    dropPending(folder.path, one);
    expect(pendingSecret(folder.path, one)).not.toEqual(secret);
  });
});
