/** Each exit status, provoked by a run of the program; the table of codes is in cli.test.ts. */
import { expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { codeAt, otherServer, start } from "../helpers/child.ts";
import { childEnv, resultOf, SOCK, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

test("the table, with --json and without, says the same on every way out", async () => {
  await using root = await temporaryFolder();
  await using home = await temporaryFolder();
  await writeFile(home.join("file"), "x");
  await writeFile(root.join("there"), "x");
  await mkdir(root.join("folder", "file"), { recursive: true });
  await using server = await serve({ args: [root.path] });
  const env = { SOCK_JOIN: server.join };
  const CASES: [status: number, code: string | undefined, args: string[], env?: Record<string, string>][] = [
    [0, undefined, ["echo", "--count", "5"]],
    [0, undefined, ["put", "file", ":new"]],
    [1, "is-folder", ["put", "file", ":folder"]],
    [1, "not-file", ["put", "/dev/null", ":x"]],
    [2, "usage", ["put", "file"]],
    [2, "usage", ["echo", "--count", "many"]],
    [2, "usage", ["put", "file", ":/x"]],
    [3, "threshold", ["echo", "--count", "5", "--max-rtt", "0.001ms"]],
    [4, "outside", ["put", "file", ":../x"]],
    [4, "no-code", ["echo"], { SOCK_JOIN: "" }],
    [5, "wrong-server", ["echo"], { SOCK_JOIN: otherServer(server.join) }],
    [6, "refused", ["echo"], { SOCK_JOIN: codeAt(server.join, 1) }],
    [6, "timeout", ["echo", "--count", "100000000", "--timeout", "200ms"]],
    [7, "not-found", ["get", ":nothing", "x"]],
    [7, "not-found", ["put", "nothing", ":x"]],
    [7, "not-found", ["echo", "nobody", "hi"]],
    [10, "some-failed", ["put", "file", "nothing", ":into/"]],
    [12, "exists", ["put", "file", ":there", "--on-exists", "refuse"]],
  ];
  for (const [status, code, args, own] of CASES) {
    const options = { home: home.path, env: own ?? env };
    const json = await sock([...args, "--json"], options);
    const result = resultOf(json.stdout);
    // the verdict of thresholds is a finding, and no error with a code
    const said = status === 3 ? "threshold" : result["code"];
    expect([args, json.status, result["status"], said]).toEqual([args, status, status, code]);
    const plain = await sock(args, options);
    expect([args, plain.status]).toEqual([args, status]);
    if (status !== 0 && status !== 3) expect(plain.stderr).toMatch(/^sock: [^A-Z].*[^.\n]$/m);
  }
}, 20_000);

test("8: nothing more fits where it goes", async () => {
  await using root = await temporaryFolder();
  await writeFile(root.join("f"), "x");
  await using server = await serve({ args: [root.path] });
  await using home = await temporaryFolder();
  const child = Bun.spawn(["sh", "-c", '"$@" >/dev/full', "sh", SOCK, "get", ":f", "-"], {
    env: childEnv(home.path, { SOCK_JOIN: server.join }),
    stderr: "pipe",
  });
  expect(await child.stderr.text()).toMatch(/^sock: .*ENOSPC/);
  expect(await child.exited).toBe(8);
});

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`${status}: ${signal}, while it connects, waits, measures, reads`, async () => {
    await using server = await serve();
    const env = { SOCK_JOIN: server.join };
    const nobody = { SOCK_JOIN: codeAt(server.join, 1) };
    await using measuring = await start(["echo", "--count", "1000000000", "--json"], { env });
    await using typing = await start(["echo", "-i", "--json"], { env, pipe: true });
    await using waiting = await start(["echo", "--ready", "1m", "--json"], { env: nobody });
    await using asking = await start(["join", "--json"], { pipe: true });
    // whoever answers later than these is past its start too
    if (typeof typing.process.stdin === "object") void typing.process.stdin.write("x\n");
    await until(() => typing.stdout().includes('"echo"'), "a session");
    await sock(["echo", "--count", "1000"], { env });
    for (const child of [measuring, typing, waiting, asking]) {
      child.process.kill(signal);
      expect(await child.ended()).toBe(status);
      expect(resultOf(child.stdout())).toMatchObject({ status });
    }
  });
}
