import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { type FileId, sameFile } from "../../src/files/entry.ts";
import { Folder, HAS_PROC } from "../../src/files/folder.ts";
import { showPath } from "../../src/files/names.ts";
import { walk, type WalkOptions } from "../../src/files/walk.ts";
import { MAX_DEPTH, PARTIAL_FOLDER } from "../../src/protocol/constants.ts";
import { openDescriptors, Playground } from "./playground.ts";

const FORMS = HAS_PROC ? [false, true] : [true];
const NOT_ROOT = process.geteuid?.() !== 0;

/** The steps of a walk as words: `enter a`, `entry a/b`; of what failed the code. */
async function steps(dir: string, options: WalkOptions = {}, portable = false): Promise<string[]> {
  const top = Folder.open(dir, portable);
  try {
    const seen: string[] = [];
    for await (const step of walk(top, options)) {
      seen.push(`${step.kind === "failed" ? step.error.code : step.kind} ${showPath(step.path)}`.trimEnd());
    }
    // the walk has not closed what is not its own
    expect(top.path()).not.toBe("");
    return seen;
  } finally {
    top.close();
  }
}

function make(ground: Playground, ...paths: string[]): void {
  for (const path of paths) {
    if (path.endsWith("/")) fs.mkdirSync(ground.path(path), { recursive: true });
    else {
      fs.mkdirSync(join(ground.path(path), ".."), { recursive: true });
      fs.writeFileSync(ground.path(path), path);
    }
  }
}

describe.each(FORMS)("a walk (folders held by path: %p)", (portable) => {
  test("is depth first, sorted, and goes in and out of each folder", async () => {
    using ground = new Playground();
    make(ground, "b", "a/y", "a/x/", "a.b", "ä", "B", "\u{1f980}", "\uff5e");
    expect(await steps(ground.dir, {}, portable)).toEqual([
      "enter",
      "entry B",
      "enter a",
      "enter a/x",
      "leave a/x",
      "entry a/y",
      "leave a",
      "entry a.b",
      "entry b",
      "entry ä",
      "entry \uff5e",
      "entry \u{1f980}",
      "leave",
    ]);
  });

  test("tells links and does not follow them, also in a circle", async () => {
    using ground = new Playground();
    make(ground, "a/b");
    fs.symlinkSync("..", ground.path("a/up"));
    fs.symlinkSync(ground.outside, ground.path("out"));
    expect(await steps(ground.dir, {}, portable)).toEqual([
      "enter",
      "enter a",
      "entry a/b",
      "entry a/up",
      "leave a",
      "entry out",
      "leave",
    ]);
  });

  test("follows where it is told to, and ends all the same", async () => {
    using ground = new Playground();
    make(ground, "a/b");
    fs.symlinkSync("..", ground.path("a/up"));
    fs.symlinkSync("a", ground.path("z"));
    const follow: WalkOptions["follow"] = (_path, folder, name) => {
      const target = fs.readlinkSync(folder.path(name));
      return Folder.open(join(folder.realPath(), target), portable);
    };
    expect(await steps(ground.dir, { follow }, portable)).toEqual([
      "enter",
      "enter a",
      "entry a/b",
      "outside a/up",
      "leave a",
      "enter z",
      "entry z/b",
      "outside z/up",
      "leave z",
      "leave",
    ]);
  });

  test("passes over what is reserved, forbidden, excluded or skipped", async () => {
    using ground = new Playground();
    make(ground, `${PARTIAL_FOLDER}/x`, `a/${PARTIAL_FOLDER}/x`, "state/key", "no/x", "skip/x/y", "z");
    fs.symlinkSync("state", ground.path("alias"));
    const { dev, ino } = fs.statSync(ground.path("state"), { bigint: true });
    const top = Folder.open(ground.dir, portable);
    const seen: string[] = [];
    const walked = walk(top, {
      isForbidden: (id: FileId) => sameFile(id, { dev, ino }),
      exclude: (path, isFolder) => isFolder && path[0] === "no",
      follow: (_path, folder) => Folder.open(join(folder.realPath(), "state"), portable),
    });
    for await (const step of walked) {
      seen.push(`${step.kind} ${showPath(step.path)}`);
      if (step.kind === "enter" && step.path[0] === "skip") step.skip();
    }
    top.close();
    expect(seen).toEqual(["enter ", "enter a", "leave a", "enter skip", "leave skip", "entry z", "leave "]);
  });

  test("flat: the folders in a folder are entries", async () => {
    using ground = new Playground();
    make(ground, "a/b", "c");
    expect(await steps(ground.dir, { flat: true }, portable)).toEqual([
      "enter",
      "entry a",
      "entry c",
      "leave",
    ]);
  });

  test.skipIf(!NOT_ROOT)("names a folder that can't be read, and goes on", async () => {
    using ground = new Playground();
    make(ground, "a/b", "c");
    fs.chmodSync(ground.path("a"), 0);
    expect(await steps(ground.dir, {}, portable)).toEqual(["enter", "permission a", "entry c", "leave"]);
    fs.chmodSync(ground.path("a"), 0o755);
  });

  test("what vanishes meanwhile is left out, and a folder that is replaced by a link is not entered", async () => {
    using ground = new Playground();
    make(ground, "a", "b", "c/x", "d");
    const top = Folder.open(ground.dir, portable);
    const seen: string[] = [];
    for await (const step of walk(top)) {
      seen.push(`${step.kind} ${showPath(step.path)}`);
      if (seen.length === 1) {
        fs.rmSync(ground.path("b"));
        fs.rmSync(ground.path("c"), { recursive: true });
        fs.symlinkSync(ground.outside, ground.path("c"));
      }
    }
    top.close();
    expect(seen).toEqual(["enter ", "entry a", "entry c", "entry d", "leave "]);
  });

  test("has an end to its depth, and holds the folders of one branch only", async () => {
    using ground = new Playground();
    make(ground, `${"d/".repeat(MAX_DEPTH + 1)}x`, "e/f", "e/g/h");
    const top = Folder.open(ground.dir, portable);
    const before = openDescriptors();
    let most = 0;
    let failed = "";
    let later = 0;
    for await (const step of walk(top)) {
      const open = openDescriptors() - before;
      most = Math.max(most, open);
      if (step.kind === "failed") failed = `${step.error.code} ${step.path.length}`;
      if (step.path[0] === "e") later = Math.max(later, open);
    }
    expect(failed).toBe(`too-large ${MAX_DEPTH}`);
    expect([most, later]).toEqual(portable ? [0, 0] : [MAX_DEPTH - 1, 2]);
    expect(openDescriptors()).toBe(before);
    for await (const step of walk(top)) if (step.path.length === 50) break;
    expect(openDescriptors()).toBe(before);
    top.close();
  });
});

test("a million steps do not hold the event loop up: here 20,000, and nothing waits 50 ms", async () => {
  using ground = new Playground();
  for (let n = 0; n < 20_000; n++) fs.writeFileSync(ground.path(`file-${n}`), "");
  const top = Folder.open(ground.dir, !HAS_PROC);
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const names: string[] = [];
  for await (const step of walk(top)) if (step.kind === "entry") names.push(String(step.name));
  isOver = true;
  top.close();
  expect(names).toEqual([...names].sort());
  expect(new Set(names).size).toBe(20_000);
  expect(turns).toBeGreaterThan(3);
}, 30_000);
