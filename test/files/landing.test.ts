import { describe, expect, test } from "bun:test";
import { mkdirSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { land } from "../../src/files/landing.ts";
import { codeOf } from "../helpers/codes.ts";
import { Playground, put, VICTIM } from "./playground.ts";

const GBK = Buffer.from([0xc4, 0xe3]);

describe("where a file lands", () => {
  test("by what is there, and by the slash at the end", () => {
    using ground = new Playground();
    mkdirSync(ground.path("folder/sub"), { recursive: true });
    writeFileSync(ground.path("file"), "");
    symlinkSync("folder", ground.path("in"));
    symlinkSync("file", ground.path("to-file"));
    symlinkSync("nowhere", ground.path("dangling"));
    const root = ground.root();
    const cases: [string, string[]][] = [
      ["", ["t"]],
      ["x", ["x"]],
      ["x/", ["x", "t"]],
      ["x/y", ["x", "y"]],
      ["x/y/", ["x", "y", "t"]],
      ["file", ["file"]],
      ["folder", ["folder", "t"]],
      ["folder/", ["folder", "t"]],
      ["folder/sub", ["folder", "sub", "t"]],
      ["folder/new", ["folder", "new"]],
      ["in", ["in", "t"]],
      ["to-file", ["to-file"]],
      ["dangling", ["dangling"]],
    ];
    for (const [path, segments] of cases) expect([path, land(root, path, "t")]).toEqual([path, segments]);
    expect(land(root, "", GBK)).toEqual([Uint8Array.from(GBK)]);
    expect(land(root, "folder", GBK)).toEqual(["folder", Uint8Array.from(GBK)]);
  });

  test("refuses what leads out, and a name that is a path", () => {
    using ground = new Playground();
    symlinkSync(ground.outside, ground.path("out"));
    const root = ground.root();
    for (const path of ["..", "../x", "/", "/etc/x", "//x", "out", "out/x"]) {
      expect([path, codeOf(() => land(root, path, "t"))]).toEqual([path, "outside"]);
    }
    for (const name of ["a/b", "", "."]) expect(codeOf(() => land(root, "x", name))).toBe("bad-name");
    for (const name of ["..", "/etc", "../x"]) expect(codeOf(() => land(root, "x/", name))).toBe("outside");
    expect(readlinkSync(ground.path("out"))).toBe(ground.outside);
    expect(ground.outsiders()).toEqual({ victim: VICTIM });
  });

  test("the same put twice gives the same tree", async () => {
    using ground = new Playground();
    const root = ground.root();
    for (const path of ["a", "b/", "c/d/", ""]) {
      const first = land(root, path, "t");
      await put(root, first, "1");
      expect(land(root, path, "t")).toEqual(first);
    }
  });
});
