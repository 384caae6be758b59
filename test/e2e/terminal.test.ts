import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { scriptedServer } from "../helpers/scripted.ts";
import { resultOf } from "../helpers/run.ts";
import type { Serving } from "../helpers/serve.ts";
import {
  clientOf,
  processesWith,
  residentMiB,
  shell,
  shellServer,
  sleepWord,
  writtenBy,
} from "../helpers/shell.ts";
import { HAS_TMUX, type Screen, screen } from "../helpers/tmux.ts";
import { until } from "../helpers/until.ts";

if (!HAS_TMUX) console.warn("terminal tests are skipped: no tmux here");
const has = (program: string): boolean => HAS_TMUX && Bun.which(program) !== null;

/** What the shell here says then; the line that was typed has no number. */
const ENDED = /ended with \d/;

/** A login shell with a prompt that can be waited for, and no start files. */
async function terminalServer(): Promise<Serving> {
  const server = await shellServer({ args: ["--login-shell", "/bin/bash"] });
  writeFileSync(
    `${server.home}/.bash_profile`,
    "PS1='there> '; unset HISTFILE; bind 'set enable-bracketed-paste off'\n",
  );
  return server;
}

async function opened(server: Serving, ...args: string[]): Promise<Screen> {
  const here = await screen({ SOCK_JOIN: server.join });
  // else the shell here would take the terminal from a client that is stopped
  await here.enter("set +m");
  await here.enter(`$SOCK_BIN shell ${args.join(" ")}; echo "ended with $?"`);
  await here.shows("there>");
  return here;
}

/** The local terminal is as it was: lines are edited and echoed, and Ctrl-C is a signal. */
async function isRestored(here: Screen): Promise<void> {
  await here.enter("clear; stty -a | tr ';' '\\n'");
  const text = await here.shows(/isig/);
  for (const word of ["isig", "icanon", "echo", "opost", "icrnl", "ixon"]) {
    expect(text).toMatch(new RegExp(`(^|\\s)${word}(\\s|$)`, "m"));
  }
}

describe.skipIf(!HAS_TMUX)("a terminal", () => {
  test("is one: tty, size, TERM, login shell, home, status; the local one is restored", async () => {
    await using server = await terminalServer();
    await using here = await opened(server);
    await here.enter("tty; stty size; echo $TERM $0 $PWD");
    const text = await here.shows(/-bash/);
    expect(text).toMatch(/^\/dev\/pts\/\d+$/m);
    expect(text).toMatch(/^24 80$/m);
    expect(text).toMatch(new RegExp(`^\\S*(screen|tmux)\\S* -bash ${server.home}$`, "m"));
    await here.enter("exit 5");
    await here.shows("ended with 5");
    await isRestored(here);
  });

  test("no child has a descriptor of another one's terminal, or of the server's", async () => {
    await using server = await terminalServer();
    await using here = await opened(server);
    await using other = await opened(server);
    // the last is the folder that ls itself reads
    await other.enter("clear; ls /proc/self/fd | tr '\\n' ' '");
    await other.shows(/^0 1 2 3 there>/m);
    expect((await shell(server, ["-n", "-c", "ls /proc/self/fd"])).stdout).toBe("0\n1\n2\n3\n");
    await here.enter("clear; ls /proc/self/fd | tr '\\n' ' '");
    await here.shows(/^0 1 2 3 there>/m);
  });

  test("stty size follows a resize, and a storm of them ends at the last", async () => {
    await using server = await terminalServer();
    await using here = await opened(server);
    await here.resize(100, 30);
    await until(async () => {
      await here.enter("clear; stty size");
      return /^30 100$/m.test(await here.shows(/^\d+ \d+$/m));
    });
    await here.enter("trap 'echo winch' WINCH; clear");
    for (let at = 0; at < 60; at++) await here.resize(60 + (at % 40), 20 + (at % 10));
    await here.resize(91, 27);
    await until(async () => {
      await here.enter("clear; stty size");
      return /^27 91$/m.test(await here.shows(/^\d+ \d+$/m));
    });
    await here.enter("exit");
    await here.shows("ended with 0");
  });

  test("Ctrl-C ends what runs there, not us; Ctrl-Z and fg; Ctrl-D ends the shell", async () => {
    await using server = await terminalServer();
    await using here = await opened(server);
    const word = sleepWord();
    await here.enter(`sleep ${word}`);
    await until(() => processesWith(`sleep\0${word}`).length === 1, "sleep");
    await here.key("C-c");
    await until(() => processesWith(`sleep\0${word}`).length === 0, "its end");
    await here.enter("echo status $?");
    await here.shows("status 130");
    await here.enter(`sleep ${word}`);
    await until(() => processesWith(`sleep\0${word}`).length === 1, "sleep");
    await here.key("C-z");
    await here.shows("Stopped");
    await here.enter("fg");
    await here.shows(/fg\nsleep/);
    await here.key("C-c");
    await until(() => processesWith(`sleep\0${word}`).length === 0, "its end");
    await here.enter("true");
    await here.key("C-d");
    await here.shows(ENDED);
    await isRestored(here);
  });

  test.skipIf(!has("vim"))("vim draws right, and after it the screen is as before", async () => {
    await using server = await terminalServer();
    const lines = Array.from({ length: 200 }, (_, index) => `line ${index + 1} äöü 你好`);
    writeFileSync(`${server.home}/text`, `${lines.join("\n")}\n`);
    await using here = await opened(server);
    await here.enter("echo before; vim -u NONE -i NONE text");
    await here.shows(/"text" 200/);
    expect((await here.lines()).slice(0, 23)).toEqual(lines.slice(0, 23));
    await here.key("G");
    await here.shows("line 200");
    expect((await here.lines()).slice(0, 23)).toEqual(lines.slice(177));
    await here.type("onew line");
    await here.key("Escape");
    await here.resize(60, 15);
    await until(async () => (await here.lines())[13] === "new line", "vim at the new size");
    await here.enter(":wq");
    await here.shows(/before\n.*there>$|there>\n*$/);
    await here.enter("tail -1 text | tr a-z A-Z");
    await here.shows("NEW LINE");
  });

  test.skipIf(!has("less"))("less draws right, searches and ends", async () => {
    await using server = await terminalServer();
    await using here = await opened(server);
    await here.enter("seq 1000 | LESS= less");
    await here.shows(/^23$/m);
    expect((await here.lines()).slice(0, 23)).toEqual(Array.from({ length: 23 }, (_, at) => String(at + 1)));
    await here.enter("/^500$");
    await here.shows(/^500\n501$/m);
    expect((await here.lines()).slice(0, 23)).toEqual(
      Array.from({ length: 23 }, (_, at) => String(at + 500)),
    );
    await here.type("q");
    await here.shows("there>");
  });

  test.skipIf(!has("top"))("top draws, again and again, and ends by q", async () => {
    await using server = await terminalServer();
    await using here = await opened(server);
    await here.enter("top -d 0.3");
    const text = await here.shows(/PID.*COMMAND/);
    expect(text).toMatch(/^top - /m);
    expect(text).toMatch(/^Tasks:/m);
    const clock = async (): Promise<string> => (await here.lines()).slice(0, 24).join("\n");
    const before = await clock();
    await until(async () => (await clock()) !== before, "another picture");
    await here.type("q");
    await until(async () => {
      await here.enter("echo again");
      return /^again$/m.test(await here.text());
    });
  });

  test("bytes of all kinds go both ways unchanged: a paste of 20 kB into cat, escapes, UTF-8", async () => {
    await using server = await terminalServer();
    await using here = await opened(server);
    const lines = Array.from({ length: 200 }, (_, index) => `${index} ${"é~你".repeat(25)}`);
    await here.enter("stty -echo; echo re''ady; cat > pasted; stty echo; md5sum pasted");
    await here.shows(/^ready$/m);
    for (let at = 0; at < lines.length; at += 20) await here.type(`${lines.slice(at, at + 20).join("\r")}\r`);
    await here.key("C-d");
    const wanted = new Bun.CryptoHasher("md5").update(`${lines.join("\n")}\n`).digest("hex");
    await here.shows(wanted);
  });
});

describe.skipIf(!HAS_TMUX)("words for sock itself, after a newline", () => {
  test("~? helps; ~~ is a ~; a ~ inside a line is one; ~. ends it there and here", async () => {
    await using server = await terminalServer();
    await using here = await opened(server);
    await here.type("~?");
    await here.shows("this help");
    await here.key("Enter");
    await here.enter("~~x");
    await here.shows(/there> ~x/);
    await here.enter("echo a~.b");
    await here.shows(/^a~\.b$/m);
    const word = sleepWord();
    await here.enter(`sleep ${word} & true`);
    await until(() => processesWith(`sleep\0${word}`).length === 1, "sleep");
    await here.type("~.");
    await here.shows(ENDED);
    await isRestored(here);
    await until(() => processesWith(`sleep\0${word}`).length === 0, "the end of the session there");
    expect((await shell(server, ["--list"])).stdout).toBe("");
  });

  test("~^Z suspends sock, fg goes on where it was", async () => {
    await using server = await terminalServer();
    await using here = await screen({ SOCK_JOIN: server.join });
    await here.enter("set -m; $SOCK_BIN shell");
    await here.shows("there>");
    await here.enter("echo one");
    await here.shows(/^one$/m);
    await here.type("~");
    await here.key("C-z");
    await here.shows(/Stopped|suspended/i);
    await isRestored(here);
    await here.enter("clear; fg");
    await here.shows("SOCK_BIN");
    await here.enter("");
    await here.shows("there>");
    await here.enter("echo $((40 + 2))");
    await here.shows(/^42$/m);
    await here.enter("exit 3");
    await here.shows(/logout\n(.*\n)*here>/);
    await here.enter("echo ended with $?");
    await here.shows("ended with 3");
  });
});

describe.skipIf(!HAS_TMUX)("the local terminal is restored", () => {
  for (const [signal, status] of [
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    test(`after ${signal} of the client, and the terminal waits there`, async () => {
      await using server = await terminalServer();
      await using here = await opened(server);
      process.kill(clientOf(server), signal);
      await here.shows(`ended with ${status}`);
      await isRestored(here);
      const list = await shell(server, ["--list", "--json"]);
      expect(list.stdout).toContain('"attached":false');
    });
  }

  test("after the server was killed, or stopped", async () => {
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      await using server = await terminalServer();
      await using here = await opened(server);
      await server.stop(signal);
      if (signal === "SIGKILL") {
        await here.shows("trying again");
        await here.key("Enter");
        await here.type("~.");
      }
      await here.shows(ENDED);
      await isRestored(here);
    }
  });

  test("after a server that breaks the protocol", async () => {
    using server = scriptedServer(
      (peer) => {
        peer.send({ type: "attached", id: "0".repeat(32), name: "1", at: 0, taken: 0 });
        peer.send({ type: "bytes", at: 0, size: 7 }, new TextEncoder().encode("there> "));
        peer.send({ type: "bytes", at: 99, size: 1 }, new Uint8Array(1));
      },
      ["shell"],
    );
    await using here = await screen({ SOCK_JOIN: server.join });
    await here.enter('$SOCK_BIN shell; echo "ended with $?"');
    await here.shows("ended with 255");
    await isRestored(here);
  });
});

describe.skipIf(!HAS_TMUX)("a terminal whose two ends are not of the same speed", () => {
  test("`yes` and a client that does not write: it stops, memory is flat, and Ctrl-C works", async () => {
    await using server = await terminalServer();
    await using here = await opened(server);
    const client = clientOf(server);
    const word = sleepWord();
    await here.enter(`yes ${word}`);
    await here.shows(new RegExp(`^${word}\\n${word}$`, "m"));
    process.kill(client, "SIGSTOP");
    const [yes] = await until(() => {
      const found = processesWith(`yes\0${word}`);
      return found.length > 0 && found;
    });
    await until(async () => {
      const before = writtenBy(yes ?? 0);
      await Bun.sleep(300);
      return before > 0 && writtenBy(yes ?? 0) === before;
    }, "yes to stand still");
    expect(residentMiB(server.process.pid)).toBeLessThan(200);
    process.kill(client, "SIGCONT");
    await here.key("C-c");
    await until(() => processesWith(`yes\0${word}`).length === 0, "the end of yes");
    await here.enter("clear; echo $((6 * 7))");
    await here.shows(/^42$/m);
  });

  test("Ctrl-C behind a paste that the program does not read ends it, and what was pasted is forgotten", async () => {
    await using server = await terminalServer();
    await using here = await opened(server);
    const word = sleepWord();
    await here.enter(`stty -echo; sleep ${word}`);
    await until(() => processesWith(`sleep\0${word}`).length === 1, "sleep");
    await here.paste(200_000);
    await here.key("C-c");
    await until(() => processesWith(`sleep\0${word}`).length === 0, "its end");
    await here.enter("stty echo; clear; echo status $?");
    await here.shows(/^status 0$/m);
    expect(await here.text()).not.toContain("xxxx");
    // a program that reads keys as they are gets this one in its turn
    await here.enter("stty raw -echo; sleep 1; head -c 200001 | tail -c 1 | od -An -tx1; stty sane");
    await here.paste(200_000);
    await here.key("C-c");
    await here.shows(/^\s*03$/m);
  });

  test("8 MB pasted into what never reads: memory flat on both sides, and it can be left", async () => {
    await using server = await terminalServer();
    await using here = await screen({ SOCK_JOIN: server.join });
    // the rest of the paste is for cat, and not for the shell here
    await here.enter(`set +m; $SOCK_BIN shell; echo $? > ${server.home}/status; cat > /dev/null`);
    await here.shows("there>");
    const client = clientOf(server);
    const word = sleepWord();
    await here.enter(`stty raw -echo; sleep ${word}`);
    await until(() => processesWith(`sleep\0${word}`).length === 1, "sleep");
    const before = [residentMiB(server.process.pid), residentMiB(client)];
    await here.paste(8_000_000);
    await Bun.sleep(1500);
    expect(residentMiB(server.process.pid) - (before[0] ?? 0)).toBeLessThan(20);
    expect(residentMiB(client) - (before[1] ?? 0)).toBeLessThan(20);
    process.kill(client, "SIGTERM");
    const file = `${server.home}/status`;
    const status = await until(() => existsSync(file) && (readFileSync(file, "utf8") || undefined));
    expect(status).toBe("143\n");
  });
});

test("without a terminal here it is a usage error; with --json too", async () => {
  await using server = await shellServer();
  for (const args of [
    [],
    ["--attach"],
    ["--name", "x"],
    ["--attach", "-c", "true"],
    ["aa", "ls"],
    ["--name", "a b"],
  ]) {
    const ran = await shell(server, ["--json", ...args]);
    expect([args, ran.status, resultOf(ran.stdout)]).toMatchObject([args, 255, { code: "usage" }]);
  }
});
