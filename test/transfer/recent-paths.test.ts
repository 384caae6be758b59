import { describe, expect, test } from "bun:test";
import type { Segments } from "../../src/files/names.ts";
import { Root } from "../../src/files/root.ts";
import { RecentPaths } from "../../src/transfer/recent-paths.ts";
import { codeOf } from "../helpers/codes.ts";
import { temporaryFolder } from "../helpers/temp.ts";

await using folder = await temporaryFolder();
const root = Root.open(folder.path, { name: "", writable: true });

type Kind = "file" | "folder" | "link";
const claim = (paths: RecentPaths, entry: number, segments: Segments, kind: Kind = "file", isWanted = true) =>
  codeOf(() => paths.claim({ root, segments, shown: "shown" }, { entry, kind }, isWanted));

describe("two entries of one path", () => {
  test("are refused, folders become one, and an entry may come back (offered, then sent)", () => {
    const paths = new RecentPaths();
    expect(claim(paths, 0, ["a", "b"])).toBe(undefined);
    expect(claim(paths, 0, ["a", "b"])).toBe(undefined);
    expect(claim(paths, 0, ["a", "b"], "file", false)).toBe("exists");
    expect(claim(paths, 1, ["a", "b"])).toBe("exists");
    expect(claim(paths, 2, ["a", "b"], "link")).toBe("exists");
    expect(claim(paths, 3, ["a", "c"])).toBe(undefined);
    expect(claim(paths, 4, ["a"], "folder")).toBe(undefined);
    expect(claim(paths, 5, ["a"], "folder")).toBe(undefined);
    expect(claim(paths, 6, ["a"])).toBe("exists");
  });

  test("names that are no UTF-8 are told apart, though people see the same", () => {
    const paths = new RecentPaths();
    expect(claim(paths, 0, [Uint8Array.of(0xc4)])).toBe(undefined);
    expect(claim(paths, 1, [Uint8Array.of(0xc5)])).toBe(undefined);
    expect(claim(paths, 2, ["\ufffd"])).toBe(undefined);
    expect(claim(paths, 3, [Uint8Array.of(0xc4)])).toBe("exists");
  });
});

describe("`README` and `readme`", () => {
  const SPELLINGS: [Segments, Segments][] = [
    [["README"], ["readme"]],
    [["Straße"], ["STRASSE"]],
    [["é"], ["e\u0301"]],
    [
      ["Dir", "a"],
      ["dir", "a"],
    ],
    [["ﬁle"], ["FILE"]],
  ];
  for (const [one, other] of SPELLINGS) {
    test(`${one.join("/")}, ${other.join("/")}: a collision where the file system folds them, else two files`, () => {
      const folding = new RecentPaths(() => true);
      expect(claim(folding, 0, one)).toBe(undefined);
      expect(claim(folding, 1, other)).toBe("exists");
      expect(claim(folding, 2, other, "folder")).toBe("exists");
      const exact = new RecentPaths();
      expect(claim(exact, 0, one)).toBe(undefined);
      expect(claim(exact, 1, other)).toBe(undefined);
    });
  }

  test("other names are never looked up", () => {
    const paths = new RecentPaths(() => {
      throw new Error("looked up");
    });
    for (const [entry, name] of ["README", "readme2", "a", "ä", "b"].entries()) {
      expect(claim(paths, entry, [name])).toBe(undefined);
    }
  });
});
