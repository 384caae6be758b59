/** "Links, special files, races": a directory is swapped with a symlink in a loop, and never a file gets outside. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Pair, pair, plant, VICTIM } from "../helpers/pair.ts";
import { events } from "../helpers/run.ts";
import { scriptedClient } from "../helpers/scripted.ts";

const SWAPPER = resolve(import.meta.dir, "../helpers/swapper.ts");

/** Swaps `dir` with a link to the folder outside while `action` runs; afterwards nothing may be out there but the victim. */
async function swapping(ends: Pair, dir: string, action: () => Promise<void>): Promise<void> {
  const swapper = Bun.spawn([process.execPath, SWAPPER, dir, ends.base("outside")], {
    stdout: "pipe",
    stderr: "inherit",
    env: { PATH: process.env["PATH"] ?? "" },
  });
  try {
    const { value } = await swapper.stdout.getReader().read();
    expect(Buffer.from(value ?? []).toString()).toContain("swapping");
    await action();
    expect(swapper.exitCode).toBe(null);
  } finally {
    swapper.kill("SIGKILL");
    await swapper.exited;
  }
  expect(readdirSync(ends.base("outside"))).toEqual(["victim"]);
  expect(ends.outside()).toBe(VICTIM);
}

test("500 puts of single files into it", async () => {
  await using ends = await pair();
  plant(ends.root(), { "d/": "" });
  const bytes = Buffer.from("12345");
  const digest = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  let published = 0;
  await swapping(ends, ends.root("d"), async () => {
    using client = await scriptedClient(ends.server.join);
    for (let n = 0; n < 500; n++) {
      // by turns as a path below the root, and as what is gone into
      const [to, path] = n % 2 === 0 ? ["", `d/f${n}`] : ["d/", n % 4 === 1 ? "victim" : `f${n}`];
      client.send({ type: "put", to, digest: "sha256", on_exists: "replace" });
      const entry = { type: "entry", entry: 0, kind: "file", path, mtime: null, mode: null } as const;
      client.send({ ...entry, length: 5, digest, size: 5 }, bytes);
      client.send({ type: "finish" });
      const last = (await client.until("result", "error")).at(-1);
      if (last?.["files"] === 1) published += 1;
    }
  });
  // some get through: else nothing was tried
  expect(published).toBeGreaterThan(10);
}, 30_000);

for (const verb of ["put", "get"] as const) {
  test(`${verb} of trees whose middle folder is swapped at the receiver`, async () => {
    await using ends = await pair();
    const [from, to] = verb === "put" ? [ends.here(), ends.root()] : [ends.root(), ends.here()];
    const files = Array.from({ length: 200 }, (_, n) => [`d/sub/f${n}`, `file ${n}`]);
    plant(join(from, "t"), {
      ...Object.fromEntries(files),
      "d/victim": "mine",
      "d/large": Buffer.alloc(2_000_000),
    });
    plant(to, { "t/d/": "" });
    let published = 0;
    await swapping(ends, join(to, "t", "d"), async () => {
      for (let n = 0; n < 8; n++) {
        const ran = await ends.run(
          verb,
          ...(verb === "put" ? ["t", ":t"] : [":t", "t"]),
          "--json",
          "--checksum",
        );
        published += events(ran.stdout).filter(
          ({ path, action }) => String(path).includes("/d/") && action !== "failed",
        ).length;
        expect([0, 1, 4, 7, 10, 12]).toContain(ran.status ?? -1);
        for (const { code } of events(ran.stdout).filter(({ action }) => action === "failed"))
          expect([
            "outside",
            "changed",
            "not-found",
            "not-folder",
            "exists",
            "permission",
            "is-folder",
          ]).toContain(String(code));
      }
    });
    expect(published).toBeGreaterThan(0);
  }, 30_000);

  test(`${verb} of trees whose middle folder is swapped at the sender: nothing of outside is read`, async () => {
    await using ends = await pair();
    const [from, to] = verb === "put" ? [ends.here(), ends.root()] : [ends.root(), ends.here()];
    const files = Array.from({ length: 200 }, (_, n) => [`d/f${n}`, `file ${n}`]);
    plant(join(from, "t"), { ...Object.fromEntries(files), "d/victim": "the tree's own" });
    let whole = 0;
    await swapping(ends, join(from, "t", "d"), async () => {
      // how often the folder is there when it is looked for is the machine's affair
      for (let n = 0; n < 8 || (whole === 0 && n < 60); n++) {
        await ends.run(verb, ...(verb === "put" ? ["t", `:t${n}`] : [":t", `t${n}`]), "--json");
        let text: string | undefined;
        try {
          text = readFileSync(join(to, `t${n}`, "d", "victim"), "utf8");
        } catch {
          continue;
        }
        expect(text).toBe("the tree's own");
        whole += 1;
      }
    });
    expect(whole).toBeGreaterThan(0);
  }, 30_000);
}

test("ls and get of single files below it: the victim's words never come", async () => {
  await using ends = await pair();
  plant(ends.root(), { "d/victim": "the folder's own" });
  const seen = new Set<string>();
  await swapping(ends, ends.root("d"), async () => {
    using client = await scriptedClient(ends.server.join);
    for (let n = 0; n < 300; n++) {
      const paths = [{ path: "d/victim" }];
      client.send({ type: "get", paths, digest: "sha256", links: "follow", compress: "never", fresh: true });
      for (;;) {
        const { header, body } = await client.channel.next();
        if (body !== undefined) seen.add(Buffer.from(body).toString());
        if (header.type === "entry")
          client.send({ type: "stop", entry: 0, code: "failed", message: "enough" });
        if (header.type === "result") break;
      }
      client.send({ type: "finish" });
      client.send({ type: "ls", path: "d", recursive: true });
      const items = (await client.until("result", "error")).filter(({ type }) => type === "item");
      for (const item of items) if (item["path"] === "victim") expect(item["length"]).not.toBe(VICTIM.length);
    }
  });
  expect([...seen]).toEqual(["the folder's own"]);
}, 30_000);
