import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { events, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { treeOf } from "../helpers/tree.ts";

/** More than goes in one frame, and enough to be gone on with, bytes. */
const LARGE = 1_100_000;
/** Names in it say what stands on the other side: the same, with another mode, changed, only as long, a folder, nothing. */
const FILES: [name: string, bytes: number][] = [
  ["same", 10],
  ["same-large", LARGE],
  ["mode", 10],
  ["mode-large", LARGE],
  ["time", 10],
  ["changed", 10],
  ["changed-large", LARGE],
  ["bytes", 10],
  ["bytes-large", LARGE],
  ["folder", 10],
  ["missing", 10],
  ["missing-large", LARGE],
  ["empty", 0],
  ["new/below/a", 10],
  ["new/b.log", 10],
];

let base: TemporaryFolder;
const PAST = new Date(1_600_000_000_000);
beforeEach(async () => {
  base = await temporaryFolder();
});
afterEach(() => base[Symbol.asyncDispose]());

/** A tree `t` in `from`, and what is there of it already in `to`. */
function fill(from: string, to: string): void {
  for (const [name, bytes] of FILES) {
    const [path, other] = [`${from}/t/${name}`, `${to}/t/${name}`];
    fs.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    fs.mkdirSync(`${to}/t`, { recursive: true });
    fs.writeFileSync(path, Buffer.alloc(bytes, "x"));
    fs.utimesSync(path, PAST, PAST);
    const kind = name.replace("-large", "");
    if (kind === "missing" || kind.startsWith("new/")) continue;
    if (kind === "folder") {
      fs.mkdirSync(other);
      continue;
    }
    const size = kind === "changed" ? bytes + 1 : bytes;
    fs.writeFileSync(other, Buffer.alloc(size, kind === "bytes" ? "y" : "x"));
    if (kind !== "changed" && kind !== "time") fs.utimesSync(other, PAST, PAST);
    if (kind === "mode") fs.chmodSync(other, 0o600);
  }
  fs.symlinkSync("same", `${from}/t/link-same`);
  fs.symlinkSync("same", `${to}/t/link-same`);
  fs.symlinkSync("same", `${from}/t/link-changed`);
  fs.symlinkSync("mode", `${to}/t/link-changed`);
  fs.symlinkSync("same", `${from}/t/link-new`);
  fs.symlinkSync("../../outside", `${from}/t/link-out`);
  fs.mkdirSync(`${from}/t/empty-folder`);
}

type Said = { path: unknown; action: unknown; size: unknown; code: unknown };

/** What a run says of each file; in whatever order, for wanted files come later. */
function saidBy(stdout: string): { files: Said[]; result: Record<string, unknown> } {
  const all = events(stdout);
  const files = all.flatMap(({ type, path, action, size, code }) =>
    type === "file" ? [{ path, action, size, code }] : [],
  );
  const { status, files: count, skipped, failed } = all.at(-1) ?? {};
  const sorted = files.toSorted((a, b) => String(a.path).localeCompare(String(b.path)));
  return { files: sorted, result: { status, count, skipped, failed } };
}

function stamps(folder: string): Record<string, unknown> {
  const names = fs.readdirSync(folder, { recursive: true }).map(String);
  return Object.fromEntries(
    names.map((name) => {
      const { mode, mtimeMs, ino } = fs.lstatSync(`${folder}/${name}`);
      return [name, [mode, mtimeMs, ino]];
    }),
  );
}

const FLAGS: string[][] = [
  [],
  ["--checksum"],
  ["--on-exists", "refuse"],
  ["--on-exists", "skip"],
  ["--on-exists", "rename"],
  ["--exclude", "*.log", "--exclude", "/same*"],
  ["--links", "follow"],
  ["--links", "skip"],
  ["--digest", "xxh3", "--verify"],
];

for (const verb of ["put", "get"] as const) {
  const args = (from: string, to: string) => (verb === "put" ? [from, `:${to}`] : [`:${from}`, to]);

  describe(`${verb} --dry-run`, () => {
    let server: Serving;
    let run: (...words: string[]) => ReturnType<typeof sock>;
    let source: string;
    let target: string;
    beforeEach(async () => {
      [source, target] =
        verb === "put" ? [base.join("here"), base.join("root")] : [base.join("root"), base.join("here")];
      fs.mkdirSync(source);
      fs.mkdirSync(target);
      server = await serve({ args: [base.join("root")] });
      run = (...words) => sock([verb, ...words], { env: { SOCK_JOIN: server.join }, cwd: base.join("here") });
    });
    afterEach(() => server[Symbol.asyncDispose]());

    for (const flags of FLAGS) {
      test(`a tree, ${flags.join(" ") || "without more"}: says what the real run then does, and changes nothing`, async () => {
        fill(source, target);
        const before = [treeOf(target), stamps(target)];
        const dry = await run(...args("t", "t"), ...flags, "--dry-run", "--json");
        expect([treeOf(target), stamps(target)]).toEqual(before);
        const real = await run(...args("t", "t"), ...flags, "--json");
        expect(saidBy(dry.stdout)).toEqual(saidBy(real.stdout));
        expect(
          events(dry.stdout)
            .slice(0, -1)
            .every(({ dry: isDry, action }) => isDry === true || action === "failed"),
        ).toBe(true);
        expect(dry.status).toBe(real.status);
        expect(saidBy(real.stdout).files.length).toBeGreaterThan(5);
      });
    }

    test("single files, each way that they can stand there", async () => {
      fill(source, target);
      for (const name of ["mode-large", "time", "bytes-large", "changed", "folder", "missing", "empty"]) {
        for (const flags of name === "changed" ? [[], ["--on-exists", "rename"]] : [[]]) {
          const before = [treeOf(target), stamps(target)];
          const words = args(`t/${name}`, `t/${name}`);
          const dry = await run(...words, ...flags, "--dry-run", "--json");
          expect([treeOf(target), stamps(target)]).toEqual(before);
          const real = await run(...words, ...flags, "--json");
          expect({ flags, ...saidBy(dry.stdout) }).toEqual({ flags, ...saidBy(real.stdout) });
        }
      }
    });

    test("where nothing is yet: no folder is made", async () => {
      fill(source, target);
      fs.rmSync(`${target}/t`, { recursive: true });
      for (const to of ["t", "a/b/t", "a/b/", "a/b/c/"]) {
        const dry = await run(...args("t", to), "--dry-run", "--json");
        expect(fs.readdirSync(target)).toEqual([]);
        const real = await run(...args("t", to), "--json");
        expect(saidBy(dry.stdout)).toEqual(saidBy(real.stdout));
        for (const name of fs.readdirSync(target)) fs.rmSync(`${target}/${name}`, { recursive: true });
      }
    });

    test("for people: a line for each, and that nothing was changed", async () => {
      fill(source, target);
      const ran = await run(...args("t", "t"), "--dry-run");
      expect(ran.stderr).toMatch(/^would be new {2}.*t\/missing$/m);
      expect(ran.stderr).toMatch(/^would be replaced {2}.*t\/changed$/m);
      expect(ran.stderr).toMatch(/nothing was changed/);
      expect(ran.stderr).not.toMatch(/verified/);
      expect((await run(...args("t/missing", "t/missing"), "--dry-run")).stderr).toMatch(
        /missing {2}would be new\n$/,
      );
    });
  });
}

describe("put only", () => {
  test("stdin is not read, and --atomic leaves no staging behind", async () => {
    fs.mkdirSync(base.join("here"));
    fs.mkdirSync(base.join("root"));
    fill(base.join("here"), base.join("root"));
    await using server = await serve({ args: [base.join("root")] });
    const run = (...args: string[]) =>
      sock(["put", ...args, "--json"], {
        env: { SOCK_JOIN: server.join },
        cwd: base.join("here"),
        stdin: "in",
      });
    const before = [treeOf(base.join("root")), stamps(base.join("root"))];
    for (const [path, flags, action] of [
      ["new-name", [], "new"],
      ["t/same", [], "replaced"],
      ["t/same", ["--on-exists", "rename"], "renamed"],
      ["t/same", ["--on-exists", "skip"], "skipped"],
    ] as const) {
      const ran = await run("-", `:${path}`, "--dry-run", ...flags);
      expect({ path, ...saidBy(ran.stdout).files[0] }).toMatchObject({ path: expect.any(String), action });
      expect(ran.status).toBe(0);
    }
    expect((await run("-", ":t/same", "--dry-run", "--on-exists", "refuse")).status).toBe(12);
    expect((await run("-", ":t/same/x", "--dry-run")).status).toBe(1);
    for (const to of [":t2", ":t"]) await run("t/", to, "--atomic", "--dry-run");
    expect([treeOf(base.join("root")), stamps(base.join("root"))]).toEqual(before);
    fs.rmSync(base.join("root/t/folder"), { recursive: true });
    for (const to of [":t2", ":t", ":t"]) {
      const dry = await run("t/", to, "--atomic", "--dry-run");
      const real = await run("t/", to, "--atomic");
      expect(saidBy(dry.stdout)).toEqual(saidBy(real.stdout));
      expect(real.status).toBe(0);
    }
  });
});
