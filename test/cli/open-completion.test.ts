import { describe, expect, test } from "bun:test";
import { completions, type KnownName } from "../../src/cli/open-completion.ts";

const asked: string[] = [];
const there: Record<string, KnownName[]> = {
  "": [
    { name: "docs", isFolder: true },
    { name: "data.txt", isFolder: false },
    { name: "my file", isFolder: false },
    { name: "bad\x1bname", isFolder: false },
    { name: ".hidden", isFolder: false },
  ],
  "docs/": [{ name: "a.txt", isFolder: false }],
};

async function complete(line: string): Promise<[string[], string]> {
  return completions(line, {
    commands: ["help", "ls", "cd", "pwd", "put"],
    remote: async (folder) => {
      asked.push(folder);
      return there[folder] ?? [];
    },
    local: () => [
      { name: "home.txt", isFolder: false },
      { name: "mine", isFolder: true },
    ],
  });
}

describe("completion", () => {
  const cases: [string, string[], string][] = [
    ["", ["cd ", "help ", "ls ", "put ", "pwd "], ""],
    ["p", ["put ", "pwd "], "p"],
    ["help l", ["ls "], "l"],
    ["ls d", ["data.txt ", "docs/"], "d"],
    ["ls docs/", ["docs/a.txt "], "docs/"],
    ["cd d", ["docs/"], "d"],
    ["cat m", ["my\\ file "], "m"],
    [`cat "m`, [`"my file" `], `"m`],
    ["cat my\\ f", ["my\\ file "], "my\\ f"],
    ["cat b", [], "b"],
    ["cat .", [".hidden "], "."],
    ["put h", ["home.txt "], "h"],
    ["put home.txt ", ["data.txt ", "docs/", "home.txt ", "mine/", "my\\ file "], ""],
    ["lcd ", ["mine/"], ""],
    ["put home.txt :d", [":data.txt ", ":docs/"], ":d"],
    ["get data.txt h", ["home.txt "], "h"],
    ["get -", [], "-"],
    ["get --checksum d", ["data.txt ", "docs/"], "d"],
    ["cd docs; ls d", ["data.txt ", "docs/"], "d"],
    ["run d", [], ""],
    ["nonsense d", [], "d"],
  ];
  for (const [line, words, end] of cases) {
    test(JSON.stringify(line), async () => {
      const [found, raw] = await complete(line);
      expect([found.toSorted(), raw]).toEqual([words.toSorted(), end]);
      // the editor puts each in place of the end
      for (const word of found) expect(word.startsWith(raw)).toBe(true);
    });
  }

  test("a put asks the server for nothing that is here", async () => {
    asked.length = 0;
    await complete("put h");
    expect(asked).toEqual([]);
  });
});
