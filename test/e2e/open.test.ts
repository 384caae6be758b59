/** `sock open`: scripts from stdin and -c, and a person at a terminal. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { codeAt, start } from "../helpers/child.ts";
import { pair, pairWithLine } from "../helpers/pair.ts";
import { Relay } from "../helpers/relay.ts";
import { events, resultOf } from "../helpers/run.ts";
import { processesWith, shellServer, sleepWord } from "../helpers/shell.ts";
import { sock } from "../helpers/run.ts";
import { HAS_TMUX, type Screen, screen } from "../helpers/tmux.ts";
import { until } from "../helpers/until.ts";

if (!HAS_TMUX) console.warn("terminal tests of open are skipped: no tmux here");

describe("a script", () => {
  test("from -c: several commands, one connection, paths in the folder that was gone into", async () => {
    await using ends = await pairWithLine();
    mkdirSync(ends.root("docs"));
    writeFileSync(ends.root("docs", "a.txt"), "hello\n");
    writeFileSync(ends.here("mine.txt"), "mine");
    const ran = await ends.run(
      "open",
      "-c",
      "cd docs; ls; cat a.txt",
      "-c",
      "get a.txt b.txt; put mine.txt sub/; ls -R; pwd",
    );
    expect([ran.stderr.includes("sock:"), ran.status]).toEqual([false, 0]);
    const name = /\n(\S+):docs\n/.exec(ran.stdout)?.[1];
    expect(ran.stdout).toBe(`a.txt\nhello\na.txt\nsub/\nsub/mine.txt\n${name}:docs\n${ends.here()}\n`);
    expect(readFileSync(ends.here("b.txt"), "utf8")).toBe("hello\n");
    expect(readFileSync(ends.root("docs", "sub", "mine.txt"), "utf8")).toBe("mine");
    expect(ends.relay.accepted).toBe(1);
  });

  test("from stdin ends at the first failure, with its line and status", async () => {
    await using ends = await pair();
    writeFileSync(ends.root("a"), "x");
    const script = "# first\nls\nget nope\nget a\n";
    const ran = await sock(["open"], { env: ends.env, cwd: ends.here(), stdin: script });
    expect(ran.stderr).toContain("sock: line 3: nope: no such file or folder\n");
    expect([ran.stdout, ran.status, existsSync(ends.here("a"))]).toEqual(["a\n", 7, false]);
  });

  test("--keep-going runs the rest, tells of each failure, and ends with 10", async () => {
    await using ends = await pair();
    writeFileSync(ends.root("a"), "x");
    const script = "get nope\ncd nowhere\r\nget a\nnonsense\n";
    const ran = await sock(["open", "--keep-going"], { env: ends.env, cwd: ends.here(), stdin: script });
    for (const line of [1, 2, 4]) expect(ran.stderr).toContain(`sock: line ${line}: `);
    expect(ran.stderr).toContain("3 of 4 commands failed");
    expect([ran.status, existsSync(ends.here("a"))]).toEqual([10, true]);
  });

  test("an unknown command says so, what may be meant, and what there is", async () => {
    await using ends = await pair();
    const ran = await ends.run("open", "-c", "gte a");
    expect(ran.stderr).toBe(
      'sock: unknown command "gte"\nsock: hint: did you mean get? there are help ls cd pwd lcd lpwd get put cat run exit\n',
    );
    expect(ran.status).toBe(2);
    const flag = await ends.run("open", "-c", "ls --lnog");
    expect([flag.status, flag.stderr.includes("--lnog")]).toEqual([2, true]);
    const quote = await ends.run("open", "-c", "ls 'a");
    expect([quote.status, quote.stderr.includes("quote")]).toEqual([2, true]);
  });

  test("help, and help of a command, need nothing else", async () => {
    await using ends = await pair();
    const ran = await ends.run("open", "-c", "help; help put; get -h");
    for (const word of ["ls [-l]", "run LINE", "usage: put FILE", "--checksum", "usage: get PATH"]) {
      expect(ran.stdout).toContain(word);
    }
    expect(ran.status).toBe(0);
  });

  test("exit ends it, and what follows is not run", async () => {
    await using ends = await pair();
    const ran = await ends.run("open", "-c", "exit; nonsense", "-c", "nonsense");
    expect([ran.stderr, ran.status]).toEqual(["", 0]);
  });

  test("patterns, on both sides; quoted they are names", async () => {
    await using ends = await pair();
    for (const name of ["a.txt", "b.txt", "c.md", "*.txt"]) writeFileSync(ends.here(name), name);
    const one = await ends.run("open", "-c", "put '*.txt' only/; ls only; put *.{txt,md} all/; ls all");
    expect(one.stdout).toBe("*.txt\n*.txt\na.txt\nb.txt\nc.md\n");
    const two = await ends.run("open", "-c", "cd all; get [ab].txt back/; get 'q*.txt'");
    expect([
      two.status,
      existsSync(ends.here("back", "a.txt")),
      existsSync(ends.here("back", "c.md")),
    ]).toEqual([7, true, false]);
  });

  test("nothing leads out of what is served, and the folder stays where a cd failed", async () => {
    await using ends = await pair();
    writeFileSync(ends.root("top"), "");
    mkdirSync(ends.root("in"));
    const ran = await ends.run(
      "open",
      "--keep-going",
      "-c",
      "cd in; cd ../../../outside; cd top; ls; cd ../../..; ls",
    );
    expect(ran.stdout).toBe("in/\ntop\n");
    expect(ran.status).toBe(10);
    expect(ends.outside()).toContain("victim");
  });

  test("run: the rest of the line, its output and its status", async () => {
    await using server = await shellServer();
    const run = (...args: string[]) => sock(["open", ...args], { env: { SOCK_JOIN: server.join } });
    const good = await run("-c", "run echo 'a  b'; echo c | tr c d >&2", "-c", "pwd");
    expect([good.stdout.split("\n")[0], good.stderr, good.status]).toEqual(["a  b", "d\n", 0]);
    const bad = await run("-c", "run exit 3", "-c", "run echo never");
    expect([bad.stdout, bad.stderr, bad.status]).toEqual(["", "sock: run: it ended with status 3\n", 1]);
    const killed = await run("-c", "run kill -9 $$");
    expect([killed.stderr, killed.status]).toEqual(["sock: run: SIGKILL ended it\n", 1]);
  });

  test("run with a key for listed commands: that one, and no other", async () => {
    await using server = await shellServer();
    const allow = 'exec:["/bin/echo","a  b"]';
    const where = ["--host", `127.0.0.1:${server.port}`];
    const invited = await sock(["invite", "--direct", "--allow", allow, ...where], { home: server.home });
    const env = { SOCK_JOIN: invited.stdout.trim() };
    const good = await sock(["open", "-c", "run /bin/echo 'a  b'"], { env });
    expect([good.stdout, good.status]).toEqual(["a  b\n", 0]);
    const bad = await sock(["open", "-c", "run /bin/echo other"], { env });
    expect([bad.stdout, bad.status]).toEqual(["", 4]);
  });

  test("--json: an event for each command behind its own, and one result", async () => {
    await using ends = await pair();
    writeFileSync(ends.root("a"), "x");
    const ran = await ends.run("open", "--json", "--keep-going", "-c", "ls; get a; get nope; cd /; cat a");
    const all = events(ran.stdout);
    expect(all.map(({ type }) => type)).toEqual([
      "item",
      "command",
      "file",
      "command",
      "file",
      "command",
      "folder",
      "command",
      "command",
      "result",
    ]);
    const commands = all.filter(({ type }) => type === "command");
    expect(commands.map(({ command, status, code }) => [command, status, code])).toEqual([
      ["ls", 0, undefined],
      ["get", 0, undefined],
      ["get", 7, "not-found"],
      ["cd", 0, undefined],
      ["cat", 2, "usage"],
    ]);
    expect(commands[1]).toMatchObject({ rest: "a", files: 1, bytes: 1 });
    expect(resultOf(ran.stdout)).toMatchObject({ commands: 5, failed: 2, status: 10, code: "some-failed" });
    // each failure is an event, and said once
    expect(ran.stderr).not.toContain("nope");
  });

  test("a key that may not do it is told so, and the session goes on", async () => {
    await using server = await shellServer();
    const ran = await sock(["open", "--keep-going", "-c", "put /etc/hostname; run id; ls"], {
      env: {
        SOCK_JOIN: (
          await sock(["invite", "--direct", "--allow", "ls", "--host", `127.0.0.1:${server.port}`], {
            home: server.home,
          })
        ).stdout.trim(),
      },
    });
    expect(ran.stderr).toContain("does not allow put");
    expect(ran.stderr).toContain("does not allow exec");
    expect(ran.status).toBe(10);
  });

  test("no server: 6, before anything is read", async () => {
    await using ends = await pair();
    await ends.server.stop();
    const ran = await sock(["open", "-c", "ls"], { env: ends.env });
    expect([ran.stdout, ran.status]).toEqual(["", 6]);
  });

  test("a line that breaks in the middle of a get: it goes on, and so do the next commands", async () => {
    await using ends = await pairWithLine();
    const bytes = randomBytes(20_000_000);
    writeFileSync(ends.root("big"), bytes);
    writeFileSync(ends.root("small"), "small");
    ends.relay.faults.down.cutAfter = 9_000_000;
    await using child = await ends.start("open", "--json", "-c", "get big", "-c", "get small; ls");
    await until(() => ends.relay.accepted === 2, "a second connection");
    ends.relay.faults.down.cutAfter = Infinity;
    expect(await child.ended()).toBe(0);
    expect(readFileSync(ends.here("big")).equals(bytes)).toBe(true);
    expect(resultOf(child.stdout())).toMatchObject({ commands: 3, failed: 0 });
  });

  test("a line that breaks between two commands costs nothing but a new one", async () => {
    await using ends = await pairWithLine();
    writeFileSync(ends.root("a"), "x");
    await using child = await start(["open"], { env: ends.env, cwd: ends.here(), pipe: true });
    const { stdin } = child.process;
    if (stdin === undefined || typeof stdin === "number") throw new Error("no pipe");
    await stdin.write("ls\n");
    await stdin.flush();
    await until(() => child.stdout() === "a\n", "the first listing");
    ends.relay.cutAll();
    await until(() => ends.relay.open === 0, "the end of the line");
    await stdin.write("ls\n");
    await stdin.end();
    expect(await child.ended()).toBe(0);
    expect(child.stdout()).toBe("a\na\n");
    expect(child.stderr()).toMatch(/^sock: connected to \S+ again\n$/);
  });
});

/** A person's session, through a line that can be cut. */
async function typed(
  server: { join: string; port: number },
  cwd: string,
): Promise<{ here: Screen; relay: Relay }> {
  const relay = await Relay.start(server.port);
  const here = await screen({ SOCK_JOIN: codeAt(server.join, relay.port), NO_COLOR: "1" });
  await here.enter(`cd ${cwd}; $SOCK_BIN open; echo "ended with $?"`);
  await here.shows("127.0.0.1:>");
  return { here, relay };
}

describe.skipIf(!HAS_TMUX)("a person", () => {
  test("completes names there and here, has a history, and leaves with Ctrl-D", async () => {
    await using ends = await pair();
    mkdirSync(ends.root("documents"));
    writeFileSync(ends.root("documents", "my report.txt"), "report\n");
    writeFileSync(ends.here("invoice.txt"), "x");
    const { here, relay } = await typed(ends.server, ends.here());
    await using _ = here;
    await using __ = relay;
    await here.type("cd doc");
    await here.key("Tab");
    await here.shows("cd documents/");
    await here.key("Enter");
    await here.shows("127.0.0.1:documents>");
    await here.type("cat my");
    await here.key("Tab");
    await here.shows("cat my\\ report.txt");
    await here.key("Enter");
    await here.shows(/^report$/m);
    await here.type("put inv");
    await here.key("Tab");
    await here.shows("put invoice.txt");
    await here.key("Enter");
    await here.shows("new, verified");
    await here.enter("nonsense");
    await here.shows('unknown command "nonsense"');
    await here.shows("there are help ls cd pwd lcd lpwd get put cat run exit");
    await here.key("Up", "Up", "Enter");
    await here.shows("is there already");
    // one connection, completion and all
    expect(relay.accepted).toBe(1);
    await here.key("C-d");
    await here.shows("ended with 0");
    await here.enter("stty -a | tr ';' '\\n'");
    expect(await here.shows(/isig/)).toMatch(/(^|\s)icanon(\s|$)/m);
  });

  test("Ctrl-C ends the command that runs, not the session; at the prompt it empties the line", async () => {
    await using server = await shellServer();
    const { here, relay } = await typed(server, server.home);
    await using _ = here;
    await using __ = relay;
    const word = sleepWord();
    await here.enter(`run echo u""p; exec sleep ${word}`);
    await here.shows(/^up$/m);
    await until(() => processesWith(`sleep\0${word}`).length === 1, "sleep");
    await here.key("C-c");
    await here.shows("SIGINT ended it");
    await here.type("nonsense");
    await here.key("C-c");
    await here.shows("nonsense^C");
    await here.enter("run echo still $((40 + 2))");
    await here.shows("still 42");
    relay.faults.down.rate = 500_000;
    writeFileSync(`${server.home}/drop/big`, randomBytes(30_000_000));
    await here.enter("get big part/");
    await here.shows(/\d %/);
    await here.key("C-c");
    await here.shows("the same command goes on");
    relay.faults.down.rate = Infinity;
    await here.enter("pwd");
    await here.shows(/^127\.0\.0\.1:$/m);
    await here.key("C-z");
    await here.shows("Stopped");
    await here.enter("clear; fg");
    await here.shows("127.0.0.1:>");
    await here.enter("run echo here $((6 * 7)) again");
    await here.shows("here 42 again");
    await here.enter("exit");
    await here.shows("here>");
  });

  test("a line that is cut in the middle of a get is made anew, and the file is whole", async () => {
    await using ends = await pair();
    const bytes = randomBytes(12_000_000);
    writeFileSync(ends.root("big"), bytes);
    const { here, relay } = await typed(ends.server, ends.here());
    await using _ = here;
    await using __ = relay;
    relay.faults.down.rate = 4_000_000;
    await here.enter("get big");
    await here.shows(/\d %/);
    relay.cutAll();
    await here.shows("the connection broke");
    relay.faults.down.rate = Infinity;
    await here.shows("new, verified");
    expect(statSync(ends.here("big")).size).toBe(bytes.length);
    expect(readFileSync(ends.here("big")).equals(bytes)).toBe(true);
    expect(relay.accepted).toBe(2);
    await here.enter("ls");
    await here.shows(/^big$/m);
    await here.key("C-d");
    await here.shows("ended with 0");
  });

  test("a line that stands still holds no one who completes a name, and the next command gets a new one", async () => {
    await using ends = await pair();
    writeFileSync(ends.root("there"), "x");
    const { here, relay } = await typed(ends.server, ends.here());
    await using _ = here;
    await using __ = relay;
    relay.faults.down.stalled = true;
    await here.type("ls th");
    await here.key("Tab");
    await until(() => relay.open === 0, "its end");
    relay.faults.down.stalled = false;
    await here.key("Tab");
    await here.shows("ls there");
    await here.key("C-u", "C-d");
    await here.shows("ended with 0");
  });

  test("a server that is gone fails a command, and the next one finds it again", async () => {
    await using ends = await pair();
    writeFileSync(ends.root("here-again"), "x");
    const { here, relay } = await typed(ends.server, ends.here());
    await using _ = here;
    await using __ = relay;
    relay.cutAll();
    await until(() => relay.open === 0, "the end of the line");
    await here.enter("ls");
    await here.shows("connected to 127.0.0.1 again");
    await here.shows("here-again");
  });

  test("finds what was typed in an earlier session with a joined server", async () => {
    await using ends = await pair();
    const code = await sock(["invite", "--host", `127.0.0.1:${ends.server.port}`], {
      home: ends.server.home,
    });
    await using here = await screen({ NO_COLOR: "1", CODE: code.stdout.trim() });
    await here.enter('echo "$CODE" | $SOCK_BIN join --as web1 -q && clear && $SOCK_BIN open web1');
    await here.shows("web1:>");
    await here.enter("ls first");
    await here.enter(" ls secret");
    await here.shows("secret: no such");
    await here.enter("exit");
    await here.shows("here>");
    await here.enter("clear; $SOCK_BIN open web1");
    await here.shows("web1:>");
    await here.key("Up", "Up");
    await here.shows("web1:> ls first");
    await here.key("C-c", "C-d");
  });

  test("what a file and names there have in them moves no cursor", async () => {
    await using ends = await pair();
    writeFileSync(ends.root("ctl"), "a\x1b[31mb\x07c\td\n");
    writeFileSync(ends.root("na\x1b[2Jme"), "");
    const { here, relay } = await typed(ends.server, ends.here());
    await using _ = here;
    await using __ = relay;
    await here.enter("ls; cat ctl");
    await here.shows("na\\x1b[2Jme");
    await here.shows(/a\\x1b\[31mb\\x07c\s+d/);
    await here.type("cat na");
    await here.key("Tab");
    await here.enter("-more");
    await here.shows("cat na-more");
  });
});
