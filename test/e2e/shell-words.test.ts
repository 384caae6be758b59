import { writeFileSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { resultOf } from "../helpers/run.ts";
import { shell, shellServer } from "../helpers/shell.ts";

/** Prints each word and a zero byte after it. */
const PRINT = ["perl", "-e", 'print map { "$_\\0" } @ARGV', "--"];

const WORDS: [string, string[]][] = [
  ["spaces", ["a b", "  ", " a", "b "]],
  ["quotes", [`it's`, `"quoted"`, "`id`", `\\"`, `'"'"'`]],
  [
    "what a shell would change",
    ["$HOME", "$(id)", "*", "?", "~", "a;b", "a|b", "a&b", "<x", ">x", "#x", "!x"],
  ],
  ["what cmd would change", ["%PATH%", "^", "a&b", "!x!", '"a" "b"']],
  ["newlines and tabs", ["a\nb", "\n", "\t", "a\r\nb"]],
  ["emoji and other letters", ["😀", "你好", "a\u0308", "\u202e"]],
  ["empty ones", ["", "a", "", ""]],
  ["what looks like flags", ["--", "-n", "--help", "-c", "--json", "-"]],
  ["escapes", ["\u001b[2J", "\u0007"]],
  ["numbers", ["0", "1e3", "0x10"]],
];

describe("words come as they are, without a shell in between", () => {
  for (const [what, words] of WORDS) {
    test(what, async () => {
      await using server = await shellServer();
      const ran = await shell(server, ["-n", "--", ...PRINT, ...words]);
      expect(ran).toMatchObject({ stderr: "", status: 0 });
      expect(ran.stdout).toBe(words.map((word) => `${word}\0`).join(""));
    });
  }

  test("one of 128 KiB less its end, which is the longest that Linux takes; one more is refused", async () => {
    await using server = await shellServer();
    const longest = "w".repeat(128 * 1024 - 1);
    const script = `${server.home}/script`;
    // this end's own words have the same limit
    writeFileSync(script, `exec "$@" ${longest}`);
    const line = `perl -e 'print length shift' "$1"`;
    const ran = await shell(server, ["-n", "--", "sh", "-c", line, "sh", longest]);
    expect(ran).toMatchObject({ stdout: String(longest.length), status: 0 });
  });

  test("20,000 of them, 1.3 MB", async () => {
    await using server = await shellServer();
    const words = Array.from({ length: 20_000 }, (_, index) => `${index}-${"x".repeat(58)}`);
    const ran = await shell(server, ["-n", "--", ...PRINT, ...words]);
    expect(ran.status).toBe(0);
    expect(ran.stdout).toBe(words.map((word) => `${word}\0`).join(""));
  });

  test("the name of a program may be any too", async () => {
    await using server = await shellServer();
    for (const name of ["a b", "it's", "你好", "$HOME", "-x"]) {
      writeFileSync(`${server.home}/${name}`, '#!/bin/sh\necho "$0"\n', { mode: 0o755 });
      const ran = await shell(server, ["-n", "--", `./${name}`]);
      expect([name, ran.stdout]).toEqual([name, `${server.home}/${name}\n`]);
    }
  });

  test("a relative program is looked for where it runs, a bare name in PATH", async () => {
    await using server = await shellServer();
    writeFileSync(`${server.home}/own`, "#!/bin/sh\necho own\n", { mode: 0o755 });
    expect((await shell(server, ["-n", "--", "./own"])).stdout).toBe("own\n");
    expect((await shell(server, ["-n", "--cwd", "/", "--", "./own"])).status).toBe(255);
    expect((await shell(server, ["-n", "--", "own"])).status).toBe(255);
    const path = ["--env", `PATH=${server.home}:/usr/bin:/bin`];
    expect((await shell(server, ["-n", ...path, "--", "own"])).stdout).toBe("own\n");
  });

  test("a name of 100,000 characters that is not there: 255, and a short reason", async () => {
    await using server = await shellServer();
    const ran = await shell(server, ["-n", "--json", "--", "w".repeat(100_000), "x".repeat(100_000)]);
    expect([ran.status, resultOf(ran.stdout)]).toMatchObject([255, { code: "not-found" }]);
    expect(ran.stdout.length).toBeLessThan(2000);
  });
});

describe("-c: a line for a shell there", () => {
  const LINES: [string, string][] = [
    ["echo a | tr a b; echo $((1 + 2))", "b\n3\n"],
    ["printf '%s\\n' 'it'\"'\"'s' \"a  b\"", "it's\na  b\n"],
    ["x='1\n2'; echo \"$x\"", "1\n2\n"],
    ["cat <<END\n😀 $((2 * 21))\nEND", "😀 42\n"],
  ];
  for (const [line, wanted] of LINES) {
    test(JSON.stringify(line), async () => {
      await using server = await shellServer();
      expect(await shell(server, ["-n", "-c", line])).toMatchObject({
        stdout: wanted,
        stderr: "",
        status: 0,
      });
      expect((await shell(server, ["-n", "--with", "bash", "-c", line])).stdout).toBe(wanted);
    });
  }

  test("--with names the shell; one that is not there is 255", async () => {
    await using server = await shellServer();
    const bash = await shell(server, ["-n", "--with", "bash", "-c", "echo ${BASH_VERSION:+bash}"]);
    expect(bash.stdout).toBe("bash\n");
    expect((await shell(server, ["-n", "--with", "sh", "-c", "echo $0"])).stdout).toBe("sh\n");
    for (const name of ["cmd", "powershell"]) {
      const ran = await shell(server, ["-n", "--json", "--with", name, "-c", "echo"]);
      expect([name, ran.status, resultOf(ran.stdout)]).toMatchObject([name, 255, { code: "not-found" }]);
    }
  });

  test("not found inside of it is the shell's own 127", async () => {
    await using server = await shellServer();
    const ran = await shell(server, ["-n", "--json", "-c", "no-such-command-here"]);
    expect([ran.status, resultOf(ran.stdout)]).toMatchObject([127, { remote_status: 127 }]);
  });

  test("-cLINE, and flags before or after the host", async () => {
    await using server = await shellServer();
    expect((await shell(server, ["-nc", "echo hi"])).stdout).toBe("hi\n");
    expect((await shell(server, ["-n", "-cecho hi"])).stdout).toBe("hi\n");
  });
});
