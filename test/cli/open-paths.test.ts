import { writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { localFiles, remotePath, withoutHost } from "../../src/cli/open-paths.ts";
import { temporaryFolder } from "../helpers/temp.ts";

test("paths there begin in the folder, or at the top, and never above it", () => {
  const cases: [string, string, string][] = [
    ["", "a", "a"],
    ["", "", ""],
    ["", "/", ""],
    ["", "..", ""],
    ["a/b", "", "a/b"],
    ["a/b", "c", "a/b/c"],
    ["a/b", "c/", "a/b/c/"],
    ["a/b", ":c", "a/b/c"],
    ["a/b", "/c", "c"],
    ["a/b", "..", "a/"],
    ["a/b", "../../../../etc", "etc"],
    ["a/b", "./c/../d", "a/b/d"],
    ["a/b", ".", "a/b/"],
    ["a", "..", ""],
    ["a", "foo..bar", "a/foo..bar"],
    ["a", "...", "a/..."],
    // the folder's own characters are no pattern
    ["a[1]", "*.txt", "a\\[1\\]/*.txt"],
    ["a[1]", "b.txt", "a[1]/b.txt"],
  ];
  for (const [folder, word, path] of cases)
    expect([folder, word, remotePath(folder, word)]).toEqual([folder, word, path]);
});

test("patterns for files here; one that is called so is meant", async () => {
  await using folder = await temporaryFolder();
  for (const name of ["a.txt", "b.txt", "c[1].md"]) writeFileSync(folder.join(name), "x");
  expect(localFiles(folder.join("*.txt"))).toEqual([folder.join("a.txt"), folder.join("b.txt")]);
  expect(localFiles(folder.join("c[1].md"))).toEqual([folder.join("c[1].md")]);
  expect(localFiles(folder.join("\\*.txt"))).toEqual([folder.join("*.txt")]);
  expect(() => localFiles(folder.join("*.none"))).toThrow("matches");
});

test("a word with the server's name before it is no name here", () => {
  expect(["a", ":a", "web2:a", "./web1:a", "web1"].map((word) => withoutHost("web1", word))).toEqual([
    "a",
    ":a",
    "web2:a",
    "./web1:a",
    "web1",
  ]);
  expect(() => withoutHost("web1", "web1:a")).toThrow("without web1:");
});
