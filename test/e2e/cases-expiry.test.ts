/** "Load": 10,000 abandoned partial files. That they expire by age is in test/files/sweep.test.ts: no test can wait a day. */
import { expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { MAX_PARTIALS } from "../../src/protocol/constants.ts";
import { codeAt } from "../helpers/child.ts";
import { plant } from "../helpers/pair.ts";
import { Relay } from "../helpers/relay.ts";
import { sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const MiB = 1024 * 1024;
const SIZE = 6 * MiB;

test("10,000 abandoned partial files: all but the newest go, others are served meanwhile, and a later resume starts cleanly", async () => {
  await using base = await temporaryFolder();
  for (const name of ["root", "state", "home"]) mkdirSync(base.join(name));
  const bytes = randomBytes(SIZE);
  plant(base.path, { src: bytes, "root/x": "x" });
  const partials = base.join("root", ".sock-partial");
  const listed = (): string[] => (existsSync(partials) ? readdirSync(partials) : []);
  let code = "";
  {
    await using server = await serve({ args: [base.join("root")], home: base.join("state") });
    code = (await sock(["invite", "--direct", "--name", "ci"], { home: base.join("state") })).stdout.trim();
    mkdirSync(partials, { mode: 0o700, recursive: true });
    for (let n = 0; n < 10_000; n++)
      writeFileSync(`${partials}/${n.toString(16).padStart(40, "0")}`, "abandoned");
    await using relay = await Relay.start(server.port);
    relay.faults.up.cutAfter = 4 * MiB;
    relay.faults.up.cut = "end";
    const env = { SOCK_JOIN: codeAt(code, relay.port) };
    const words = ["put", base.join("src"), ":dst", "--retry", "0s", "--compress", "never"];
    expect(await sock(words, { env })).toMatchObject({ status: 6 });
    await until(() => listed().some((name) => !name.startsWith("000000")), "the partial of this one");
  }
  await using server = await serve({ args: [base.join("root")], home: base.join("state") });
  const env = { SOCK_JOIN: codeAt(code, server.port) };
  expect(await sock(["get", ":x", "-"], { env })).toMatchObject({ status: 0, stdout: "x" });
  await until(() => listed().length <= MAX_PARTIALS, "the oldest to be gone");
  await using relay = await Relay.start(server.port);
  const resumed = { env: { SOCK_JOIN: codeAt(code, relay.port) } };
  expect(await sock(["put", base.join("src"), ":dst", "--compress", "never"], resumed)).toMatchObject({
    status: 0,
  });
  expect(relay.bytes.up).toBeLessThan(SIZE - 2 * MiB);
  const sha256 = (what: Uint8Array): string => createHash("sha256").update(what).digest("hex");
  expect(sha256(readFileSync(base.join("root", "dst")))).toBe(sha256(bytes));
  expect(listed().every((name) => name.startsWith("000000"))).toBe(true);
}, 30_000);
