/** "Files": what a transfer leaves when it breaks, and what the next one makes of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Pair, pairWithLine, plant } from "../helpers/pair.ts";
import type { Relay } from "../helpers/relay.ts";
import { resultOf } from "../helpers/run.ts";
import { until } from "../helpers/until.ts";

const MiB = 1024 * 1024;
const SIZE = 5 * MiB + 123;
const OLD = "the old file";
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const BYTES = randomBytes(SIZE);

let line: Pair & { relay: Relay };
beforeAll(async () => {
  line = await pairWithLine();
  // a reset would take bytes with it that have arrived
  for (const faults of Object.values(line.relay.faults)) faults.cut = "end";
});
afterAll(() => line[Symbol.asyncDispose]());

const words = (verb: string): string[] => (verb === "put" ? ["put", "src", ":dst"] : ["get", ":src", "dst"]);
const sides = (verb: string): { from: string; to: string; direction: "up" | "down" } =>
  verb === "put"
    ? { from: line.here(), to: line.root(), direction: "up" }
    : { from: line.root(), to: line.here(), direction: "down" };

/** Transfers that the server has said to be cut. */
const cuts = (): number => line.server.stdout().match(/"(cut|lost)"/g)?.length ?? 0;

/** Breaks a transfer in the middle, so that there is a partial; its path. */
async function broken(verb: string): Promise<string> {
  const { from, to, direction } = sides(verb);
  rmSync(join(to, ".sock-partial"), { recursive: true, force: true });
  plant(from, { src: BYTES });
  utimesSync(join(from, "src"), 1_700_000_000, 1_700_000_000);
  plant(to, { dst: OLD });
  const before = cuts();
  line.relay.faults[direction].cutAfter = 3 * MiB;
  const ran = await line.run(...words(verb), "--retry", "0s", "--compress", "never");
  line.relay.faults[direction].cutAfter = Infinity;
  expect([verb, ran.status]).toEqual([verb, 6]);
  expect(readFileSync(join(to, "dst"), "utf8")).toBe(OLD);
  // the server has written what came, and lets it go
  if (verb === "put") await until(() => cuts() > before, "the server's word");
  const folder = join(to, ".sock-partial");
  const name = await until(() => existsSync(folder) && readdirSync(folder)[0], "the partial");
  return join(folder, name);
}

/** Runs it again over a line that counts; what passed, in bytes. */
async function again(verb: string): Promise<number> {
  const { to, direction } = sides(verb);
  const before = line.relay.bytes[direction];
  const ran = await line.run(...words(verb), "--json", "--compress", "never");
  expect([verb, resultOf(ran.stdout)]).toMatchObject([verb, { status: 0, files: 1, bytes: SIZE }]);
  expect(existsSync(join(to, ".sock-partial")) ? readdirSync(join(to, ".sock-partial")) : []).toEqual([]);
  return line.relay.bytes[direction] - before;
}

/** Besides the file's own bytes: the handshake, headers, proofs. */
const OVERHEAD = 64 * 1024;
const changed = (at: number): Buffer => {
  const bytes = Buffer.from(BYTES);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
};
/** What the partial holds, and how many bytes at most are sent then. */
const PARTIALS: [what: string, bytes: Buffer, sent: number][] = [
  ["0 bytes", Buffer.alloc(0), SIZE],
  ["1 byte", BYTES.subarray(0, 1), SIZE],
  ["2 MiB", BYTES.subarray(0, 2 * MiB), SIZE - 2 * MiB],
  ["size-1 bytes", BYTES.subarray(0, SIZE - 1), MiB],
  ["size bytes", BYTES, MiB],
  ["size+1 bytes", Buffer.concat([BYTES, Buffer.from("x")]), MiB],
  ["one wrong byte at its begin", changed(0), SIZE],
  ["one wrong byte in the third block", changed(2 * MiB + 5), SIZE - 2 * MiB],
  ["one wrong byte at its end", changed(SIZE - 1), MiB],
  ["other bytes altogether", randomBytes(SIZE), SIZE],
];

for (const verb of ["put", "get"]) {
  describe(`${verb}: right each time, with a partial of`, () => {
    // the rules are the same ones at both ends
    for (const [what, bytes, most] of PARTIALS.filter((_, index) => verb === "put" || index % 2 === 1)) {
      test(what, async () => {
        const partial = await broken(verb);
        writeFileSync(partial, bytes);
        const sent = await again(verb);
        expect(sha256(readFileSync(join(sides(verb).to, "dst")))).toBe(sha256(BYTES));
        expect(sent).toBeLessThan(most + OVERHEAD);
        // bytes that were proved are not sent, the others are
        if (most === SIZE) expect(sent).toBeGreaterThan(SIZE - MiB);
      });
    }

    test("a source that changed meanwhile: of the same size, shorter, longer", async () => {
      for (const now of [
        Buffer.concat([BYTES.subarray(0, MiB), randomBytes(SIZE - MiB)]),
        BYTES.subarray(0, 2 * MiB),
        Buffer.concat([BYTES, randomBytes(MiB)]),
      ]) {
        await broken(verb);
        const { from, to } = sides(verb);
        writeFileSync(join(from, "src"), now);
        expect(await line.run(...words(verb))).toMatchObject({ status: 0 });
        expect(sha256(readFileSync(join(to, "dst")))).toBe(sha256(now));
      }
    });

    test("a hard link, a symlink or a FIFO planted for the partial: not written through", async () => {
      const { to } = sides(verb);
      for (const plan of ["link", "symlink", "fifo"]) {
        const partial = await broken(verb);
        rmSync(partial);
        plant(to, { theirs: "theirs" });
        const command = { link: ["ln"], symlink: ["ln", "-s"], fifo: ["mkfifo"] }[plan] ?? [];
        const operands = plan === "fifo" ? [partial] : [join(to, "theirs"), partial];
        expect(Bun.spawnSync([...command, ...operands]).success).toBe(true);
        const ran = await line.run(...words(verb), "--json");
        // only who owns the folder can do that: it is refused, or passed by
        const said = { plan, status: ran.status, dst: sha256(readFileSync(join(to, "dst"))) };
        expect(said).toBeOneOf([
          { plan, status: 0, dst: sha256(BYTES) },
          { plan: "symlink", status: 4, dst: sha256(Buffer.from(OLD)) },
        ]);
        expect(readFileSync(join(to, "theirs"), "utf8")).toBe("theirs");
        rmSync(partial, { force: true });
      }
    });
  });
}

test("what is kept is nobody else's to read: 0600 in 0700, no ls, no get, no put by its name", async () => {
  const partial = await broken("put");
  const { mode } = await Bun.file(partial).stat();
  expect(mode & 0o777).toBe(0o600);
  const name = partial.split("/").at(-1) ?? "";
  expect((await line.run("ls", "-R", ":")).stdout).not.toContain("partial");
  expect(await line.run("get", `:.sock-partial/${name}`, "-")).toMatchObject({ status: 4, stdout: "" });
  expect(await line.run("put", "src", `:.sock-partial/${name}`)).toMatchObject({ status: 4 });
  expect(await line.run("get", ":", "everything/")).toMatchObject({ status: 0 });
  expect(existsSync(line.here("everything", ".sock-partial"))).toBe(false);
  truncateSync(partial, 0);
});

test("in a tree: the large file that broke goes on, and what was done is not sent again", async () => {
  for (const verb of ["put", "get"]) {
    const { from, to, direction } = sides(verb);
    plant(from, { "tree/a": "a", "tree/m": BYTES, "tree/z": "z" });
    const tree = verb === "put" ? ["put", "tree", ":copy"] : ["get", ":tree", "copy"];
    const told = cuts();
    // closed, not reset: a reset takes from the receiver what it has not read yet
    Object.assign(line.relay.faults[direction], { cutAfter: 3 * MiB, cut: "end" });
    expect(await line.run(...tree, "--retry", "0s", "--compress", "never")).toMatchObject({ status: 6 });
    Object.assign(line.relay.faults[direction], { cutAfter: Infinity, cut: "reset" });
    if (verb === "put") await until(() => cuts() > told, "the server's word");
    const before = line.relay.bytes[direction];
    const ran = await line.run(...tree, "--json", "--compress", "never");
    expect([verb, resultOf(ran.stdout)]).toMatchObject([verb, { status: 0 }]);
    expect(line.relay.bytes[direction] - before).toBeLessThan(SIZE - 2 * MiB);
    expect(sha256(readFileSync(join(to, "copy", "m")))).toBe(sha256(BYTES));
    expect(readFileSync(join(to, "copy", "a"), "utf8") + readFileSync(join(to, "copy", "z"), "utf8")).toBe(
      "az",
    );
  }
});
