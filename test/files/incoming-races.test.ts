import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { outcome, Playground, put, VICTIM } from "./playground.ts";

const ON_LINUX = process.platform === "linux";

/** A process of its own that swaps the folder `d` with a link to `outside` as fast as it can, until it is killed. */
function swapper(dir: string, outside: string) {
  const script = `
    const fs = require("node:fs");
    process.chdir(${JSON.stringify(dir)});
    fs.symlinkSync(${JSON.stringify(outside)}, "link");
    process.stdout.write("ready");
    const swap = () => {
      fs.renameSync("d", "aside"); fs.renameSync("link", "d");
      fs.renameSync("d", "link"); fs.renameSync("aside", "d");
    };
    // a put may have made a new "d" in between
    const repair = () => {
      fs.rmSync("d", { recursive: true, force: true });
      if (fs.existsSync("aside")) fs.renameSync("aside", "d");
      else fs.mkdirSync("d/sub", { recursive: true });
      fs.rmSync("link", { recursive: true, force: true });
      fs.symlinkSync(${JSON.stringify(outside)}, "link");
    };
    for (;;) {
      try { swap(); } catch { try { repair(); } catch {} }
    }`;
  return Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
}

test.skipIf(!ON_LINUX)(
  "a folder is swapped with a link in a loop during 500 puts: never a file outside",
  async () => {
    using ground = new Playground();
    const root = ground.root();
    fs.mkdirSync(ground.path("d/sub"), { recursive: true });
    fs.mkdirSync(join(ground.outside, "sub"));
    await using child = swapper(ground.dir, ground.outside);
    await child.stdout.getReader().read();
    const outcomes = new Map<string, number>();
    for (let n = 0; n < 500; n++) {
      const path = n % 2 === 0 ? ["d", `f${n}`] : ["d", "sub", `f${n}`];
      const code = await outcome(() =>
        put(root, path, "mine", { onExists: n % 3 === 0 ? "refuse" : "replace" }),
      );
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
    }
    child.kill("SIGKILL");
    await child.exited;
    expect(ground.outsiders()).toEqual({ victim: VICTIM });
    // the race was met, and the way is not simply closed
    expect(outcomes.get("ok") ?? 0).toBeGreaterThan(0);
    expect(outcomes.get("outside") ?? 0).toBeGreaterThan(0);
    expect(
      [...outcomes.keys()].filter(
        (code) => !["ok", "outside", "not-found", "not-folder", "changed"].includes(code),
      ),
    ).toEqual([]);
  },
  30_000,
);

test.skipIf(!ON_LINUX)(
  "a folder is swapped with a link in a loop during 2,000 reads: never a byte from outside",
  async () => {
    using ground = new Playground();
    const root = ground.root();
    fs.mkdirSync(ground.path("d"));
    fs.writeFileSync(ground.path("d/victim"), "harmless");
    await using child = swapper(ground.dir, ground.outside);
    await child.stdout.getReader().read();
    let read = 0;
    for (let n = 0; n < 2_000; n++) {
      await outcome(() => {
        const { fd } = root.openForRead(["d", "victim"]);
        const content = fs.readFileSync(fd, "utf8");
        fs.closeSync(fd);
        read += 1;
        expect(content).toBe("harmless");
      });
    }
    child.kill("SIGKILL");
    await child.exited;
    expect(read).toBeGreaterThan(0);
  },
  30_000,
);

test("while a file is replaced, readers see one whole version", async () => {
  using ground = new Playground();
  const root = ground.root();
  const size = 300_000;
  const versions = ["a", "b"].map((letter) => letter.repeat(size));
  await put(root, ["x"], versions[0] ?? "");
  let busy = true;
  const writing = (async () => {
    for (let n = 0; n < 50; n++) await Promise.all(versions.map((version) => put(root, ["x"], version)));
    busy = false;
  })();
  let reads = 0;
  while (busy) {
    const content = await fs.promises.readFile(ground.path("x"), "utf8");
    expect(versions.includes(content)).toBe(true);
    reads += 1;
  }
  await writing;
  expect(reads).toBeGreaterThan(10);
  expect(ground.litter()).toEqual([]);
});
