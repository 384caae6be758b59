/** "Files": servers that are killed and come back, slow lines, and keys that fish for what others have. */
import { expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { codeAt, start } from "../helpers/child.ts";
import { pair, pairWithLine, plant } from "../helpers/pair.ts";
import { Relay } from "../helpers/relay.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { scriptedClient } from "../helpers/scripted.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { treeOf } from "../helpers/tree.ts";
import { until } from "../helpers/until.ts";

const MiB = 1024 * 1024;
const OLD = "the old file";

/** Of all partials in the folder. */
function partialBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(`${folder}/${name}`).size, 0);
}

for (const verb of ["put", "get"] as const) {
  test(`${verb}: kill -9 of the server: the old file intact, goes on after its start, in the same command`, async () => {
    await using base = await temporaryFolder();
    for (const name of ["root", "here", "state", "home"]) mkdirSync(base.join(name));
    const [from, to] =
      verb === "put" ? [base.join("here"), base.join("root")] : [base.join("root"), base.join("here")];
    plant(from, { "t/a": "a", "t/large": randomBytes(12 * MiB), "t/z": "z" });
    plant(to, { "t/large": OLD });
    const options = { args: [base.join("root")], home: base.join("state") };
    const first = await serve(options);
    const code = (
      await sock(["invite", "--direct", "--name", "ci"], { home: base.join("state") })
    ).stdout.trim();
    await using relay = await Relay.start(first.port);
    const direction = verb === "put" ? "up" : "down";
    relay.faults[direction].rate = 12 * MiB;
    const words = [verb, ...(verb === "put" ? ["t", ":t"] : [":t", "t"]), "--json", "--compress", "never"];
    await using child = await start(words, {
      cwd: base.join("here"),
      home: base.join("home"),
      env: { SOCK_JOIN: codeAt(code, relay.port) },
    });
    await until(() => relay.bytes[direction] > 6 * MiB, "half of it");
    await first.stop("SIGKILL");
    expect(readFileSync(`${to}/t/large`, "utf8")).toBe(OLD);
    const passed = relay.bytes[direction];
    // what was in sockets and memory died with it
    const had = verb === "put" ? partialBytes(base.join("root", ".sock-partial")) : passed - 2 * MiB;
    expect(had).toBeGreaterThan(MiB);
    relay.faults[direction].rate = Infinity;
    // on the same port, as a service manager does it
    await using _second = await serve({ ...options, listen: [`127.0.0.1:${first.port}`] });
    expect([await child.ended(), resultOf(child.stdout())]).toMatchObject([0, { failed: 0 }]);
    expect(treeOf(`${to}/t`)).toEqual(treeOf(`${from}/t`));
    expect(relay.bytes[direction] - passed).toBeLessThan(12 * MiB - 0.9 * had + 2 * MiB);
    await first[Symbol.asyncDispose]();
  }, 30_000);

  test(`${verb} of 500 small files and a large one over 300 ms there and back: no round trip a file`, async () => {
    await using line = await pairWithLine();
    const from = verb === "put" ? line.here : line.root;
    const to = verb === "put" ? line.root : line.here;
    const files = Array.from({ length: 500 }, (_, n) => [`d${n % 7}/f${n}`, `file ${n}`]);
    plant(from("t"), { ...Object.fromEntries(files), large: randomBytes(3 * MiB) });
    for (const faults of Object.values(line.relay.faults)) faults.delayMs = 150;
    const began = performance.now();
    const ran = await line.run(verb, ...(verb === "put" ? ["t", ":t"] : [":t", "t"]), "--json");
    expect(resultOf(ran.stdout)).toMatchObject({ status: 0, files: 501 });
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(treeOf(to("t"))).toEqual(treeOf(from("t")));
  }, 20_000);
}

test("a write-only key that fishes for digests of others' files learns nothing; its twin with get may", async () => {
  await using ends = await pair();
  const secret = randomBytes(2 * MiB);
  plant(ends.root(), { large: secret, small: "the secret number is 7" });
  const home = ends.base("state");
  const codes: Record<string, string> = {};
  for (const [name, allow] of [
    ["blind", "put"],
    ["sees", "put,get"],
  ] as const) {
    const invited = await sock(["invite", "--direct", "--name", name, "--allow", allow], { home });
    codes[name] = invited.stdout.trim();
  }
  const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  const base = { type: "entry", kind: "file", mtime: 1_000_000, mode: 0o644 } as const;
  for (const [name, sees] of [
    ["blind", false],
    ["sees", true],
  ] as const) {
    for (const checksum of [false, true]) {
      using client = await scriptedClient(codes[name] ?? "");
      client.send({ type: "put", to: "", digest: "sha256", on_exists: "replace", checksum, dry: true });
      expect((await client.next())?.type).toBe("ready");
      client.send({ ...base, entry: 0, path: "large", length: secret.length, offer: true });
      const large = await client.next();
      const guess = Buffer.from("the secret number is 7");
      const wrong = Buffer.from("the secret number is 8");
      const answers: unknown[] = [];
      for (const [entry, bytes] of [guess, wrong].entries()) {
        client.send({
          ...base,
          entry: entry + 1,
          path: "small",
          length: bytes.length,
          offer: true,
          digest: digest(bytes),
        });
        const answer = { ...(await client.next()) };
        delete answer["entry"];
        delete answer["message"];
        answers.push(answer);
        break;
      }
      using other = await scriptedClient(codes[name] ?? "");
      other.send({ type: "put", to: "", digest: "sha256", on_exists: "replace", checksum, dry: true });
      await other.next();
      other.send({
        ...base,
        entry: 1,
        path: "small",
        length: wrong.length,
        offer: true,
        digest: digest(wrong),
      });
      const second = { ...(await other.next()) };
      delete second["entry"];
      delete second["message"];
      answers.push(second);
      const has = large?.["have"] ?? 0;
      expect({ name, checksum, has: has !== 0 }).toEqual({ name, checksum, has: sees });
      // a right guess and a wrong one get the same answer, or not
      expect({ name, checksum, told: !Bun.deepEquals(answers[0], answers[1]) }).toEqual({
        name,
        checksum,
        told: sees,
      });
    }
  }
  // proofs that nobody asked for are of no use either
  using client = await scriptedClient(codes["blind"] ?? "");
  client.send({ type: "put", to: "", digest: "sha256", on_exists: "replace" });
  client.send({ ...base, entry: 0, path: "large", length: secret.length, resume: secret.length });
  const proofs = Buffer.alloc(16);
  for (const index of [0, 1]) {
    proofs.writeBigUInt64BE(Bun.hash.xxHash3(secret.subarray(index * MiB, (index + 1) * MiB), 0n), index * 8);
  }
  client.send({ type: "proof", entry: 0 }, proofs);
  const answers = await client.until("from", "stop", "error");
  expect(answers.at(-1)).toMatchObject({ type: "from", at: 0 });
  client[Symbol.dispose]();
  expect(readFileSync(ends.root("large")).equals(secret)).toBe(true);
});

test("a declared petabyte, offered or sent, in a tree: refused up front, nothing allocated; the next one arrives", async () => {
  await using ends = await pair();
  for (const length of [1e15, Number.MAX_SAFE_INTEGER]) {
    using client = await scriptedClient(ends.server.join);
    client.send({ type: "put", to: "t/", digest: "sha256", on_exists: "replace" });
    const entry = { type: "entry", kind: "file", mtime: null, mode: null } as const;
    client.send({ ...entry, entry: 0, path: "huge", length, offer: true });
    const first = (await client.until("want", "stop")).at(-1);
    if (first?.type === "want") {
      client.send({ ...entry, entry: 0, path: "huge", length });
      expect((await client.until("stop", "done")).at(-1)).toMatchObject({ type: "stop", code: "no-space" });
    } else expect(first).toMatchObject({ code: "no-space" });
    client.send({ ...entry, entry: 1, path: "fits", length: 0 });
    client.send({ type: "end", entry: 1, bytes: 0, digest: createHash("sha256").digest("hex") });
    client.send({ type: "finish" });
    expect((await client.until("result")).at(-1)).toMatchObject({ files: 1, failed: 1 });
  }
  const partials = ends.root(".sock-partial");
  expect(existsSync(partials) ? readdirSync(partials) : []).toEqual([]);
  expect(statSync(ends.root("t", "fits")).size).toBe(0);
});
