import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SockError } from "../../src/errors.ts";
import { expandBraces, globParts, hasGlob, nameMatcher, pathMatcher } from "../../src/text/glob.ts";

const NAMES: [pattern: string, fits: string[], not: string[]][] = [
  ["*", ["a", "a.b", "好", "\n", "a.", "-"], [".", "..", ".a"]],
  ["*.txt", ["a.txt", "a.b.txt"], [".txt", "a.txt.gz", "atxt", ".a.txt"]],
  ["a*", ["a", "ab"], ["ba"]],
  ["a*b*c", ["abc", "aXbYc", "abbc", "abcbc"], ["abcb", "acb"]],
  ["?", ["a", "好", "🦀"], ["", "ab", "."]],
  ["??", ["ab"], ["a", ".a"]],
  [".*", [".", "..", ".a"], ["a"]],
  [".?", [".a"], [".", ".ab", "aa"]],
  ["[ab]", ["a", "b"], ["c", "ab"]],
  ["[a-c]x", ["ax", "cx"], ["dx", "Ax"]],
  ["[!a-c]", ["d", "-"], ["a", "b", "c", "."]],
  ["[^a]", ["b"], ["a"]],
  ["[]a]", ["]", "a"], ["b"]],
  ["[!]a]", ["b"], ["]", "a"]],
  ["[a-]", ["a", "-"], ["b"]],
  ["[-a]", ["a", "-"], ["b"]],
  ["[*]", ["*"], ["a"]],
  ["[.]a", [], [".a", "a"]],
  ["[a", ["[a"], ["a"]],
  ["[]", ["[]"], ["a"]],
  ["[z-a]", [], ["z", "a", "m"]],
  ["[一-龥]*", ["好", "好x"], ["a"]],
  ["[🦀]", ["🦀"], ["\ud83e"]],
  ["a\\*", ["a*"], ["a\\", "a\\b", "a", "ab"]],
  ["\\?\\[\\]\\{\\}\\,", ["?[]{},"], ["a[]{},"]],
  ["a\\\\*", ["a\\", "a\\b"], ["a*", "a"]],
  ["a\\b*", ["a\\b", "a\\bc"], ["ab"]],
  ["*\\", ["\\", "a\\"], ["a"]],
  ["[\\]a]", ["]", "a"], ["\\", "b"]],
  ["[a\\-c]", ["a", "-", "c"], ["b", "\\"]],
  ["[\\!a]", ["!", "a"], ["b", "\\"]],
  ["", [""], ["a"]],
];

describe("one name", () => {
  for (const [pattern, fits, not] of NAMES) {
    const matches = nameMatcher(pattern);
    for (const name of fits)
      test(`${pattern} fits ${JSON.stringify(name)}`, () => expect(matches(name)).toBe(true));
    for (const name of not)
      test(`${pattern} does not fit ${JSON.stringify(name)}`, () => expect(matches(name)).toBe(false));
  }

  test("agrees with a plain recursion on anything", () => {
    const slow = (pattern: string, name: string): boolean => {
      if (pattern === "") return name === "";
      if (pattern.startsWith("*")) {
        return slow(pattern.slice(1), name) || (name !== "" && slow(pattern, name.slice(1)));
      }
      const fits = name !== "" && (pattern.startsWith("?") || pattern[0] === name[0]);
      return fits && slow(pattern.slice(1), name.slice(1));
    };
    const text = (letters: string): fc.Arbitrary<string> =>
      fc.string({ unit: fc.constantFrom(...letters), maxLength: 8 });
    let fitting = 0;
    fc.assert(
      fc.property(text("ab*?"), text("ab"), (pattern, name) => {
        const wanted = slow(pattern, name);
        if (wanted) fitting += 1;
        expect(nameMatcher(pattern)(name)).toBe(wanted);
      }),
      { numRuns: 5000 },
    );
    expect(fitting).toBeGreaterThan(100);
  });

  test("many stars cost no time", () => {
    const began = performance.now();
    expect(nameMatcher(`${"*a".repeat(100)}b`)("a".repeat(255))).toBe(false);
    expect(performance.now() - began).toBeLessThan(200);
  });
});

describe("paths", () => {
  const PATHS: [pattern: string, fits: string[], not: string[]][] = [
    ["**/x", ["x", "a/x", "a/b/x"], ["a", "x/a", ".a/x", "a/.b/x"]],
    ["a/**/x", ["a/x", "a/b/c/x"], ["x", "b/x", "a/b"]],
    ["a/**", ["a/b", "a/b/c"], ["a", "b", "a/.b", "a/b/.c"]],
    ["**", ["a", "a/b"], [".a", "a/.b"]],
    ["**/*.txt", ["a.txt", "b/a.txt"], ["a.log", "b/.a.txt"]],
    ["**/**/x", ["x", "a/x", "a/b/x"], ["a"]],
    ["*/b", ["a/b"], ["b", "a/a/b"]],
    ["a**", ["a", "ab"], ["a/b"]],
  ];
  for (const [pattern, fits, not] of PATHS) {
    const matches = pathMatcher(pattern);
    for (const path of fits)
      test(`${pattern} fits ${path}`, () => expect(matches(path.split("/"))).toBe(true));
    for (const path of not)
      test(`${pattern} does not fit ${path}`, () => expect(matches(path.split("/"))).toBe(false));
  }

  test("nothing at all fits no pattern", () => {
    for (const pattern of ["**", "*", "**/**"]) expect(pathMatcher(pattern)([])).toBe(false);
  });

  test("what is fixed, and what is a pattern", () => {
    expect(globParts("a/b/*.txt")).toEqual({ prefix: "a/b", pattern: "*.txt" });
    expect(globParts("a/[b]/c")).toEqual({ prefix: "a", pattern: "[b]/c" });
    expect(globParts("{a,b}/c")).toEqual({ prefix: "", pattern: "{a,b}/c" });
    expect(globParts("a/b")).toEqual({ prefix: "a/b", pattern: "" });
    expect(globParts("")).toEqual({ prefix: "", pattern: "" });
    expect(["a*", "?", "x[", "{"].every(hasGlob)).toBe(true);
    expect(["", "a b", "a/b.txt", "a]b}", "~", "-x", "!"].some(hasGlob)).toBe(false);
  });
});

describe("braces", () => {
  const BRACES: [pattern: string, expanded: string[]][] = [
    ["a", ["a"]],
    ["{a,b}", ["a", "b"]],
    ["x{a,b}y{c,d}", ["xayc", "xayd", "xbyc", "xbyd"]],
    ["a{b,c{d,e}}f", ["abf", "acdf", "acef"]],
    ["{a,}x", ["ax", "x"]],
    ["{a}", ["{a}"]],
    ["{}", ["{}"]],
    ["{a", ["{a"]],
    ["a}", ["a}"]],
    ["{a{b,c}", ["{ab", "{ac"]],
    ["{x}{a,b}", ["{x}a", "{x}b"]],
    ["{a/b,c}/*.{x,y}", ["a/b/*.x", "a/b/*.y", "c/*.x", "c/*.y"]],
  ];
  for (const [pattern, expanded] of BRACES) {
    test(pattern, () => expect(expandBraces(pattern, 100)).toEqual(expanded));
  }

  test("too many are refused at once", () => {
    expect(expandBraces("{a,b}".repeat(3), 8)).toHaveLength(8);
    for (const pattern of ["{a,b}".repeat(4), "{a,b}".repeat(100), "{a,a,a,a,a,a,a,a,a,a}"]) {
      expect(() => expandBraces(pattern, 8)).toThrow(SockError);
    }
  });
});
