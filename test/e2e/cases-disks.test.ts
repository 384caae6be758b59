/** "Files": full disks, read-only disks and other disks; what their errors become is in test/files/failure.test.ts. */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { plant } from "../helpers/pair.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const MiB = 1024 * 1024;
const OLD = "the old file";

function mount(path: string, options: string): boolean {
  mkdirSync(path, { recursive: true });
  const { success } = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], {
    stderr: "ignore",
  });
  return success;
}
const unmount = (path: string): void => void Bun.spawnSync(["umount", "-l", path]);
const canMount = await (async () => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  await using folder = await temporaryFolder();
  const mounted = mount(folder.join("m"), "size=64k");
  if (mounted) unmount(folder.join("m"));
  return mounted;
})();

/** A disk of its own at one end of a pair; the other end is in `base` too. */
async function withDisk(
  verb: "put" | "get",
  options: string,
  action: (ends: {
    base: TemporaryFolder;
    disk: string;
    other: string;
    run: (...words: string[]) => ReturnType<typeof sock>;
  }) => Promise<void>,
): Promise<void> {
  await using base = await temporaryFolder();
  const [root, here] = verb === "put" ? ["disk", "other"] : ["other", "disk"];
  mkdirSync(base.join("other"));
  if (!mount(base.join("disk"), options)) throw new Error("mount failed");
  try {
    await using server = await serve({ args: [base.join(root)] });
    const run = (...words: string[]) =>
      sock(words, { env: { SOCK_JOIN: server.join }, cwd: base.join(here) });
    await action({ base, disk: base.join("disk"), other: base.join("other"), run });
  } finally {
    unmount(base.join("disk"));
  }
}

const words = (verb: "put" | "get"): string[] => [
  verb,
  ...(verb === "put" ? ["t", ":t"] : [":t", "t"]),
  "--json",
];
const codes = (stdout: string) =>
  events(stdout)
    .filter(({ action }) => action === "failed")
    .map(({ code }) => code);
const litter = (disk: string): string[] =>
  existsSync(join(disk, ".sock-partial")) ? readdirSync(join(disk, ".sock-partial")) : [];

// without the right to mount there are no such disks
describe.skipIf(!canMount)("disks of their own (needs the right to mount)", () => {
  for (const verb of ["put", "get"] as const) {
    test(`${verb} of a tree, disk full at half: status 8, old files intact, what fits is there, no litter, alive`, async () => {
      await withDisk(verb, "size=8m", async ({ disk, other, run }) => {
        plant(join(other, "t"), { "a/fits": "fits", "m/large": randomBytes(20 * MiB), "z/also": "also" });
        plant(join(disk, "t"), { "m/large": OLD });
        const ran = await run(...words(verb));
        expect(resultOf(ran.stdout)).toMatchObject({ status: 8, code: "no-space" });
        expect(codes(ran.stdout)).toEqual(["no-space"]);
        expect(readFileSync(join(disk, "t", "m", "large"), "utf8")).toBe(OLD);
        expect(readFileSync(join(disk, "t", "a", "fits"), "utf8")).toBe("fits");
        expect(readFileSync(join(disk, "t", "z", "also"), "utf8")).toBe("also");
        expect(litter(disk)).toEqual([]);
      });
    });

    test(`${verb} of many small files, disk full at half: status 8, each is whole or not there`, async () => {
      await withDisk(verb, "size=4m", async ({ disk, other, run }) => {
        const files = Array.from({ length: 200 }, (_, n) => [
          `d${n % 5}/f${n}`,
          Buffer.alloc(50_000, `${n} `),
        ]);
        plant(join(other, "t"), Object.fromEntries(files));
        plant(join(disk, "t"), { "d0/f0": OLD, "d4/f199": OLD });
        const ran = await run(...words(verb));
        expect(resultOf(ran.stdout)).toMatchObject({ status: 8, code: "no-space" });
        expect(new Set(codes(ran.stdout))).toEqual(new Set(["no-space"]));
        let whole = 0;
        for (const name of readdirSync(join(disk, "t"), { recursive: true }).map(String)) {
          if (!name.includes("/")) continue;
          const bytes = readFileSync(join(disk, "t", name));
          if (bytes.toString() === OLD) continue;
          expect(bytes.equals(readFileSync(join(other, "t", name)))).toBe(true);
          whole += 1;
        }
        expect(whole).toBeGreaterThan(30);
        expect(resultOf(ran.stdout)).toMatchObject({ files: whole, failed: 200 - whole });
        expect(litter(disk)).toEqual([]);
        // alive, and its twin fits again
        if (verb === "put") {
          const { bavail, bsize } = statfsSync(disk);
          expect(bavail * bsize).toBeLessThan(MiB);
        }
        expect(await run("ls", ":")).toMatchObject({ status: 0 });
      });
    });

    test(`${verb} of a tree to a read-only disk (EROFS): named by its code, nothing changed, alive`, async () => {
      await withDisk(verb, "size=4m", async ({ disk, other, run }) => {
        plant(join(other, "t"), { "a/f": "f", large: randomBytes(3 * MiB) });
        plant(join(disk, "t"), { large: OLD });
        expect(Bun.spawnSync(["mount", "-o", "remount,ro", disk]).success).toBe(true);
        const ran = await run(...words(verb));
        expect(resultOf(ran.stdout)).toMatchObject({ status: 1, code: "permission" });
        expect(new Set(codes(ran.stdout))).toEqual(new Set(["permission"]));
        expect(readFileSync(join(disk, "t", "large"), "utf8")).toBe(OLD);
        expect(readdirSync(join(disk, "t"))).toEqual(["large"]);
        expect(Bun.spawnSync(["mount", "-o", "remount,rw", disk]).success).toBe(true);
        expect(await run(...words(verb))).toMatchObject({ status: 0 });
      });
    });
  }

  test("a disk that gets full while a stream comes: 8, the old file intact, no litter, the space is back", async () => {
    await withDisk("put", "size=8m", async ({ base, disk, run }) => {
      plant(disk, { x: OLD });
      plant(base.path, { long: Buffer.alloc(20 * MiB) });
      await using server = await serve({ args: [disk] });
      const stdin = Bun.file(base.join("long"));
      const ran = await sock(["put", "-", ":x", "--json"], { env: { SOCK_JOIN: server.join }, stdin });
      expect(resultOf(ran.stdout)).toMatchObject({ status: 8, code: "no-space" });
      expect([readFileSync(join(disk, "x"), "utf8"), litter(disk)]).toEqual([OLD, []]);
      await until(() => statfsSync(disk).bavail * statfsSync(disk).bsize > 7 * MiB, "the space");
      expect(await run("ls", ":")).toMatchObject({ status: 0 });
    });
  });

  test("below another file system: the partial lies beside, the tree arrives, nothing is left", async () => {
    await using base = await temporaryFolder();
    mkdirSync(base.join("root"));
    if (!mount(base.join("root", "mnt"), "size=16m")) throw new Error("mount failed");
    try {
      await using server = await serve({ args: [base.join("root")] });
      plant(base.join("t"), { small: "s", large: randomBytes(3 * MiB), ["n".repeat(255)]: "long" });
      const ran = await sock(["put", base.join("t"), ":mnt/t"], { env: { SOCK_JOIN: server.join } });
      expect(ran).toMatchObject({ status: 0 });
      expect(readdirSync(base.join("root", "mnt", "t")).toSorted()).toEqual([
        "large",
        "n".repeat(255),
        "small",
      ]);
      expect(
        readdirSync(base.join("root", "mnt"), { recursive: true }).some((name) =>
          String(name).includes("partial/"),
        ),
      ).toBe(false);
    } finally {
      unmount(base.join("root", "mnt"));
    }
  });
});
