import { copyFileSync, symlinkSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { resultOf, sock } from "../helpers/run.ts";
import type { Serving } from "../helpers/serve.ts";
import { shell, shellServer } from "../helpers/shell.ts";
import { scriptedClient } from "../helpers/scripted.ts";

const ECHO = ["/bin/echo", "a b", "$HOME"];

/** A direct code that may run only these. */
async function keyFor(server: Serving, ...commands: string[][]): Promise<string> {
  const allow = commands.map((words) => `exec:${JSON.stringify(words)}`).flatMap((each) => ["--allow", each]);
  const ran = await sock(["invite", "--direct", "--name", "ci", ...allow], { home: server.home });
  if (ran.status !== 0) throw new Error(ran.stderr);
  return ran.stdout.trim();
}

async function codeOf(join: string, ...args: string[]): Promise<unknown> {
  const ran = await shell({ join }, ["-n", "--json", ...args]);
  if (ran.status !== 255) return ran.status;
  return resultOf(ran.stdout)["code"];
}

describe("a key for listed commands", () => {
  test("runs one of them, word for word, with stdin", async () => {
    await using server = await shellServer();
    const join = await keyFor(server, ECHO, ["/bin/cat"]);
    expect((await shell({ join }, ["-n", "--", ...ECHO])).stdout).toBe("a b $HOME\n");
    expect((await shell({ join }, ["--", "/bin/cat"], { stdin: "in" })).stdout).toBe("in");
  });

  const OTHERS: [string, string[]][] = [
    ["another program", ["--", "/bin/ls"]],
    ["more words", ["--", ...ECHO, "x"]],
    ["fewer words", ["--", "/bin/echo"]],
    ["other words", ["--", "/bin/echo", "a", "b", "$HOME"]],
    ["the same program by its bare name", ["--", "echo", "a b", "$HOME"]],
    ["the same program by another path", ["--", "/bin/../bin/echo", "a b", "$HOME"]],
    ["a line for a shell", ["-c", "/bin/echo 'a b' '$HOME'"]],
    ["PATH", ["--env", "PATH=/tmp", "--", ...ECHO]],
    ["any variable", ["--env", "FOO=1", "--", ...ECHO]],
    ["another folder", ["--cwd", "/tmp", "--", ...ECHO]],
  ];
  for (const [what, args] of OTHERS) {
    test(`${what}: refused`, async () => {
      await using server = await shellServer();
      const join = await keyFor(server, ECHO);
      expect(["capability", "policy"]).toContain(String(await codeOf(join, ...args)));
      expect(await codeOf(join, "--", ...ECHO)).toBe(0);
    });
  }

  test("no terminal, and no list of them", async () => {
    await using server = await shellServer();
    const join = await keyFor(server, ECHO);
    expect(await codeOf(join, "--list")).toBe("capability");
    for (const request of [
      { type: "terminal", name: null, cols: 80, rows: 24, cwd: null, env: {} },
      { type: "attach", name: null, cols: 80, rows: 24 },
      { type: "terminals" },
    ]) {
      using peer = await scriptedClient(join);
      peer.send(request);
      expect(await peer.next()).toMatchObject({ type: "error", code: "capability" });
    }
  });

  test("a program that the key could overwrite is not run, by no path to it", async () => {
    await using server = await shellServer();
    const program = `${server.home}/drop/program`;
    const link = `${server.home}/link`;
    copyFileSync("/bin/echo", program);
    symlinkSync(program, link);
    const join = await keyFor(server, [program], [link], ["/bin/echo"]);
    expect(await codeOf(join, "--", program)).toBe("policy");
    expect(await codeOf(join, "--", link)).toBe("policy");
    expect(await codeOf(join, "--", "/bin/echo")).toBe(0);
  });

  test("its environment and folder are the server's", async () => {
    await using server = await shellServer();
    const join = await keyFor(server, ["/usr/bin/env"], ["/bin/pwd"]);
    const ran = await shell({ join }, ["-n", "--", "/usr/bin/env"], { env: { LANG: "xx", LC_TIME: "yy" } });
    expect(ran.stdout).not.toMatch(/LANG=xx|LC_TIME=yy|SOCK_/);
    expect((await shell({ join }, ["-n", "--", "/bin/pwd"])).stdout).toBe(`${server.home}\n`);
  });
});
