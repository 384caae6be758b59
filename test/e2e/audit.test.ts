import { expect, test } from "bun:test";
import { readFile, stat, writeFile } from "node:fs/promises";
import { events, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

test("--audit has a line for each request of any verb: who, what, when, how it ended, bytes; for its owner only", async () => {
  await using folder = await temporaryFolder();
  const file = folder.join("audit");
  const asRoot = process.geteuid?.() === 0 ? ["--allow-root"] : [];
  await using server = await serve({ args: ["--shell", ...asRoot, "--audit", file] });
  await writeFile(folder.join("f"), "four");
  const env = { SOCK_JOIN_WEB: server.join };
  const lines = async () => events(await readFile(file, "utf8"));
  for (const args of [
    ["put", folder.join("f"), "web:f"],
    ["get", "web:f", "-"],
    ["get", "web:missing", "-"],
    ["echo", "web", "hi"],
    ["ls", "web:"],
    ["shell", "web", "-n", "--", "true"],
  ]) {
    await sock(args, { env });
  }
  await until(async () => (await lines()).length >= 6, "six lines");
  expect(await lines()).toMatchObject([
    { type: "request", verb: "put", who: expect.any(String), what: "f", bytes: 4, outcome: "new" },
    { type: "request", verb: "get", what: "f", bytes: 4, outcome: "ok" },
    { type: "request", verb: "get", what: "missing", outcome: "not-found" },
    { type: "request", verb: "echo", bytes: 2, outcome: "ok" },
    { type: "request", verb: "ls" },
    { type: "request", verb: "exec", what: "true", outcome: "status 0" },
  ]);
  for (const line of await lines()) {
    expect(new Date(String(line["time"])).getTime()).toBeWithin(Date.now() - 60_000, Date.now() + 1);
    expect(line["address"]).toBe("127.0.0.1");
  }
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test("an audit file that can't be written is said before anything is served", async () => {
  await using folder = await temporaryFolder();
  const ran = await sock([
    "serve",
    folder.path,
    "--listen",
    "127.0.0.1:0",
    "--audit",
    folder.join("no", "audit"),
  ]);
  expect(ran).toMatchObject({ status: 1, stderr: expect.stringContaining("cannot write") });
});
