import { expect, test } from "bun:test";
import * as fs from "node:fs";
import type { FileItem } from "../../src/transfer/items.ts";
import { treeItems } from "../../src/transfer/tree-items.ts";
import { Playground } from "../files/playground.ts";
import { exchange } from "../../src/os/native.ts";

for (const links of ["keep", "follow", "skip"] as const) {
  test(`links ${links}: a tree that changes as one while it is sent is never two versions mixed`, async () => {
    using ground = new Playground();
    for (const [folder, words] of [
      ["www", "old"],
      ["next", "the new one"],
    ] as const) {
      fs.mkdirSync(ground.path(folder, "sub"), { recursive: true });
      for (const name of ["a", "b", "sub/c"]) {
        fs.writeFileSync(ground.path(folder, name), words);
        fs.utimesSync(ground.path(folder, name), 1000, 1000);
      }
    }
    const files: FileItem[] = [];
    for await (const item of treeItems(ground.root(), ["www"], { links, shown: "www" })) {
      if (item.kind !== "file") continue;
      files.push(item);
      if (files.length === 1) expect(exchange(ground.path("www"), ground.path("next"))).toBe(true);
      expect(Buffer.from(item.read?.() ?? []).toString()).toBe("old");
      const file = item.open();
      expect(file.length).toBe(3);
      file.close();
    }
    expect(files.length).toBe(3);
  });
}
