import { writeFileSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { events } from "../helpers/run.ts";
import { shell, shellServer } from "../helpers/shell.ts";
import { HAS_TMUX, screen } from "../helpers/tmux.ts";

/** A title, colours, a cleared screen, the clipboard, a question to the terminal. */
const PRINTED =
  "\\033]0;owned\\007a \\033[31mred\\033[0m \\033[2J\\033[Hb\\033]52;c;cm0=\\007\\033[6n\\302\\233c\\n";
const PASSED = "a \x1b[31mred\x1b[0m b\ufffdc\n";

describe("--safe", () => {
  test("of both outputs of a command only text and colours are left", async () => {
    await using server = await shellServer();
    const line = `printf '${PRINTED}'; printf '${PRINTED}' >&2; printf '\\033[1mbold'`;
    const ran = await shell(server, ["--safe", "-n", "-c", line]);
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, `${PASSED}\x1b[1mbold\x1b[0m`, PASSED]);
    const raw = await shell(server, ["-n", "-c", `printf '${PRINTED}'`]);
    expect(raw.stdout).toContain("\x1b]0;owned\x07a");
  });

  test("in GBK too, whose characters have bytes that look like sequences", async () => {
    await using server = await shellServer();
    // 81 5B and 80 9B are no brackets and no CSI there
    const line = "printf '\\326\\320\\033[2J\\201\\133\\316\\304\\033[32m\\326\\320\\033[m\\n'";
    const ran = await shell(server, ["--safe", "--encoding", "gbk", "-n", "-c", line]);
    expect([ran.status, ran.stdout]).toEqual([0, "中乕文\x1b[32m中\x1b[m\n"]);
  });

  test("in events as well; raw bytes have no sequences", async () => {
    await using server = await shellServer();
    const ran = await shell(server, ["--safe", "--json", "-n", "-c", `printf '${PRINTED}'`]);
    const text = events(ran.stdout).map((event) => (event["type"] === "output" ? event["text"] : ""));
    expect(text.join("")).toBe(PASSED);
    const refused = await shell(server, ["--safe", "--encoding", "raw", "--", "true"]);
    expect([refused.status, refused.stdout]).toEqual([255, ""]);
    expect(refused.stderr).toContain("--safe");
  });

  test.skipIf(!HAS_TMUX)(
    "a terminal is a dumb one then, and what is printed does not move its cursor",
    async () => {
      await using server = await shellServer({ args: ["--login-shell", "/bin/bash"] });
      writeFileSync(`${server.home}/.bash_profile`, "PS1='there> '; unset HISTFILE\n");
      await using here = await screen({ SOCK_JOIN: server.join });
      const recorded = await here.record();
      await here.enter('$SOCK_BIN shell --safe; echo "ended with $?"');
      await here.shows("there>");
      await here.enter(`echo type $TERM; printf '${PRINTED}'`);
      const text = await here.shows(/^a red b/m);
      expect(text).toContain("type dumb");
      expect(text).toContain("here> $SOCK_BIN"); // was not cleared
      await here.enter("exit 3");
      await here.shows("ended with 3");
      expect(await recorded()).not.toContain("\x1b]0;owned");
    },
  );
});
