import { expect, test } from "bun:test";
import { events, resultOf } from "../helpers/run.ts";
import { childrenOf, openDescriptors, shell, shellServer, startShell, zombiesOf } from "../helpers/shell.ts";
import { scriptedClient } from "../helpers/scripted.ts";
import { until } from "../helpers/until.ts";

const encoder = new TextEncoder();

test("1,000 commands in a row leave no zombie and no descriptor", async () => {
  await using server = await shellServer();
  const { pid } = server.process;
  using peer = await scriptedClient(server.join);
  const run = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at++) {
      const words = encoder.encode(at % 3 === 0 ? "nonexistent\0" : "true\0");
      peer.send({
        type: "exec",
        bytes: words.length,
        cwd: null,
        env: {},
        stdin: at % 2 === 0,
        detach: false,
        max_output: null,
      });
      peer.send({ type: "words", size: words.length }, words);
      const answers = await peer.until("exit", "error");
      expect(answers.at(-1)?.type).toBe(at % 3 === 0 ? "error" : "exit");
      peer.send({ type: "finish" });
    }
  };
  await run(20);
  const before = openDescriptors(pid);
  await run(980);
  await until(() => zombiesOf(pid).length === 0 && childrenOf(pid).length === 0, "no child");
  expect(openDescriptors(pid)).toBeLessThanOrEqual(before + 3);
}, 60_000);

test("200 parallel commands on a server with 256 descriptors: each done or clearly refused, and then it recovers", async () => {
  await using server = await shellServer({ limit: "ulimit -n 256" });
  const { pid } = server.process;
  const before = openDescriptors(pid);
  const runs = await Promise.all(
    Array.from({ length: 200 }, () => shell(server, ["-n", "--json", "--", "sh", "-c", "echo hi; sleep 1"])),
  );
  const done = runs.filter(({ status }) => status === 0);
  expect(done.length).toBeGreaterThan(10);
  for (const { stdout } of done) expect(events(stdout)[0]).toMatchObject({ type: "output", text: "hi\n" });
  for (const ran of runs) {
    if (ran.status === 0) continue;
    expect(ran.status).toBe(255);
    expect(["busy", "silent", "lost", "refused"]).toContain(String(resultOf(ran.stdout)["code"]));
  }
  expect((await shell(server, ["-n", "--", "echo", "well"])).stdout).toBe("well\n");
  await until(() => openDescriptors(pid) <= before + 3 && childrenOf(pid).length === 0, "its descriptors");
}, 60_000);

test("200 parallel commands are all done where descriptors are not short", async () => {
  await using server = await shellServer();
  const runs = await Promise.all(
    Array.from({ length: 200 }, (_, index) => shell(server, ["-n", "--", "echo", String(index)])),
  );
  expect(runs.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 200 }, (_, index) => `${index}\n`));
}, 60_000);

test("a stopped reader of `yes` does not disturb the others", async () => {
  await using server = await shellServer();
  using peer = await scriptedClient(server.join);
  const words = encoder.encode("yes\0");
  peer.send({
    type: "exec",
    bytes: words.length,
    cwd: null,
    env: {},
    stdin: false,
    detach: false,
    max_output: null,
  });
  peer.send({ type: "words", size: words.length }, words);
  await peer.until("out");
  await using other = await startShell(server, ["-n", "--", "seq", "1", "300000"]);
  expect(await other.ended()).toBe(0);
  expect(other.stdout()).toEndWith("299999\n300000\n");
});
