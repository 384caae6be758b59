import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { dirname } from "node:path";
import { resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";

const FILES = [
  ".hidden",
  "a.txt",
  "b.txt",
  "c.log",
  "d1/e.txt",
  "d1/.h.txt",
  "d1/deep/f.txt",
  "d2/g.txt",
  "node_modules/x/i.txt",
  "lit/a*",
  "lit/ab",
  "lit/a\\*",
  "lit/[x]",
  "lit/x",
  "lit/{p,q}",
  "lit/p",
  "lit/back\\slash",
  "stars/*/in",
  "only/n*t",
  "only/[1]/two.txt",
];

let base: TemporaryFolder;
let server: Serving;
let cwd: TemporaryFolder;
const run = (...args: string[]) => sock(args, { env: { SOCK_JOIN: server.join }, cwd: cwd.path });

beforeAll(async () => {
  base = await temporaryFolder();
  for (const file of FILES) {
    fs.mkdirSync(dirname(base.join("root", file)), { recursive: true });
    fs.writeFileSync(base.join("root", file), file);
  }
  fs.mkdirSync(base.join("outside"));
  fs.writeFileSync(base.join("outside", "e.txt"), "precious");
  fs.symlinkSync("../outside", base.join("root", "out"));
  fs.symlinkSync("a.txt", base.join("root", "link.txt"));
  fs.writeFileSync(Buffer.from(`${base.join("root", "d2")}/\xd6\xd0.txt`, "latin1"), "gbk");
  server = await serve({ args: [base.join("root")] });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await base[Symbol.asyncDispose]();
});
beforeEach(async () => {
  cwd = await temporaryFolder();
});
afterEach(() => cwd[Symbol.asyncDispose]());

/** Files below a folder, each with its bytes as text; names that are no UTF-8 in latin1. */
function filesIn(folder: string): Record<string, string> {
  const names = fs.readdirSync(folder, { recursive: true, encoding: "buffer" }) as unknown as Buffer[];
  return Object.fromEntries(
    names.flatMap((name) => {
      const path = Buffer.concat([Buffer.from(`${folder}/`), name]);
      return fs.lstatSync(path).isFile() ? [[name.toString("latin1"), fs.readFileSync(path, "utf8")]] : [];
    }),
  );
}

describe("get", () => {
  const GOT: [args: string[], files: string[]][] = [
    [[":*.txt"], ["a.txt", "b.txt", "link.txt"]],
    [
      [":?.txt", "in"],
      ["in/a.txt", "in/b.txt"],
    ],
    [
      [":{b,c}.*", "in/"],
      ["in/b.txt", "in/c.log"],
    ],
    [[":[!a].txt"], ["b.txt"]],
    // one find or many: they go into the folder
    [[":a*", "into"], ["into/a.txt"]],
    [
      [":a.txt", ":*.log"],
      ["a.txt", "c.log"],
    ],
    // folders come with all that is in them, once
    [[":d?"], ["d1/.h.txt", "d1/deep/f.txt", "d1/e.txt", "d2/g.txt", "d2/\xd6\xd0.txt"]],
    [[":d1/**"], ["deep/f.txt", "e.txt"]],
    [[":**/f.txt"], ["f.txt"]],
    [[":*/deep/"], ["f.txt"]],
    [[":.h*"], [".hidden"]],
    [[":d1/.*"], [".h.txt"]],
    [[":d2/*"], ["g.txt", "\xd6\xd0.txt"]],
    // a name that is there literally is meant
    [[":lit/a*"], ["a*"]],
    [[":lit/[x]"], ["[x]"]],
    [[":lit/{p,q}"], ["{p,q}"]],
    [[":stars/*/in"], ["in"]],
    // and a backslash says so of one character; the pattern with it is a name too, where that is there
    [[":lit/a\\*"], ["a\\*"]],
    [[":only/n\\*t"], ["n*t"]],
    [[":only/\\[1\\]/*.txt"], ["two.txt"]],
    [[":only/\\[1\\]"], ["[1]/two.txt"]],
    [[":lit/\\{p,q\\}"], ["{p,q}"]],
    [[":lit/back\\\\*"], ["back\\slash"]],
    [[":lit/back\\slash"], ["back\\slash"]],
    [[":lit/back\\sl?sh"], ["back\\slash"]],
    // excludes
    [
      [
        ":*",
        "--exclude",
        "node_modules",
        "--exclude",
        "d*",
        "--exclude",
        "*.log",
        "--exclude",
        "lit",
        "--exclude",
        "only",
        "--exclude",
        "stars",
        "--exclude",
        "out",
      ],
      ["a.txt", "b.txt", "link.txt"],
    ],
    [[":*.txt", "--exclude", "*.txt", "--exclude", "!b.txt"], ["b.txt"]],
    [
      [":*.txt", "--exclude", "/a.txt"],
      ["b.txt", "link.txt"],
    ],
    [[":d1*/", "--exclude", "*.txt", "--exclude", "!e.txt"], ["e.txt"]],
    [
      [
        ":**/*.txt",
        "x/",
        "--exclude",
        "d1/",
        "--exclude",
        "node_modules",
        "--exclude",
        "only",
        "--exclude",
        "link.txt",
      ],
      ["x/a.txt", "x/b.txt", "x/g.txt", "x/\xd6\xd0.txt"],
    ],
  ];
  for (const [args, files] of GOT) {
    test(args.join(" "), async () => {
      const ran = await run("get", ...args);
      expect({ ...ran, files: Object.keys(filesIn(cwd.path)).toSorted() }).toMatchObject({
        status: 0,
        files,
      });
      const all = Object.values(filesIn(cwd.path));
      const texts = [...FILES, "gbk"];
      expect(all.filter((text) => !texts.includes(text))).toEqual([]);
    });
  }

  test("what nothing fits is 7, says the pattern, and shows where to look; nothing is made here", async () => {
    for (const [pattern, hint] of [
      ["x*", "sock ls HOST:"],
      ["d1/x*", "sock ls HOST:d1"],
      ["lit/\\*", "sock ls"],
      ["none/*", "sock ls"],
      ["d1/*/none", "sock ls HOST:d1"],
    ] as const) {
      const ran = await run("get", `:${pattern}`, "dest/", "--json");
      expect(resultOf(ran.stdout)).toMatchObject({ status: 7, code: "not-found" });
      expect(String(resultOf(ran.stdout)["message"])).toContain(pattern.replaceAll("\\", ""));
      if (pattern !== "lit/\\*") expect(String(resultOf(ran.stdout)["hint"])).toStartWith(hint);
    }
    expect(fs.readdirSync(cwd.path)).toEqual([]);
  });

  test("two things of one name are a usage error, not the last one", async () => {
    for (const args of [
      [":a.txt", ":a.txt"],
      [":d1/*", ":d1/e.txt"],
      [":{d1,d2}/*", ":d1"],
      [":*/x", ":lit/x"],
    ]) {
      const ran = await run("get", ...args, "dest", "--json");
      const isFine = args[1] === ":d1";
      expect({ args, ...resultOf(ran.stdout) }).toMatchObject(
        isFine ? { status: 0 } : { status: 2, code: "usage" },
      );
      expect(fs.readdirSync(cwd.path)).toEqual(isFine ? ["dest"] : []);
      fs.rmSync(`${cwd.path}/dest`, { recursive: true, force: true });
    }
  });

  test("what is in a folder goes into one that keeps its own mode and time", async () => {
    fs.mkdirSync(`${cwd.path}/own`, { mode: 0o700 });
    for (const args of [[":d1/"], [":d1/", "new"], [":d1/", "own/"], [":d1/", "--exclude", "deep"]]) {
      expect({ args, ...(await run("get", ...args)) }).toMatchObject({ args, status: 0 });
    }
    expect(fs.statSync(`${cwd.path}/own`).mode & 0o777).toBe(0o700);
    expect(Object.keys(filesIn(`${cwd.path}/own`)).toSorted()).toEqual([".h.txt", "deep/f.txt", "e.txt"]);
  });

  test("links that lead out are not followed by a pattern, and stdout takes one file only", async () => {
    expect((await run("get", ":out/*")).status).toBe(4);
    expect((await run("get", ":*/e.txt", "-")).stdout).toBe("d1/e.txt");
    expect((await run("get", ":?.txt", "-")).status).toBe(2);
    expect(JSON.stringify(filesIn(cwd.path))).not.toContain("precious");
  });

  test("when everything is left out nothing comes, which is no failure", async () => {
    const ran = await run("get", ":*.txt", "--exclude", "*.txt");
    expect(ran).toMatchObject({ status: 0, stderr: ".  0 files\n" });
    expect(fs.readdirSync(cwd.path)).toEqual([]);
  });
});

describe("ls", () => {
  const LISTED: [pattern: string, stdout: string][] = [
    ["only/n\\*t", "only/n*t\n"],
    ["only/\\[1\\]", "two.txt\n"],
    ["only/\\[*", "only/[1]/\n"],
    ["lit/a\\*", "lit/a\\*\n"],
    ["lit/{\\[x\\],p}", "lit/[x]\nlit/p\n"],
    ["lit/back\\slash", "lit/back\\slash\n"],
    ["d2/*", "d2/g.txt\nd2/\\xd6\\xd0.txt\n"],
  ];
  for (const [pattern, stdout] of LISTED) {
    test(pattern, async () => {
      expect(await run("ls", `:${pattern}`)).toMatchObject({ status: 0, stdout });
    });
  }
});
