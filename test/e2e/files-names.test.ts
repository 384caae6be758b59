import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import type { Header } from "../../src/protocol/frame.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { scriptedClient } from "../helpers/scripted.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { treeOf } from "../helpers/tree.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";

/** Holds the root, so that what escapes from it lands beside a file that is compared. */
let outer: TemporaryFolder;
let here: TemporaryFolder;
let server: Serving;
let run: (...args: string[]) => ReturnType<typeof sock>;

beforeAll(async () => {
  outer = await temporaryFolder();
  here = await temporaryFolder();
  await mkdir(outer.join("root", "a"), { recursive: true });
  await writeFile(outer.join("victim"), "precious");
  await writeFile(outer.join("root", "inside"), "inside");
  await writeFile(here.join("mine"), "mine");
  server = await serve({ args: [outer.join("root")] });
  run = (...args) => sock(args, { home: here.path, env: { SOCK_JOIN: server.join } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await outer[Symbol.asyncDispose]();
  await here[Symbol.asyncDispose]();
});

const GOOD = [
  "..foo",
  "foo..bar",
  "...",
  "-rf",
  "a b",
  "aux.c",
  "10:30.log",
  `it's "q"`,
  "🦀",
  "e\u0301",
  "é",
  "%PATH%",
  "$(id)",
  "*.txt",
  "[x]",
  "C:\\x",
  "..\\..\\x",
  "\\\\h\\s",
  "line\nbreak",
  "\x1b[31mred",
  "\u202egpj.exe",
  "NUL.txt",
  "~",
  "CON",
  "x".repeat(255),
  "好".repeat(85),
  ".hidden",
  ".sock-partial2",
  " ",
  "a.",
  "#",
  "constructor",
  "__proto__",
];

describe("names that must work, there and back", () => {
  for (const name of GOOD) {
    test(JSON.stringify(name).slice(0, 40), async () => {
      const bytes = `contents of ${name}`;
      await writeFile(here.join(name), bytes);
      // `./` because a name may look like a flag or a server
      const put = await run("put", `./${name}`, ":", "--json");
      expect(put).toMatchObject({ status: 0 });
      expect(events(put.stdout)[0]?.["path"]).toBe(`127.0.0.1:${name}`);
      expect(await readFile(outer.join("root", name), "utf8")).toBe(bytes);
      await mkdir(here.join("back"), { recursive: true });
      const get = await run("get", `:${name}`, "back/", "--json");
      expect(get).toMatchObject({ status: 0 });
      expect(events(get.stdout)[0]?.["path"]).toBe(`back/${name}`);
      expect(await readFile(here.join("back", name), "utf8")).toBe(bytes);
      // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
      const hostile = /[\x00-\x09\x0b-\x1f\x7f\u202e]/;
      expect([put.stderr, get.stderr].filter((text) => hostile.test(text))).toEqual([]);
    });
  }

  test("a name that is GBK and no UTF-8, from a client that can send it", async () => {
    const name = Buffer.from([0xc4, 0xe3, 0xba, 0xc3, 0x2e, 0x74, 0x78, 0x74]);
    using client = await scriptedClient(server.join);
    client.send({ type: "put", to: "a/", digest: "sha256", on_exists: "replace" });
    client.send({ ...ENTRY, path64: name.toString("base64"), length: 0 });
    client.send({ type: "end", entry: 0, bytes: 0, digest: EMPTY });
    client.send({ type: "finish" });
    expect((await client.until("result")).at(-1)).toMatchObject({ files: 1, failed: 0 });
    const names = await readdir(outer.join("root", "a"), { encoding: "buffer" });
    expect(names.some((found) => found.equals(name))).toBe(true);
  });
});

const HOSTILE = [
  "../x",
  "a/../../x",
  "a/../x",
  "..",
  ".",
  "a/.",
  "./x",
  "a//x",
  ".sock-partial/x",
  ".SOCK-PARTIAL/x",
];

describe("paths that must not work: status 4, nothing made, nothing read", () => {
  for (const path of [...HOSTILE, "x".repeat(256)]) {
    test(path.slice(0, 40), async () => {
      const before = [treeOf(outer.path), treeOf(here.path)];
      const put = await run("put", "mine", `:${path}`, "--json");
      expect(resultOf(put.stdout)).toMatchObject({ status: 4 });
      const get = await run("get", `:${path}`, "got", "--json");
      expect(resultOf(get.stdout)).toMatchObject({ status: 4 });
      expect([treeOf(outer.path), treeOf(here.path)]).toEqual(before);
    });
  }

  test("absolute ones are a usage error that says what was meant", async () => {
    const before = treeOf(outer.path);
    for (const path of ["/etc/passwd", "//x", `/${outer.path}/victim`]) {
      for (const args of [
        ["put", "mine", `:${path}`],
        ["get", `:${path}`, "got"],
      ]) {
        const ran = await run(...args);
        expect(ran.status).toBe(2);
        expect(ran.stderr).toMatch(/^sock: hint: ":[^/]/m);
      }
    }
    expect(treeOf(outer.path)).toEqual(before);
  });

  test("a link that leads outside is not followed; one that stays inside is", async () => {
    const root = outer.join("root");
    await symlink(outer.path, `${root}/out`);
    await symlink("../victim", `${root}/leak`);
    await symlink("loop", `${root}/loop`);
    await symlink("inside", `${root}/alias`);
    for (const path of ["out/victim", "leak", "loop", "out/new"]) {
      expect({ path, ...(await run("get", `:${path}`, "-")) }).toMatchObject({ path, status: 4, stdout: "" });
    }
    for (const path of ["out/victim", "out/new", "out/", "out"]) {
      expect({ path, ...(await run("put", "mine", `:${path}`)) }).toMatchObject({ path, status: 4 });
    }
    expect(await run("get", ":alias", "-")).toMatchObject({ status: 0, stdout: "inside" });
    expect((await readdir(outer.path)).toSorted()).toEqual(["root", "victim"]);
    expect(await readFile(outer.join("victim"), "utf8")).toBe("precious");
  });
});

const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ENTRY = { type: "entry", entry: 0, kind: "file", mtime: null, mode: null } as const;
const PUT = { type: "put", to: "", digest: "sha256", on_exists: "replace" } as const;
const getOf = (path: string): Header => ({
  type: "get",
  paths: [{ path }],
  digest: "sha256",
  links: "keep",
  compress: "never",
  fresh: true,
});

describe("a client that speaks the protocol and does not keep to it", () => {
  const PATHS = [...HOSTILE, "", "/", "/x", "//x", "x/", "a\0b", "..\0", "x".repeat(256)];
  test("hostile names of entries are refused, one by one, and the session goes on", async () => {
    const before = treeOf(outer.path);
    using client = await scriptedClient(server.join);
    client.send({ ...PUT, to: "new/" });
    for (const [entry, path] of PATHS.entries()) {
      client.send({ ...ENTRY, entry, path, length: 1 });
      client.send({ type: "data", entry }, Buffer.from("x"));
      client.send({ type: "end", entry, bytes: 1, digest: EMPTY });
    }
    client.send({ type: "finish" });
    const answers = await client.until("result");
    expect(answers.filter(({ type }) => type === "stop").length).toBe(PATHS.length);
    expect(answers.at(-1)).toMatchObject({ type: "result", files: 0, failed: PATHS.length });
    expect(treeOf(outer.path)).toEqual(before);
  });

  test("hostile targets of put and get are refused too", async () => {
    const before = treeOf(outer.path);
    for (const path of [...HOSTILE, "/", "/x", "//x", "/x/", "../", "a\0b"]) {
      using client = await scriptedClient(server.join);
      client.send({ ...PUT, to: path });
      client.send({ ...ENTRY, path: "n", length: 0 });
      client.send({ type: "end", entry: 0, bytes: 0, digest: EMPTY });
      client.send({ type: "finish" });
      const put = await client.until("error", "result");
      expect({ path, put }).toMatchObject({ path, put: [{ type: "error" }] });
      client.send(getOf(path));
      const get = await client.until("result");
      expect({ path, get }).toMatchObject({
        path,
        get: [
          { type: "source", source: 0, kind: "failed", code: expect.stringMatching(/^(outside|bad-name)$/) },
          { type: "result", files: 0 },
        ],
      });
    }
    expect(treeOf(outer.path)).toEqual(before);
  });

  const end: Header = { type: "end", entry: 0, bytes: 0, digest: EMPTY };
  const entry: Header = { ...ENTRY, path: "n", length: 0 };
  const WRONG: Record<string, Header[]> = {
    "an entry without a put": [entry, end, { type: "finish" }],
    "an end first": [end],
    "a finish first": [{ type: "finish" }],
    "a finish in the middle of an entry": [PUT, entry, { type: "finish" }],
    "an entry in the middle of an entry": [PUT, entry, { ...entry, entry: 1 }, { ...end, entry: 1 }],
    "a get in the middle of a put": [PUT, entry, getOf("inside")],
    "a put in the middle of a put": [PUT, entry, PUT, end],
    "what only servers say": [PUT, entry, { type: "result", files: 1, bytes: 0, skipped: 0, failed: 0 }],
    "an unknown type": [PUT, entry, { type: "__defineGetter__" }],
    "a second hello": [{ type: "hello" }],
    "path and path64": [PUT, { ...entry, path64: "//4=" }, end],
    "a path64 that is UTF-8": [PUT, { ...ENTRY, path64: "Lg==", length: 0 }, end],
    "a length below 0": [PUT, { ...entry, length: -1 }, end],
    "a length as text": [PUT, { ...entry, length: "0" }, end],
    "a mode above the bits": [PUT, { ...entry, mode: 0o10000 }, end],
    "an entry of another kind": [PUT, { ...entry, kind: "device" }, end],
    "a link without a target": [PUT, { ...entry, kind: "link" }],
    "an offer with a body": [PUT, { ...entry, offer: true, size: 0 }],
    "a body without a digest": [PUT, { ...entry, size: 0 }],
    "an offer of unknown length": [PUT, { ...entry, offer: true, length: null }],
    "more to go on from than there is": [PUT, { ...entry, resume: 1 }],
    "a want of its own": [PUT, { type: "want", entry: 0, have: 0 }],
    "a digest of another form": [PUT, entry, { ...end, digest: "../../etc" }],
  };
  for (const [what, frames] of Object.entries(WRONG)) {
    test(`${what}: told, closed, no file`, async () => {
      const before = treeOf(outer.path);
      using client = await scriptedClient(server.join);
      for (const frame of frames) client.send(frame, frame["size"] === 0 ? new Uint8Array(0) : undefined);
      const answers = await client.until();
      expect(answers.at(-1)).toMatchObject({ type: "error", code: "protocol" });
      expect(treeOf(outer.path)).toEqual(before);
    });
  }

  test("the server is as alive as before", async () => {
    expect(await run("get", ":inside", "-")).toMatchObject({ status: 0, stdout: "inside" });
    expect(await readFile(outer.join("victim"), "utf8")).toBe("precious");
  });
});
