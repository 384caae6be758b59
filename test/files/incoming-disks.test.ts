/** What only other file systems show. They need the right to mount; without it these tests are skipped. */
import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { StagedTree } from "../../src/files/staging.ts";
import { Incoming } from "../../src/files/incoming.ts";
import { DATA_BYTES, PARTIAL_FOLDER } from "../../src/protocol/constants.ts";
import { until } from "../helpers/until.ts";
import { outcome, PLAIN, Playground, put } from "./playground.ts";

function run(...command: string[]): boolean {
  return Bun.spawnSync(command, { stdout: "ignore", stderr: "ignore" }).success;
}

const probe = new Playground();
const canMount =
  process.platform === "linux" && process.geteuid?.() === 0 && run("mount", "-t", "tmpfs", "none", probe.dir);
if (canMount) run("umount", probe.dir);
afterAll(() => probe[Symbol.dispose]());

/** A tmpfs at `path` for the time of `action`. */
async function mounted(path: string, options: string, action: () => Promise<void>): Promise<void> {
  fs.mkdirSync(path, { recursive: true });
  if (!run("mount", "-t", "tmpfs", "-o", options, "none", path)) throw new Error("mount failed");
  try {
    await action();
  } finally {
    run("umount", "-l", path);
  }
}

describe.skipIf(!canMount)("on disks of their own (needs the right to mount)", () => {
  test("a disk that is full at half: no-space, the old file intact, no litter", async () => {
    using ground = new Playground();
    await mounted(ground.dir, "size=3m", async () => {
      using root = ground.root();
      fs.writeFileSync(ground.path("x"), "old");
      const block = new Uint8Array(DATA_BYTES).fill(7);
      for (const write of [1, 2]) {
        const incoming = Incoming.create(root, ["x"], { ...PLAIN, length: write === 1 ? null : DATA_BYTES });
        const writeMore = async (): Promise<void> => {
          for (let n = 0; n < 6; n++) await incoming.write(block, n * DATA_BYTES);
        };
        expect(await outcome(writeMore)).toBe("no-space");
        incoming.discard();
        // the space is free when the descriptor is closed
        await until(() => {
          const { bavail, bsize } = fs.statfsSync(ground.dir);
          return bavail * bsize > 2.5 * DATA_BYTES;
        });
      }
      expect(await outcome(() => put(root, ["x"], "1", { length: 4 * DATA_BYTES }))).toBe("no-space");
      expect(fs.readFileSync(ground.path("x"), "utf8")).toBe("old");
      expect(ground.litter()).toEqual([]);
      expect((await put(root, ["x"], "new")).action).toBe("replaced");
    });
  });

  test("a read-only disk is permission", async () => {
    using ground = new Playground();
    await mounted(ground.dir, "size=1m,ro", async () => {
      using root = ground.root();
      expect(await outcome(() => put(root, ["x"], "1"))).toBe("permission");
      expect(await outcome(() => put(root, ["a", "x"], "1"))).toBe("permission");
    });
  });

  test("below another disk, or the same one bound again, the partial lies beside the destination", async () => {
    using ground = new Playground();
    fs.mkdirSync(ground.path("source"));
    fs.mkdirSync(ground.path("bound"));
    expect(run("mount", "--bind", ground.path("source"), ground.path("bound"))).toBe(true);
    try {
      await mounted(ground.path("disk"), "size=1m", async () => {
        using root = ground.root();
        for (const place of ["disk", "bound"]) {
          const incoming = Incoming.create(root, [place, "x"], PLAIN);
          expect(fs.existsSync(ground.path(place, PARTIAL_FOLDER))).toBe(true);
          await incoming.write(Buffer.from("mine"), 0);
          expect((await incoming.publish({ bytes: 4 })).action).toBe("new");
          expect(fs.readdirSync(ground.path(place))).toEqual(["x"]);
        }
        const incoming = Incoming.create(root, ["source", "y"], PLAIN);
        expect(fs.existsSync(ground.path(PARTIAL_FOLDER))).toBe(true);
        incoming.discard();
        root.beside.settle();
        expect(ground.litter()).toEqual([]);
      });
    } finally {
      run("umount", "-l", ground.path("bound"));
    }
  });

  test("a folder with a disk in it does not change as one: the disk, and what is on it, stays", async () => {
    using ground = new Playground();
    fs.mkdirSync(ground.path("www", "disk"), { recursive: true });
    fs.writeFileSync(ground.path("www", "a"), "old");
    await mounted(ground.path("www", "disk"), "size=1m", async () => {
      fs.writeFileSync(ground.path("www", "disk", "data"), "data");
      const staged = await StagedTree.begin(ground.root(), ["www"], { key: "key", run: "run" });
      fs.writeFileSync(staged.root.top.path("a"), "new");
      expect(await outcome(() => staged.publish())).toBe("permission");
      await staged.remove();
      staged.close();
      expect(fs.readFileSync(ground.path("www", "disk", "data"), "utf8")).toBe("data");
      expect(fs.readFileSync(ground.path("www", "a"), "utf8")).toBe("old");
      expect(ground.litter()).toEqual([]);
    });
  });
});
