import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { resultOf } from "../helpers/run.ts";
import { shell, shellServer, startShell } from "../helpers/shell.ts";
import { until } from "../helpers/until.ts";

/** Each by which a program would run another one's code, or ours would. */
const NEVER = [
  "LD_PRELOAD",
  "LD_LIBRARY_PATH",
  "DYLD_INSERT_LIBRARIES",
  "NODE_OPTIONS",
  "BUN_OPTIONS",
  "BUN_INSPECT",
  "SOCK_JOIN",
  "SOCK_HOME",
  "SOCK_ANYTHING",
  "BASH_ENV",
  "ENV",
  "IFS",
  "GCONV_PATH",
];

async function environmentThere(
  server: { readonly join: string },
  env: Record<string, string> = {},
  ...args: string[]
): Promise<Map<string, string>> {
  const ran = await shell(server, ["-n", ...args, "--", "env", "-0"], { env });
  expect(ran).toMatchObject({ stderr: "", status: 0 });
  return new Map(
    ran.stdout
      .split("\0")
      .slice(0, -1)
      .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
}

describe("never from the client to a child", () => {
  for (const name of NEVER) {
    test(`--env ${name}: refused; in the environment here: stays here`, async () => {
      await using server = await shellServer();
      const ran = await shell(server, ["-n", "--json", "--env", `${name}=/tmp/x`, "--", "true"]);
      expect([ran.status, resultOf(ran.stdout)]).toMatchObject([255, { code: "policy" }]);
      // the others would change the program here too, before it could leave them out
      const harmless = /^(BASH_ENV|ENV|IFS|GCONV_PATH|DYLD_INSERT_LIBRARIES|SOCK_ANYTHING)$/.test(name);
      const there = await environmentThere(server, harmless ? { [name]: "/tmp/x" } : {});
      expect(there.has(name)).toBe(false);
    });
  }

  test("nor the server's own secrets and its SOCK_, BUN_ and LD_ variables", async () => {
    const secret = { SECRET_TOKEN: "s3cret", SOCK_OWN: "1", NODE_OPTIONS: "--no-warnings", AWS_KEY: "k" };
    await using server = await shellServer({ env: secret });
    const there = await environmentThere(server);
    const names = [...there.keys()].filter((name) => /SECRET|SOCK|BUN|NODE|LD_|AWS|JOIN/.test(name));
    expect(names).toEqual([]);
    expect(there.get("HOME")).toBe(server.home);
    expect(there.get("PATH")).toBe(process.env["PATH"]);
  });
});

test("LANG and LC_* go along, and what --env says; nothing else", async () => {
  await using server = await shellServer();
  const own = { LANG: "de_DE.UTF-8", LC_TIME: "C", FOO: "1", TERM: "vt100", MYLC_X: "x" };
  const there = await environmentThere(server, own, "--env", "BAR=a=b c\n", "--env", "EMPTY=");
  expect(there.get("LANG")).toBe("de_DE.UTF-8");
  expect(there.get("LC_TIME")).toBe("C");
  expect(there.get("BAR")).toBe("a=b c\n");
  expect(there.get("EMPTY")).toBe("");
  for (const name of ["FOO", "MYLC_X", "TERM"]) expect([name, there.has(name)]).toEqual([name, false]);
});

test("the user's name, home and shell are there, whatever the server's environment lacks", async () => {
  await using server = await shellServer();
  const there = await environmentThere(server);
  const user = (await shell(server, ["-n", "--", "id", "-un"])).stdout.trim();
  expect(there.get("USER")).toBe(user);
  expect(there.get("LOGNAME")).toBe(user);
  const [, , , , , , login = ""] =
    readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((line) => line.startsWith(`${user}:`))
      ?.split(":") ?? [];
  expect(there.get("SHELL")).toBe(login);
});

test("many and long variables: 200, and 30,000 characters; more is refused and said", async () => {
  await using server = await shellServer();
  const many = (count: number): string[] =>
    Array.from({ length: count }, (_, index) => ["--env", `V${index}=${index}`]).flat();
  // LC_ALL of the helper is one of them
  expect((await environmentThere(server, {}, ...many(199))).get("V198")).toBe("198");
  const there = await environmentThere(server, {}, "--env", `LONG=${"x".repeat(30_000)}`);
  expect(there.get("LONG")?.length).toBe(30_000);
  const LONG = ["--env", `A=${"x".repeat(30_000)}`, "--env", `B=${"y".repeat(30_000)}`];
  for (const args of [
    many(201),
    ["--env", `LONG=${"x".repeat(40_000)}`],
    [...LONG, "--env", `C=${"z".repeat(9000)}`],
  ]) {
    const ran = await shell(server, ["-n", "--json", ...args, "--", "true"]);
    expect([ran.status, resultOf(ran.stdout)]).toMatchObject([255, { code: "usage" }]);
  }
});

test("a child has a session of its own, and no descriptor of ours but its three", async () => {
  await using server = await shellServer();
  const line = "ls -l /proc/self/fd; ps -o sid= -p $$; echo $$";
  const ran = await shell(server, ["-c", line], { stdin: "x" });
  const lines = ran.stdout.trim().split("\n");
  const fds = lines.filter((each) => each.includes(" -> "));
  // the fourth is the folder that ls itself reads
  expect(fds.map((each) => /(\d+) -> (\/proc|pipe)/.exec(each)?.slice(1).join(" "))).toEqual([
    "0 pipe",
    "1 pipe",
    "2 pipe",
    "3 /proc",
  ]);
  expect(lines.at(-2)?.trim()).toBe(lines.at(-1) ?? "");
  const limits = await shell(server, [
    "-n",
    "-c",
    "umask; ulimit -n; grep -E '^Sig(Blk|Ign)' /proc/self/status",
  ]);
  expect(limits.stdout).toMatch(/^SigBlk:\s+0+$/m);
  expect(limits.stdout).toMatch(/^SigIgn:\s+0+$/m);
});

test("no secret in the words or the environment of a process of this machine", async () => {
  await using server = await shellServer();
  await using child = await startShell(server, ["-n", "--", "sh", "-c", "echo $$; sleep 60"]);
  const pid = Number(await until(() => /^(\d+)\n/.exec(child.stdout())?.[1]));
  const secret = server.join.slice(60);
  for (const file of ["environ", "cmdline"]) {
    expect(readFileSync(`/proc/${pid}/${file}`, "latin1")).not.toContain(secret);
    expect(readFileSync(`/proc/${child.process.pid}/cmdline`, "latin1")).not.toContain(secret);
  }
  expect(readdirSync(`/proc/${pid}/fd`).sort()).toEqual(["0", "1", "2"]);
});
