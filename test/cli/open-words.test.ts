import { describe, expect, test } from "bun:test";
import { parseLine, plainWords, typed, typingAt } from "../../src/cli/open-words.ts";
import { SockError } from "../../src/errors.ts";

describe("a line", () => {
  const cases: [string, string[][]][] = [
    ["", []],
    ["   ", []],
    ["# all of it", []],
    ["ls", [["ls"]]],
    ["  ls  -l   docs ", [["ls", "-l", "docs"]]],
    ["cd a; ls;;get x", [["cd", "a"], ["ls"], ["get", "x"]]],
    ["get a#b # c", [["get", "a#b", "#", "c"]]],
    ["ls; # no more", [["ls"]]],
    [`get "my file" 'a b'`, [["get", "my file", "a b"]]],
    [`put my\\ file a"b c"d`, [["put", "my file", "ab cd"]]],
    [`get "a\\"b" 'a\\b'`, [["get", 'a"b', "a\\b"]]],
    ["get ''", [["get", ""]]],
    ["get *.txt", [["get", "*.txt"]]],
    // what was quoted is no pattern
    [`get '*'.txt a\\*b`, [["get", "\\*.txt", "a\\*b"]]],
    [`get "a[1]"*`, [["get", "a\\[1\\]*"]]],
    ["cd 你好", [["cd", "你好"]]],
  ];
  for (const [line, expected] of cases) {
    test(JSON.stringify(line), () => {
      expect(parseLine(line).map(({ name, words }) => [name, ...words])).toEqual(expected);
    });
  }

  test("run takes the rest of it as it is, but not what only begins so", () => {
    expect(parseLine(`cd x; run echo "a b"; ls | wc 'l`)).toEqual([
      { name: "cd", words: ["x"], rest: "x" },
      { name: "run", words: [], rest: `echo "a b"; ls | wc 'l` },
    ]);
    expect(parseLine("runs a; b").map(({ name }) => name)).toEqual(["runs", "b"]);
  });

  test("a quote without an end is a usage error", () => {
    for (const line of [`get "a`, "get 'a b", `ls; get "`]) {
      let code: unknown;
      try {
        parseLine(line);
      } catch (thrown) {
        code = thrown instanceof SockError ? thrown.code : thrown;
      }
      expect(code).toBe("usage");
    }
  });
});

test("the words of a command that no shell takes apart", () => {
  expect(plainWords(`/bin/echo  "a b"'*' c\\ d ''`)).toEqual(["/bin/echo", "a b*", "c d", ""]);
  for (const line of ["a; b", "a 'b"]) expect(() => plainWords(line)).toThrow(SockError);
});

describe("what is being typed", () => {
  test("is the last word of the last command", () => {
    expect(typingAt("")).toEqual({ before: [], text: "", raw: "", quote: "" });
    expect(typingAt("l")).toEqual({ before: [], text: "l", raw: "l", quote: "" });
    expect(typingAt("ls ")).toEqual({ before: ["ls"], text: "", raw: "", quote: "" });
    expect(typingAt("cd x; get a b/c")).toEqual({ before: ["get", "a"], text: "b/c", raw: "b/c", quote: "" });
    expect(typingAt(`get "my fi`)).toEqual({ before: ["get"], text: "my fi", raw: `"my fi`, quote: '"' });
    expect(typingAt("get my\\ fi")).toEqual({ before: ["get"], text: "my fi", raw: "my\\ fi", quote: "" });
  });

  test("is nothing of ours behind run, and in a comment", () => {
    expect(typingAt("run ls /e")).toBeUndefined();
    expect(typingAt("# ls")).toBeUndefined();
  });

  test("its rest is typed so that it means the same", () => {
    const name = `a b'c"d\\e;f*g#h[i]`;
    for (const quote of ["", "'", '"'] as const) {
      const line = `get ${quote}x${typed(name, quote)}${quote}`;
      const [command] = parseLine(line);
      expect(command?.words.map((word) => word.replace(/\\([*?[\]{},!^\-\\])/g, "$1"))).toEqual([`x${name}`]);
    }
  });
});
