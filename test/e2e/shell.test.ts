import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { resultOf, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { shell, shellServer } from "../helpers/shell.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

describe("the status is the command's own", () => {
  test("0, 1, 127, 255", async () => {
    await using server = await shellServer();
    for (const status of [0, 1, 127, 255]) {
      const ran = await shell(server, ["-n", "-c", `exit ${status}`]);
      expect(ran).toEqual({ stdout: "", stderr: "", status, signal: null });
      const told = await shell(server, ["-n", "--json", "-c", `exit ${status}`]);
      expect(told.status).toBe(status);
      expect(resultOf(told.stdout)).toMatchObject({ status, remote_status: status, signal: null });
      expect(resultOf(told.stdout)).not.toHaveProperty("code");
    }
  });

  test("signals 1, 2, 9, 11, 13, 15 are told apart from statuses: 128 + n, and the name", async () => {
    await using server = await shellServer();
    const SIGNALS = { HUP: 1, INT: 2, KILL: 9, SEGV: 11, PIPE: 13, TERM: 15 };
    for (const [name, number] of Object.entries(SIGNALS)) {
      // a shell itself passes over some of them
      const line = `exec perl -e '$SIG{${name}} = "DEFAULT"; kill ${name} => $$; sleep 9' || kill -${name} $$`;
      const ran = await shell(server, ["-n", "--json", "-c", line]);
      expect([name, ran.status]).toEqual([name, 128 + number]);
      expect(resultOf(ran.stdout)).toMatchObject({ remote_status: null, signal: `SIG${name}` });
      const twin = await shell(server, ["-n", "--json", "-c", `exit ${128 + number}`]);
      expect(resultOf(twin.stdout)).toMatchObject({ remote_status: 128 + number, signal: null });
      expect(twin.status).toBe(128 + number);
    }
  });
});

describe("what could not be run is 255, with the reason", () => {
  const CASES: [string, string[], string][] = [
    ["not found", ["-n", "--", "no-such-command-here"], "not-found"],
    ["not found by its path", ["-n", "--", "/no/such/command"], "not-found"],
    ["no such cwd", ["-n", "--cwd", "/no/such/folder", "--", "true"], "not-found"],
    ["cwd is a file", ["-n", "--cwd", "/etc/passwd", "--", "true"], "not-folder"],
    ["a folder", ["-n", "--", "/etc"], "permission"],
    ["an empty name", ["-n", "--", ""], "usage"],
    ["no command", ["-n", "--"], "usage"],
    ["a shell that is not known", ["-n", "--with", "zsh", "-c", "true"], "usage"],
    ["a line and words", ["-n", "-c", "true", "--", "true"], "usage"],
    ["a variable without a value", ["-n", "--env", "FOO", "--", "true"], "usage"],
    ["a flag that is not known", ["-n", "--nonsense", "--", "true"], "usage"],
    ["no terminal", [], "usage"],
  ];
  for (const [what, args, code] of CASES) {
    test(what, async () => {
      await using server = await shellServer();
      const told = await shell(server, ["--json", ...args]);
      expect([told.status, resultOf(told.stdout)]).toMatchObject([255, { code }]);
      const ran = await shell(server, args);
      expect(ran.status).toBe(255);
      expect(ran.stdout).toBe("");
      expect(ran.stderr).toStartWith("sock: ");
      // and the session is good for the next one
      expect((await shell(server, ["-n", "--", "echo", "hi"])).stdout).toBe("hi\n");
    });
  }

  test("not executable; twin: the same file with its x, also without a #! line's program", async () => {
    await using server = await shellServer();
    await using folder = await temporaryFolder();
    const script = folder.join("script");
    writeFileSync(script, '#!/bin/sh\necho ran "$1"\n', { mode: 0o644 });
    const told = await shell(server, ["-n", "--json", "--", script, "x"]);
    expect([told.status, resultOf(told.stdout)]).toMatchObject([255, { code: "permission" }]);
    chmodSync(script, 0o755);
    expect((await shell(server, ["-n", "--", script, "x"])).stdout).toBe("ran x\n");
    writeFileSync(script, "#!/no/such/interpreter\n");
    const lost = await shell(server, ["-n", "--json", "--", script]);
    expect([lost.status, resultOf(lost.stdout)]).toMatchObject([255, { code: "not-found" }]);
  });

  test("a hint where the whole command was one word, as ssh would take it", async () => {
    await using server = await shellServer();
    const ran = await shell(server, ["-n", "--", "echo hello | wc -l"]);
    expect(ran.status).toBe(255);
    expect(ran.stderr).toContain("-c 'echo hello | wc -l'");
    const several = await shell(server, ["-n", "--", "lss", "a b", "plain"]);
    expect(several.stderr).toContain(String.raw`-c 'lss '\''a b'\'' plain'`);
  });

  test("no server there, and a wrong key", async () => {
    await using server = await shellServer();
    const join = (
      await sock(["invite", "--direct", "--name", "ci", "--allow", "shell"], { home: server.home })
    ).stdout;
    expect((await shell({ join }, ["-n", "--", "true"])).status).toBe(0);
    await sock(["revoke", "ci"], { home: server.home });
    const revoked = await until(async () => {
      const ran = await shell({ join }, ["-n", "--json", "--", "true"]);
      return ran.status !== 0 && ran;
    });
    expect([revoked.status, resultOf(revoked.stdout)]).toMatchObject([255, { code: "revoked" }]);
    await server.stop();
    const gone = await shell(server, ["-n", "--json", "--", "true"]);
    expect([gone.status, resultOf(gone.stdout)]).toMatchObject([255, { code: "refused" }]);
  });
});

describe("who may", () => {
  test("without serve --shell nobody; with it a key that has it, and no other", async () => {
    await using closed = await serve();
    const join = (await sock(["invite", "--direct", "--allow", "shell,exec"], { home: closed.home })).stdout;
    for (const args of [["-n", "--", "true"], ["-n", "-c", "true"], ["--list"]]) {
      const ran = await shell({ join }, ["--json", ...args]);
      expect([args, ran.status]).toEqual([args, 255]);
      expect(resultOf(ran.stdout)).toMatchObject({
        code: "policy",
        message: expect.stringContaining("this server runs no programs"),
        hint: "sock serve --shell there",
      });
    }
    await using server = await shellServer();
    const files = (await sock(["invite", "--direct", "--allow", "put,get,ls"], { home: server.home })).stdout;
    const refused = await shell({ join: files }, ["-n", "--json", "--", "true"]);
    expect([refused.status, resultOf(refused.stdout)]).toMatchObject([255, { code: "capability" }]);
    expect((await shell(server, ["-n", "--", "true"])).status).toBe(0);
  });

  test.skipIf(process.geteuid?.() !== 0)("as root only with --allow-root", async () => {
    const ran = await sock(["serve", "--shell", "--json", "--listen", "127.0.0.1:0"]);
    expect([ran.status, resultOf(ran.stdout)]).toMatchObject([4, { code: "policy" }]);
    await using server = await shellServer();
    expect((await shell(server, ["-n", "--", "id", "-u"])).stdout).toBe("0\n");
  });
});

test("it runs in the home of the user who serves, or where --cwd says", async () => {
  await using server = await shellServer();
  mkdirSync(`${server.home}/sub folder`);
  const at = async (...args: string[]) => (await shell(server, ["-n", ...args, "--", "pwd"])).stdout.trim();
  expect(await at()).toBe(server.home);
  expect(await at("--cwd", "sub folder")).toBe(`${server.home}/sub folder`);
  expect(await at("--cwd", "/")).toBe("/");
});

test("the owner sees each command, escaped, and how it ended", async () => {
  await using server = await shellServer();
  await shell(server, ["-n", "--", "sh", "-c", "exit 7 # \u001b[2J"]);
  await until(() => server.stdout().includes('"outcome":"status 7"'), "the owner's line");
  expect(server.stdout()).not.toContain("\u001b");
});
