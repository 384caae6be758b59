import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ErrorCode, SockError } from "../../src/errors.ts";
import { checkName, joinPath, nameOf, parseDestination, wireSegments } from "../../src/files/names.ts";
import { PARTIAL_FOLDER } from "../../src/protocol/constants.ts";
import { codeOf } from "../helpers/codes.ts";

const GBK = Buffer.from([0xc4, 0xe3, 0xba, 0xc3]);

describe("a peer's path", () => {
  const outside = ["..", "../x", "a/../../x", "a/..", "a/../b", "/etc/x", "//x", "/"];
  test.each(outside)("%j leads outside", (path) => {
    expect(codeOf(() => wireSegments(path, "linux"))).toBe("outside");
    expect(codeOf(() => wireSegments(path, "win32"))).toBe("outside");
  });

  const bad = [
    "",
    ".",
    "a//b",
    "a/",
    "a/./b",
    "./a",
    "a\0b",
    "a\ud800b",
    "\udc00",
    "x".repeat(256),
    "é".repeat(128),
    Array.from({ length: 30 }, () => "y".repeat(200)).join("/"),
    PARTIAL_FOLDER,
    `a/${PARTIAL_FOLDER}/b`,
    ".Sock-PARTIAL",
    ".soc\u212a-partial",
    ".\u017fock-partial",
    ".sock\u200d-partial",
    ".sock-part\uff49al",
  ];
  test.each(bad)("%j is a bad name", (path) => {
    expect(codeOf(() => wireSegments(path, "linux"))).toBe("bad-name");
    expect(codeOf(() => wireSegments(path, "darwin"))).toBe("bad-name");
    expect(codeOf(() => wireSegments(path, "win32"))).toBe("bad-name");
  });

  const good = [
    "..foo",
    "foo..bar",
    "...",
    "-rf",
    "a b",
    " a",
    "quo\"te's",
    "😀",
    "e\u0301",
    "\ufeffbom",
    "aux.c",
    "10:30.log",
    "C:\\x",
    "C:x",
    "..\\..\\x",
    "a.",
    "a ",
    "CON",
    "x".repeat(255),
    ".sock-partials",
    "sock-partial",
    "esc\u001b[31m",
  ];
  test.each(good)("%j is one good name on Linux", (path) => {
    expect(wireSegments(path, "linux")).toEqual([path]);
  });

  test("is split at each slash", () => {
    expect(wireSegments("a/..b/ c", "linux")).toEqual(["a", "..b", " c"]);
  });

  const badOnWindows = [
    "C:\\x",
    "C:x",
    "..\\..\\x",
    "\\\\h\\s\\x",
    "a:b",
    "a.",
    "a ",
    "CON",
    "con",
    "NUL.txt",
    "nul .tar.gz",
    "aux.c",
    "COM1",
    "lpt9.x",
    "COM¹",
    "CONIN$",
    "x/PRN/y",
    "a*",
    "a?b",
    "a\nb",
    "SOCK-P~1",
  ];
  test.each(badOnWindows)("%j is refused on Windows", (path) => {
    expect(codeOf(() => wireSegments(path, "win32"))).toBe("bad-name");
  });
  test.each(["console", "nul1", "com", "COM10", "auxiliary.c", "a.b", ".a", "..foo", "a b", "é"])(
    "%j works on Windows",
    (path) => {
      expect(wireSegments(path, "win32")).toEqual([path]);
    },
  );

  test("in bytes is for names that are not UTF-8, and only on Linux", () => {
    const path = Buffer.concat([Buffer.from("a/"), GBK]);
    expect(wireSegments(path, "linux")).toEqual(["a", Uint8Array.from(GBK)]);
    expect(codeOf(() => wireSegments(path, "win32"))).toBe("bad-name");
    expect(codeOf(() => wireSegments(path, "darwin"))).toBe("bad-name");
    expect(codeOf(() => wireSegments(Buffer.from("a/b"), "linux"))).toBe("bad-name");
    expect(codeOf(() => wireSegments(Buffer.concat([GBK, Buffer.from("/../x")]), "linux"))).toBe("outside");
    expect(codeOf(() => wireSegments(Buffer.concat([Buffer.from("/"), GBK]), "linux"))).toBe("outside");
    expect(codeOf(() => wireSegments(Buffer.concat([GBK, Buffer.from([0])]), "linux"))).toBe("bad-name");
  });

  test("as one name in bytes is for what is not UTF-8, whoever made the name", () => {
    for (const name of ["..", ".", "a", PARTIAL_FOLDER, "é"]) {
      expect(codeOf(() => checkName(Buffer.from(name), "linux"))).toBe("bad-name");
    }
    checkName(GBK, "linux");
  });

  test("survives being joined again", () => {
    for (const path of ["a/b", "😀/e\u0301"]) expect(joinPath(wireSegments(path, "linux"))).toBe(path);
    const bytes = Buffer.concat([Buffer.from("a/"), GBK, Buffer.from("/b")]);
    expect(Buffer.from(joinPath(wireSegments(bytes, "linux")))).toEqual(bytes);
    expect(nameOf(Buffer.from("é"))).toBe("é");
    expect(nameOf(Buffer.from("\ufeffé"))).toBe("\ufeffé");
  });

  test("never yields a name that means more than one entry", () => {
    const piece = fc.oneof(
      fc.constantFrom("..", ".", "", "/", "\\", "\0", "a", "..a", PARTIAL_FOLDER, "\ud800"),
      fc.string({ unit: "binary", maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const path = pieces.join("/");
        let names;
        try {
          names = wireSegments(path, "linux");
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(SockError);
          return;
        }
        expect(names.length).toBeGreaterThan(0);
        for (const name of names) {
          expect(typeof name).toBe("string");
          expect(["", ".", "..", PARTIAL_FOLDER]).not.toContain(String(name));
          expect(String(name)).not.toMatch(/[/\0]/);
        }
        expect(names.join("/")).toBe(path);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe("a destination", () => {
  test("says whether it is gone into", () => {
    expect(parseDestination("", "linux")).toEqual({ segments: [], into: true });
    expect(parseDestination("x", "linux")).toEqual({ segments: ["x"], into: false });
    expect(parseDestination("x/", "linux")).toEqual({ segments: ["x"], into: true });
    expect(parseDestination("a/b/", "linux")).toEqual({ segments: ["a", "b"], into: true });
    const bytes = Buffer.concat([GBK, Buffer.from("/")]);
    expect(parseDestination(bytes, "linux")).toEqual({ segments: [Uint8Array.from(GBK)], into: true });
  });
  const refused: [string, ErrorCode][] = [
    ["/", "outside"],
    ["//", "outside"],
    [".", "bad-name"],
    ["./", "bad-name"],
    ["..", "outside"],
    ["../", "outside"],
    ["x//", "bad-name"],
  ];
  test.each(refused)("%j is refused", (path, code) => {
    expect(codeOf(() => parseDestination(path, "linux"))).toBe(code);
  });
});
