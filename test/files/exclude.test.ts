import { describe, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import fc from "fast-check";
import ignore from "ignore";
import { excluder } from "../../src/files/exclude.ts";
import { codeOf } from "../helpers/codes.ts";
import { temporaryFolder } from "../helpers/temp.ts";

/** A path with a slash at its end is a folder. Asked as a walk does: each folder above it first. */
function isOut(patterns: readonly string[], path: string): boolean {
  const excludes = excluder(patterns);
  const names = path.replace(/\/$/, "").split("/");
  return names.some((_, index) => {
    const isFolder = index < names.length - 1 || path.endsWith("/");
    return excludes(names.slice(0, index + 1), isFolder);
  });
}

/** The examples and rules of gitignore(5), in the order of its text. */
const RULES: [patterns: string[], out: string[], not: string[]][] = [
  [["hello.*"], ["hello.txt", "a/hello.java", "hello.d/", "a/hello.d/x"], ["hello", "ahello.txt"]],
  [["/hello.*"], ["hello.txt", "hello.c"], ["a/hello.java"]],
  [["foo/"], ["foo/", "a/foo/", "foo/x"], ["foo", "a/foo"]],
  [["doc/frotz"], ["doc/frotz", "doc/frotz/"], ["a/doc/frotz"]],
  [["/doc/frotz"], ["doc/frotz"], ["a/doc/frotz"]],
  [["foo/*"], ["foo/test.json", "foo/bar/", "foo/bar/hello.c"], ["foo/", "a/foo/x"]],
  [["frotz/"], ["frotz/", "a/frotz/"], ["frotz"]],
  [["**/foo"], ["foo", "foo/", "a/foo", "a/b/foo/"], ["afoo"]],
  [["**/foo/bar"], ["foo/bar", "a/foo/bar"], ["foo/a/bar"]],
  [["abc/**"], ["abc/x", "abc/d/x"], ["abc/", "x/abc/y"]],
  [["a/**/b"], ["a/b", "a/x/b", "a/x/y/b"], ["b", "x/a/b"]],
  [["foo***bar"], ["foobar", "fooxbar"], ["foo/bar"]],
  [
    ["*.o", "!keep.o"],
    ["a.o", "x/a.o"],
    ["keep.o", "x/keep.o"],
  ],
  [["!keep.o", "*.o"], ["keep.o"], []],
  [["foo/", "!foo/keep"], ["foo/keep"], []],
  [
    ["/*", "!/foo", "/foo/*", "!/foo/bar"],
    ["x", "a/", "foo/x"],
    ["foo/", "foo/bar", "foo/bar/x"],
  ],
  [["a[bc]"], ["ab", "ac"], ["ad", "a[bc]"]],
  [["a[!bc]"], ["ad"], ["ab", "a/"]],
  [["a?c"], ["abc"], ["ac", "a/c"]],
  [["[a-z].txt"], ["q.txt"], ["Q.txt", "1.txt"]],
  [
    ["\\#x", "\\!y"],
    ["#x", "!y"],
    ["x", "y"],
  ],
  [["x\\*y"], ["x*y"], ["xzy"]],
  [["tail   "], ["tail"], ["tail   "]],
  [["tail\\ "], ["tail "], ["tail"]],
  [["*"], ["a", ".a", "a/b"], []],
  [["Foo"], ["Foo"], ["foo", "FOO"]],
  [["..foo"], ["..foo", "a/..foo"], ["foo"]],
  [["[[:digit:]_]"], ["1", "_"], ["a", "é"]],
  [["[![:alpha:]]"], ["1"], ["a"]],
  [
    ["[]a-c]", "x[\\]-]"],
    ["]", "b", "x]", "x-"],
    ["d", "-", "xa"],
  ],
  [["[c-a]"], ["c"], ["a", "b"]],
  [
    ["[[:nothing:]]", "[a/b]"],
    ["a", "b"],
    ["x/a", "n"],
  ],
  [["a\\ \\  "], ["a  "], ["a", "a   "]],
  [["a/**/b/**/c"], ["a/b/c", "a/x/b/y/c"], ["a/c", "b/c"]],
  [["a/**/"], ["a/x/", "a/x/y/"], ["a/x", "a/"]],
  [["?é", "*🦊"], ["xé", "🦊é", "a🦊"], ["é"]],
];

for (const [patterns, out, not] of RULES) {
  const shown = JSON.stringify(patterns);
  for (const path of out) test(`${shown} leaves ${path} out`, () => expect(isOut(patterns, path)).toBe(true));
  for (const path of not) test(`${shown} leaves ${path} in`, () => expect(isOut(patterns, path)).toBe(false));
}

test("no pattern leaves anything out, and nothing leaves out the top itself", () => {
  expect(excluder([])(["a"], false)).toBe(false);
  expect(excluder(["*"])([], true)).toBe(false);
});

test("a name that is no UTF-8 fits no pattern, but what is above and below it does", () => {
  const gbk = Buffer.from([0xc4, 0xe3]);
  const excludes = excluder(["*", "!x", "y"]);
  expect(excludes([gbk], false)).toBe(false);
  expect(excludes(["x", gbk], false)).toBe(false);
  expect(excludes(["y", gbk], false)).toBe(true);
  expect(excluder(["y"])([gbk, "y"], false)).toBe(true);
  expect(excluder(["y"])([gbk, "z"], false)).toBe(false);
});

describe("patterns that could never fit", () => {
  const bad = [
    "",
    " ",
    "/",
    "!",
    "!/",
    "#x",
    "a\nb",
    "a\r",
    "a\0",
    "\\",
    "a\\\\\\",
    "[",
    "a[b",
    "[!]",
    "[]",
    "[[:alpha:]",
    "a\\/",
  ];
  test.each(bad)("%j is a usage error", (pattern) => {
    expect(codeOf(() => excluder(["fine", pattern]))).toBe("usage");
  });
  const good = ["a\\\\", "a\\ ", "\\[", "[]]", "[!]]", "[[:alpha:]]", "a]", "\\#", "!#x", "a#b", "[\\]]"];
  test.each(good)("%j is none", (pattern) => {
    expect(codeOf(() => excluder([pattern]))).toBeUndefined();
  });
});

test("no pattern takes long, whatever the names are", () => {
  const long = "a".repeat(255);
  const stars = "*a".repeat(30);
  for (const [pattern, path] of [
    ["a/**/".repeat(6) + "b", Array<string>(60).fill("a")],
    ["**/a/".repeat(12) + "b", Array<string>(256).fill("a")],
    [`${stars}b`, [long]],
    [`**/${stars}/**/${stars}b`, Array<string>(100).fill(long)],
  ] as const) {
    const excludes = excluder([pattern]);
    const started = performance.now();
    expect(excludes(path, false)).toBe(false);
    expect({ pattern, ms: performance.now() - started < 200 }).toEqual({ pattern, ms: true });
  }
});

test("decides as the library does", () => {
  const bit = fc.constantFrom(
    "a",
    "b",
    "ab",
    "*",
    "?",
    "/**/",
    "/",
    "[ab]",
    "[!a]",
    "[a-c]",
    "[]a]",
    "[a\\-c]",
    "[[:alpha:]]",
    "\\*",
    ".",
  );
  const pattern = fc
    .tuple(fc.constantFrom("", "", "!", "/", "**/"), fc.array(bit, { minLength: 1, maxLength: 5 }))
    .map(([start, bits]) => start + bits.join(""))
    // git itself takes a ** after a plain name for folders, and the two need not agree on names that can't be
    .filter((text) => !/[^/]\*\*|\*\*[^/]|\/\//.test(text) && text !== "!/" && text !== "/");
  const name = fc.constantFrom("a", "b", "ab", "c", "*", "]", "-", ".a", "aab");
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
  fc.assert(
    fc.property(
      fc.array(pattern, { minLength: 1, maxLength: 4 }),
      fc.array(path, { minLength: 1, maxLength: 20 }),
      (patterns, paths) => {
        const theirs = ignore({ ignoreCase: false, allowRelativePaths: true }).add(
          patterns.map((one) => ({ pattern: one })),
        );
        const excludes = excluder(patterns);
        for (const one of paths) {
          expect({ patterns, one, out: excludes(one.split("/"), false) }).toEqual({
            patterns,
            one,
            out: theirs.ignores(one),
          });
        }
      },
    ),
    { numRuns: 1500 },
  );
});

test("asked very often, it remembers little", () => {
  const excludes = excluder(["*.o"]);
  const ask = (from: number): number => {
    for (let n = from; n < from + 200_000; n++)
      excludes([`folder-${n >> 8}`, `file-${n}.${"c".repeat(50)}`], false);
    Bun.gc(true);
    return process.memoryUsage().heapUsed;
  };
  const first = ask(0);
  expect(ask(200_000) - first).toBeLessThan(10_000_000);
  expect(excludes(["x", "a.o"], false)).toBe(true);
});

test.skipIf(Bun.which("git") === null)("decides as git does", async () => {
  const word = fc.constantFrom("a", "b", "ab", "*", "?", "a*", "*b", "[ab]", "**");
  const pattern = fc
    .tuple(
      fc.constantFrom("", "", "!"),
      fc.constantFrom("", "/"),
      fc.array(word, { minLength: 1, maxLength: 3 }),
    )
    .map(([not, start, parts]) => not + start + parts.join("/"))
    .chain((text) => fc.constantFrom(text, `${text}/`));
  const samples = fc.sample(fc.array(pattern, { minLength: 1, maxLength: 4 }), { numRuns: 60, seed: 7 });
  await using repository = await temporaryFolder();
  const git = (args: string[], stdin = ""): string =>
    Bun.spawnSync(["git", "-C", repository.path, ...args], {
      stdin: Buffer.from(stdin),
      env: { PATH: process.env["PATH"] ?? "", HOME: repository.path, GIT_CONFIG_NOSYSTEM: "1" },
    }).stdout.toString();
  git(["init", "-q"]);
  const paths: string[] = [];
  for (const one of ["a", "b", "ab"]) {
    for (const two of ["a", "b", "ab"]) {
      await mkdir(repository.join(one, two), { recursive: true });
      for (const three of ["a", "ba"]) {
        await writeFile(repository.join(one, two, three), "");
        paths.push(`${one}/${two}/${three}`);
      }
    }
    await writeFile(repository.join(one, "x"), "");
    paths.push(`${one}/x`);
  }
  let out = 0;
  for (const patterns of samples) {
    await writeFile(repository.join(".git", "info", "exclude"), `${patterns.join("\n")}\n`);
    const wanted = git(["check-ignore", "--stdin", "--no-index"], `${paths.join("\n")}\n`)
      .split("\n")
      .slice(0, -1);
    out += wanted.length;
    expect({ patterns, out: paths.filter((path) => isOut(patterns, path)) }).toEqual({
      patterns,
      out: wanted,
    });
  }
  expect(out).toBeGreaterThan(100);
});
