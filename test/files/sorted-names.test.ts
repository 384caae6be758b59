import { expect, test } from "bun:test";
import * as fs from "node:fs";
import fc from "fast-check";
import { Folder, HAS_PROC } from "../../src/files/folder.ts";
import { compareNames, type Name, nameBytes, nameOf } from "../../src/files/names.ts";
import { Slice } from "../../src/files/slice.ts";
import { sortedNames } from "../../src/files/sorted-names.ts";
import { Playground } from "./playground.ts";

async function namesIn(dir: string): Promise<Name[]> {
  const folder = Folder.open(dir, !HAS_PROC);
  try {
    const names = await sortedNames(folder, new Slice());
    return Array.from({ length: names.length }, (_, index) => names.at(index));
  } finally {
    folder.close();
  }
}

test.skipIf(process.platform !== "linux")("any bytes, in the order of bytes", async () => {
  using ground = new Playground();
  const raw = [
    Buffer.from([0xc4, 0xe3]),
    Buffer.from([0xff]),
    ...["a", "A", "a.b", "ab", "é", "e\u0301", "好", "\u{1f980}", "\uff5e", "\ufeffx", "x".repeat(255)].map(
      (name) => Buffer.from(name),
    ),
  ];
  for (const name of raw) fs.writeFileSync(Buffer.concat([Buffer.from(`${ground.dir}/`), name]), "");
  const wanted = raw.sort((a, b) => Buffer.compare(a, b)).map((bytes) => nameOf(bytes));
  expect(await namesIn(ground.dir)).toEqual(wanted);
});

test("more names than are sorted in one go, with long beginnings in common, and one that is a beginning", async () => {
  using ground = new Playground();
  const stem = "the-same-for-all-".repeat(5);
  const names = [stem, `${stem}1`];
  // no multiple of 7,919 comes twice: in an order that is neither ours nor the reverse
  for (let n = 0; n < 20_000; n++) names.push(`${stem}${n % 3 === 0 ? "é" : "x"}${(n * 7919) % 20_000}`);
  for (const name of names) fs.writeFileSync(ground.path(name), "");
  expect(await namesIn(ground.dir)).toEqual(names.sort(compareNames));
});

test("the order of names is that of their bytes", () => {
  const name = fc.oneof(
    fc.string({
      unit: fc.constantFrom("a", "b", "\uff5e", "\u{1f980}", "\u{1f981}", "\ud7ff"),
      maxLength: 4,
    }),
    fc.uint8Array({ maxLength: 3 }).map((bytes) => nameOf(bytes)),
  );
  fc.assert(
    fc.property(name, name, (a, b) => {
      const wanted = Buffer.compare(nameBytes(a), nameBytes(b));
      expect(Math.sign(compareNames(a, b))).toBe(wanted);
    }),
    { numRuns: 5000 },
  );
});
