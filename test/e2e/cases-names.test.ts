/** "Names and paths", for trees: what files-names.test.ts says of single files. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { pair, type Pair, plant, VICTIM } from "../helpers/pair.ts";
import { events, resultOf } from "../helpers/run.ts";
import { scriptedClient } from "../helpers/scripted.ts";
import { treeOf } from "../helpers/tree.ts";

let ends: Pair;
let run: Pair["run"];
beforeAll(async () => {
  ends = await pair();
  ({ run } = ends);
});
afterAll(() => ends[Symbol.asyncDispose]());

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
  "C:\\x",
  "..\\..\\x",
  "\\\\h\\s",
  "line\nbreak",
  "\x1b[31mred",
  "\u202egpj.exe",
  "NUL.txt",
  "CON",
  "*.txt",
  "[x]",
  "x".repeat(255),
  "好".repeat(85),
  " ",
  "a.",
  ".sock-partial2",
  "__proto__",
];
/** No UTF-8, and for people they look the same. */
const GBK = [Buffer.from([0xc4, 0xe3, 0xba, 0xc3]), Buffer.from([0xc4, 0xe4, 0xba, 0xc4])];

/** Each name as a file, and as a folder with a file of that name. */
function plantGood(folder: string): void {
  for (const [below, names] of [
    ["files", [...GOOD, ...GBK]],
    ["folders", [...GOOD, ...GBK]],
  ] as const) {
    for (const name of names) {
      const bytes = Buffer.concat([Buffer.from(`${folder}/${below}/`), Buffer.from(name)]);
      const inner = below === "files" ? bytes : Buffer.concat([bytes, Buffer.from("/"), Buffer.from(name)]);
      mkdirSync(below === "files" ? `${folder}/${below}` : bytes, { recursive: true });
      writeFileSync(inner, `contents of ${Buffer.from(name).toString("latin1")}`);
    }
  }
}

describe("must work, byte for byte and back, as files and folders of a tree", () => {
  test("put, ls and get", async () => {
    plantGood(ends.here("good"));
    const wanted = treeOf(ends.here("good"));
    expect(Object.keys(wanted).length).toBe(3 * (GOOD.length + GBK.length) + 2);
    const count = 2 * (GOOD.length + GBK.length);
    const put = await run("put", "./good", ":good", "--json");
    expect(resultOf(put.stdout)).toMatchObject({ status: 0, files: count });
    expect(treeOf(ends.root("good"))).toEqual(wanted);
    const ls = await run("ls", ":good/files", "--json");
    const paths = events(ls.stdout).flatMap(({ path }) => (typeof path === "string" ? [path] : []));
    for (const name of GOOD) expect(paths).toContain(`good/files/${name}`);
    const get = await run("get", ":good", "back", "--json");
    expect(resultOf(get.stdout)).toMatchObject({ status: 0, files: count });
    expect(treeOf(ends.here("back"))).toEqual(wanted);
    // the names are known again, so that nothing is sent twice
    expect(resultOf((await run("put", "./good", ":good", "--json")).stdout)).toMatchObject({
      files: 0,
      skipped: count,
    });
    expect(resultOf((await run("get", ":good", "back", "--json")).stdout)).toMatchObject({
      files: 0,
      skipped: count,
    });
    // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
    for (const { stderr } of [put, get]) expect(stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f\u202e]/);
  });

  test("deep: 200 folders; a path above 4,096 bytes is named, and the others go on", async () => {
    // no call takes so long a path: it is put together of two
    const half = `${"n".repeat(200)}/`.repeat(14);
    plant(ends.here(), { [`far/${half}`]: "", [`low/${half}f`]: "too far" });
    renameSync(ends.here("low"), ends.here("far", half, "low"));
    plant(ends.here(), { "far/fine": "fine", [`far/${"d/".repeat(200)}f`]: "deep" });
    const put = await run("put", "far", ":far", "--json");
    const failed = events(put.stdout).filter(({ action }) => action === "failed");
    expect(put.status).toBe(10);
    expect(failed.length).toBeGreaterThan(0);
    expect(new Set(failed.map(({ code }) => code))).toEqual(new Set(["bad-name"]));
    expect(readFileSync(ends.root("far", "fine"), "utf8")).toBe("fine");
    expect(readFileSync(`${ends.root("far")}/${"d/".repeat(200)}f`, "utf8")).toBe("deep");
    renameSync(ends.here("far", half, "low"), ends.here("low"));
    for (const name of ["far", "low"]) rmSync(ends.here(name), { recursive: true });
  });
});

const ENTRY = { type: "entry", kind: "file", mtime: null, mode: null } as const;
const PUT = { type: "put", to: "new/", digest: "sha256", on_exists: "replace" } as const;
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const HOSTILE = ["../x", "a/../../x", "/etc/x", "//x", "", "/", "a/", "a//b", "a/./b", "..", "\0", "a/\0/b"];

test("a tree's `../x`, `a/../../x`, `/etc/x`, `//x`, empty, NUL: refused as file, folder and link; `..foo` works", async () => {
  const before = treeOf(ends.base());
  using client = await scriptedClient(ends.server.join);
  client.send(PUT);
  let entry = 0;
  for (const path of [...HOSTILE, ".sock-partial", ".sock-partial/x", "a/.SOCK-PARTIAL/x"]) {
    client.send({ ...ENTRY, entry: entry++, path, length: 0, digest: EMPTY, size: 0 }, new Uint8Array(0));
    client.send({ ...ENTRY, entry: entry++, path, length: 5, offer: true });
    client.send({ type: "entry", entry: entry++, kind: "folder", path, mtime: null, mode: 0o777 });
    client.send({ type: "entry", entry: entry++, kind: "link", path, target: "x", mtime: null, mode: null });
  }
  client.send({ type: "finish" });
  const answers = await client.until("result");
  expect(answers.filter(({ type }) => type === "stop").length).toBe(entry);
  expect(answers.at(-1)).toMatchObject({ type: "result", files: 0, failed: entry });
  expect(treeOf(ends.base())).toEqual(before);
  expect(ends.outside()).toBe(VICTIM);
  client.send({ ...PUT, to: "twin/" });
  client.send(
    { ...ENTRY, entry: 0, path: "..foo/..bar", length: 0, digest: EMPTY, size: 0 },
    new Uint8Array(0),
  );
  client.send({ type: "finish" });
  expect((await client.until("result")).at(-1)).toMatchObject({ files: 1, failed: 0 });
  expect(readFileSync(ends.root("twin", "..foo", "..bar"), "utf8")).toBe("");
});
