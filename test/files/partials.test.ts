import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { Incoming } from "../../src/files/incoming.ts";
import { sweepPartials } from "../../src/files/partials.ts";
import { PARTIAL_FOLDER, PARTIAL_TTL_MS } from "../../src/protocol/constants.ts";
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
  expect(await sweepPartials(root, Date.now() + PARTIAL_TTL_MS + 60_000)).toBe(1);
  expect(fs.readdirSync(ground.path(PARTIAL_FOLDER))).toEqual([]);
  expect(await outcome(() => incoming.publish({ bytes: 4 }))).toBe("not-found");
  expect((await put(root, ["x"], "again")).action).toBe("new");
});

test("10,000 abandoned partials are swept while the event loop goes on", async () => {
  using ground = new Playground();
  const root = ground.root();
  fs.mkdirSync(ground.path(PARTIAL_FOLDER));
  for (let n = 0; n < 10_000; n++) fs.writeFileSync(ground.path(PARTIAL_FOLDER, `${n}`), "");
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  expect(await sweepPartials(root, Date.now() + 2 * PARTIAL_TTL_MS)).toBe(10_000);
  clearInterval(timer);
  expect(longest).toBeLessThan(50);
  expect(fs.readdirSync(ground.path(PARTIAL_FOLDER))).toEqual([]);
});

test("a planted link for the folder is not swept through", async () => {
  using ground = new Playground();
  fs.symlinkSync(ground.outside, ground.path(PARTIAL_FOLDER));
  expect(await sweepPartials(ground.root(), Date.now() + 2 * PARTIAL_TTL_MS)).toBe(0);
  expect(fs.existsSync(ground.victim)).toBe(true);
});
