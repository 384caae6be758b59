import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { Incoming } from "../../src/files/incoming.ts";
import { openPartialFolder } from "../../src/files/partials.ts";
import { StagedTree } from "../../src/files/staging.ts";
import { sweepPartials } from "../../src/files/sweep.ts";
import { MAX_PARTIALS, PARTIAL_FOLDER, PARTIAL_TTL_MS, RESUME_BYTES } from "../../src/protocol/constants.ts";
import { until } from "../helpers/until.ts";
import { outcome, PLAIN, Playground, put } from "./playground.ts";

test("partials that are too old are swept, others stay", async () => {
  using ground = new Playground();
  const root = ground.root();
  expect(await sweepPartials(root, Date.now())).toBe(0);
  const incoming = Incoming.create(root, ["x"], { ...PLAIN, mtimeUs: 0 });
  await incoming.write(Buffer.from("mine"), 0);
  // an old source must not make a young partial old
  const [name] = fs.readdirSync(ground.path(PARTIAL_FOLDER));
  fs.utimesSync(ground.path(PARTIAL_FOLDER, name ?? ""), 0, 0);
  expect(await sweepPartials(root, Date.now() + PARTIAL_TTL_MS - 60_000)).toBe(0);
  const abandoned = ground.path(PARTIAL_FOLDER, "abandoned");
  fs.writeFileSync(abandoned, "");
  // however the clock jumps, what is written now is not abandoned
  expect(await sweepPartials(root, Date.now() + PARTIAL_TTL_MS + 60_000)).toBe(1);
  expect(fs.readdirSync(ground.path(PARTIAL_FOLDER))).toEqual([name ?? ""]);
  expect(await outcome(() => incoming.publish({ bytes: 4 }))).toBe("ok");
  expect((await put(root, ["x"], "again")).action).toBe("replaced");
});

test("a tree that is on its way is not swept, nor whose it is", async () => {
  using ground = new Playground();
  fs.mkdirSync(ground.path("www"));
  const root = ground.root();
  const owner = { key: "key", run: "run" };
  const staged = await StagedTree.begin(root, ["www"], owner);
  fs.writeFileSync(staged.root.top.path("a"), "a");
  const later = Date.now() + 2 * PARTIAL_TTL_MS;
  expect(await sweepPartials(root, later)).toBe(0);
  expect(await staged.publish()).toBe("replaced");
  staged.close();
  // the old version, which nobody has removed
  expect(await sweepPartials(root, later)).toBe(1);
  expect(fs.readdirSync(ground.path("www"))).toEqual(["a"]);
});

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

test("10,000 abandoned partials are swept while the event loop goes on", async () => {
  using ground = new Playground();
  const root = ground.root();
  fs.mkdirSync(ground.path(PARTIAL_FOLDER));
  for (let n = 0; n < 10_000; n++) fs.writeFileSync(ground.path(PARTIAL_FOLDER, `${n}`), "");
  // the processor's time between two turns, not the clock's: the machine may have other work
  let longest = 0;
  const began = processorMs();
  let last = began;
  const timer = setInterval(() => {
    const now = processorMs();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  expect(await sweepPartials(root, Date.now() + 2 * PARTIAL_TTL_MS)).toBe(10_000);
  clearInterval(timer);
  const ended = processorMs();
  longest = Math.max(longest, ended - last);
  // a share of the whole, which a slow machine makes longer too
  expect(longest).toBeLessThan((ended - began) / 4);
  expect(fs.readdirSync(ground.path(PARTIAL_FOLDER))).toEqual([]);
}, 30_000);

test("a planted link for the folder is not swept through", async () => {
  using ground = new Playground();
  fs.symlinkSync(ground.outside, ground.path(PARTIAL_FOLDER));
  expect(await sweepPartials(ground.root(), Date.now() + 2 * PARTIAL_TTL_MS)).toBe(0);
  expect(fs.existsSync(ground.victim)).toBe(true);
});

test("partials beside a destination are swept by the next process, which finds a note of them", async () => {
  using ground = new Playground();
  fs.mkdirSync(ground.path("a", "b"), { recursive: true });
  const root = ground.root();
  const folder = root.openFolder(["a", "b"], { create: false });
  root.beside.remember(folder);
  openPartialFolder(folder).close();
  fs.writeFileSync(ground.path("a", "b", PARTIAL_FOLDER, "left"), "mine");
  folder.close();
  const next = ground.root();
  expect(await sweepPartials(next, Date.now() + PARTIAL_TTL_MS - 60_000)).toBe(0);
  expect(await sweepPartials(next, Date.now() + PARTIAL_TTL_MS + 60_000)).toBe(1);
  expect(fs.readdirSync(ground.path("a", "b"))).toEqual([]);
  next.close();
  expect(fs.existsSync(ground.path(PARTIAL_FOLDER))).toBe(false);
});

test("a note that leads outside sweeps nothing there", async () => {
  using ground = new Playground();
  fs.mkdirSync(ground.path(PARTIAL_FOLDER), { mode: 0o700 });
  fs.writeFileSync(ground.path(PARTIAL_FOLDER, "beside-x"), "../outside");
  fs.mkdirSync(`${ground.outside}/${PARTIAL_FOLDER}`);
  fs.writeFileSync(`${ground.outside}/${PARTIAL_FOLDER}/theirs`, "");
  await sweepPartials(ground.root(), Date.now() + 2 * PARTIAL_TTL_MS);
  expect(fs.existsSync(`${ground.outside}/${PARTIAL_FOLDER}/theirs`)).toBe(true);
});

test("what is kept is bounded: the oldest goes, one that is in use stays", async () => {
  using ground = new Playground();
  const root = ground.root();
  const create = (id: string): Incoming =>
    Incoming.create(root, [id], { ...PLAIN, length: RESUME_BYTES * 2, partialId: id });
  const used = create("in-use");
  const oldest = create("oldest");
  await oldest.write(new Uint8Array(RESUME_BYTES), 0);
  await oldest.keep();
  // the clock of the file system ticks every few ms
  const isLater = (): boolean => {
    fs.writeFileSync(ground.path("clock"), "");
    const { ctimeMs } = fs.statSync(ground.path(PARTIAL_FOLDER, "oldest"));
    return fs.statSync(ground.path("clock")).ctimeMs > ctimeMs;
  };
  await until(isLater, "a later time");
  for (let n = 0; n < MAX_PARTIALS - 1; n++) fs.writeFileSync(ground.path(PARTIAL_FOLDER, `${n}`), "");
  expect(fs.readdirSync(ground.path(PARTIAL_FOLDER))).toContain("oldest");
  const last = create("last");
  await last.write(new Uint8Array(RESUME_BYTES), 0);
  await last.keep();
  const left = fs.readdirSync(ground.path(PARTIAL_FOLDER));
  expect(left.includes("oldest")).toBe(false);
  expect(left).toContain("last");
  expect(left).toContain("in-use");
  expect(left.length).toBe(MAX_PARTIALS + 1);
  used.discard();
});
