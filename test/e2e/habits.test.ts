/** What people do who know scp, rsync, ssh, irtt and nc: they are told once, and what to write. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { commandHabit, flagHabit } from "../../src/cli/habits.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";

let root: TemporaryFolder;
let here: TemporaryFolder;
let server: Serving;
let run: (...args: string[]) => ReturnType<typeof sock>;

beforeAll(async () => {
  root = await temporaryFolder();
  here = await temporaryFolder();
  server = await serve({ args: [root.path] });
  run = (...args) => sock(args, { home: here.path, env: { SOCK_JOIN_WEB1: server.join } });
  await mkdir(here.join("tree"));
  for (const name of ["tree/a", "tree/b", "f"]) writeFileSync(here.join(name), name);
  expect(await run("put", "f", "tree", "web1")).toMatchObject({ status: 0 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await root[Symbol.asyncDispose]();
  await here[Symbol.asyncDispose]();
});

describe("a hint", () => {
  const LINES: [string[], number, RegExp][] = [
    [["cp", "f", "web1:"], 2, /hint: sock put FILE HOST:\[PATH\]/],
    [["rm", "web1:f"], 2, /hint: .* deletes nothing/],
    [["put", "-r", "tree", "web1:"], 2, /hint: folders go whole/],
    [["put", "-x", "tree", "web1:"], 2, /hint: sock help put lists its flags/],
    [["serve", "-p", "80"], 2, /hint: --listen/],
    [["serve", "--listen", "8000"], 2, /hint: write host:8000; 0\.0\.0\.0:8000 is any address/],
    [["shell", "tcp://127.0.0.1:1", "--quiet", "500ms", "-c", "ls"], 255, /hint: --quiet-for 500ms: /],
    [["shell", "tcp://127.0.0.1:1", "-c", "ls", "-q", "1s"], 255, /hint: --quiet-for 1s: /],
    [["echo", "unix:/x", "hi", "--quiet=0.5s"], 2, /hint: --quiet-for 0.5s: /],
    [["put", "f", "kai@web1:"], 7, /hint: did you mean web1\?/],
    [["put", "f", "kai@web1:/tmp/"], 2, /hint: "web1:tmp\/" was meant/],
    [["put", "f"], 2, /hint: sock put f HOST:\[PATH\]/],
    [["put", "f", "no.such"], 7, /hint: sock put f web1:no.such; known are web1 local/],
    [["put", "tree", "f"], 7, /hint: sock put tree f web1:; known are web1 local/],
    [["get", "hello.txt"], 7, /^sock: no host "hello.txt"\nsock: hint: sock get web1:hello.txt; known are/],
    [["ls", "notes"], 7, /hint: sock ls web1:notes; known are web1 local/],
    [["echo", "hello", "you"], 7, /hint: sock echo web1 hello you; known are web1 local/],
    [["udp", ":hello"], 7, /hint: sock udp web1 hello; known are web1 local/],
    [["shell", "uptime"], 255, /hint: sock shell web1 -- uptime; known are web1 local/],
    [["echo"], 4, /hint: name one: web1; or SOCK_JOIN/],
    [["put", "f", "web1/x"], 2, /hint: .*HOST:PATH, with a colon/],
    [["get", "f", "web1:"], 2, /hint: sock put f web1: sends it/],
    [["put", "web1:f", "web1:g"], 2, /hint: from one server to another/],
    [["ssh", "web1", "ls"], 2, /hint: sock shell HOST -- CMD/],
    [["nc", "-l", "7000"], 2, /hint: sock plain NAME=ADDR/],
    [["web1", "udp"], 2, /hint: the command comes first: sock udp/],
    [["--count", "5", "udp", "web1"], 2, /hint: the command comes first: sock udp/],
    [["udp", "web1", "-d", "10s"], 2, /hint: --duration 10s/],
    [["udp", "-i", "10ms", "web1"], 2, /hint: --interval 10ms/],
    [["udp", "web1", "-i", "0.2"], 2, /hint: --interval 200ms/],
    [["udp", "-c", "web1", "-u"], 2, /hint: --count N; HOST stands alone/],
    [["udp", "web1", "-p", "7"], 2, /hint: the port is in the join code/],
    [["udp", "web1", "--bitrate", "1M"], 2, /hint: --rate N, datagrams a second/],
    [["udp", "web1", "--rate", "1M"], 2, /hint: digits alone, like 1000\n/],
    [["udp", "web1", "--loss", "1%"], 2, /hint: --max-loss N%/],
    [["udp", "web1", "--max-loss", "101%"], 2, /not a percentage\nsock: hint: from 0% to 100%\n/],
    [["udp", "web1", "--trace"], 2, /hint: --samples FILE/],
    [["serve", "--trace"], 2, /hint: sock plain/],
    [["serve", "-l", "80"], 2, /hint: --listen/],
    [["-s"], 2, /hint: sock help lists the commands/],
    [["echo", "-i", "10ms", "web1"], 2, /hint: --interval 10ms/],
    [["echo", "web1", "-d", "10s"], 2, /hint: --duration 10s/],
    [["echo", "web1", "--wait", "1s"], 2, /hint: nothing is lost over TCP/],
    [["echo", "web1", "--interval", "0.5us"], 2, /^sock: --interval must be from 1us to 1h\n/],
    [["udp", "web1", "-i", "hello"], 2, /hint: leave out one of the two/],
    [["echo", "web1", "-i", "hello"], 2, /hint: leave out one of the two/],
    [["udp", "tcp://127.0.0.1:7"], 2, /hint: sock echo tcp:\/\/127.0.0.1:7/],
    [["udp", "web1", "--interval", "10", "ms"], 2, /hint: which unit\? 10ms or 10s/],
    [["udp", "web1", "--interval", "1us"], 2, /^sock: --interval must be from 5us to 1h\n/],
    [["udp", "web1", "--count", "0"], 2, /^sock: --count must be from 1 to /],
    [["udp", "web1", "--max-loss", "1"], 2, /hint: write 1%/],
    [["udp", "web1", "--report"], 2, /hint: --report FILE/],
    [["echo", "web1", "--max-loss", "1%"], 2, /hint: sock udp measures losses/],
    [["udp", "127.0.0.1"], 7, /udp:\/\/127.0.0.1:PORT\n/],
    [["echo", "127.0.0.1:7625", "hi"], 7, /hint: sock join CODE .* tcp:\/\/127.0.0.1:7625/],
    [["plain", "echo=udp://127.0.0.1:0", "--impair", "loss=1%"], 2, /hint: did you mean drop\?/],
    [["plain", "echo=udp://127.0.0.1:0", "--impair", "drop=10"], 2, /not a percentage\n.* write drop=10%\n/],
    [["plain", "echo=udp://127.0.0.1:0", "--impair", "drop 10%"], 2, /hint: write drop=0.5%\n/],
    [["plain"], 2, /hint: sock plain echo=tcp:/],
    [["plain", "echo=7000"], 2, /hint: write tcp:\/\/127.0.0.1:7000/],
    [["chat", "--listen", "9000"], 2, /hint: tcp:\/\/127.0.0.1:9000/],
    [["chat", "127.0.0.1:9000"], 7, /hint: sock join CODE .* tcp:\/\/127.0.0.1:9000/],
    [["shell", "web1:22"], 255, /hint: did you mean web1\? its port came with the code\n/],
    [["udp", "web1:7", "--count", "2"], 7, /hint: did you mean web1\?/],
    [["open", "tcp://127.0.0.1:9000"], 2, /hint: only put, get, echo, udp, shell and chat/],
    [["put", "f", "web1:x", "tree"], 2, /hint: the place comes last: sock put f tree web1:x\n/],
    [["get", "web1:f", "-o", "x"], 2, /hint: where to comes last: sock get HOST:PATH DEST\n/],
    [["get", "web1:f", "--resume"], 2, /hint: .* goes on by itself/],
    [["ls", "-lt", "web1"], 2, /hint: names are sorted by their bytes/],
    [["ls", "-1", "web1"], 2, /hint: it is one a line/],
    [["ls", "web1:a", "web1:b"], 2, /hint: one place each time, or a pattern/],
    [["invite", "--allow", "put", "get"], 2, /hint: with commas: --allow put,get\n/],
    [["clients", "rm", "kai"], 2, /hint: .*sock revoke NAME/],
    [["chat", "web1", "hello"], 2, /hint: from a pipe/],
    [["ls", "tcp://127.0.0.1:7"], 2, /hint: only put, get, echo, udp, shell and chat/],
    [["open", "web1", "script.txt"], 2, /hint: a script: sock open HOST < FILE/],
    [["open", "web1", "-c", "rm f"], 2, /hint: sock deletes nothing; run rm/],
    [["open", "web1", "-c", "put f web1:x"], 2, /hint: x, from the folder of the prompt; \/x, from the top/],
    [["open", "web1", "-c", "get f web1:x"], 2, /hint: x, from/],
    [["open", "web1", "-c", "exit 3"], 2, /hint: help exit\n/],
    [["shell", "web1", "-L", "80:x:80"], 255, /hint: sock forwards no ports/],
  ];
  for (const [line, status, hint] of LINES) {
    test(line.join(" "), async () => {
      const ran = await run(...line);
      expect([ran.status, ran.stdout]).toEqual([status, ""]);
      expect(ran.stderr).toMatch(hint);
    });
  }

  test("never stands in the way of a command of ours", () => {
    expect([...COMMANDS.keys()].filter((name) => commandHabit(name) !== undefined)).toEqual([]);
    expect([commandHabit("constructor"), flagHabit("toString", "-r"), flagHabit("put", "valueOf")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("what can't land is told once", () => {
  const LINES: [string[], string][] = [
    [["get", "web1:f/"], "sock: f/: is a file\nsock: hint: leave out the / at its end\n"],
    [["get", "web1:f", "f/"], "sock: f/: is not a folder\n"],
    [["get", "web1:tree", "f"], "sock: f: is not a folder\nsock: 1 of 1 failed\n"],
    [["put", "tree", "web1:f"], "sock: f: is a file, and what comes goes into a folder\n"],
    [["put", "f", "tree", "web1:f"], "sock: f: is a file, and what comes goes into a folder\n"],
    [["put", "tree", "web1:f", "--dry-run"], "sock: f: is a file, and what comes goes into a folder\n"],
  ];
  for (const [line, words] of LINES) {
    test(line.join(" "), async () => {
      expect(await run(...line)).toMatchObject({ status: 1, stderr: words });
      const { stdout } = await run(...line, "--json");
      expect(resultOf(stdout)).toMatchObject({ status: 1, code: "not-folder" });
      expect(events(stdout).filter(({ type }) => type === "file").length).toBeLessThan(2);
    });
  }
});

test("a name that is taken, and one that was revoked before, are told", async () => {
  const owner = (...args: string[]) => sock(args, { home: server.home });
  expect((await owner("invite", "--name", "kai")).stderr).not.toContain("taken");
  expect((await owner("revoke", "kai")).stderr).toBe("revoked the code kai\n");
  expect((await owner("invite", "--name", "kai")).stderr).toMatch(/^kai-2 .*\n.*kai is taken\n/);
  expect((await owner("revoke", "kai")).stderr).toBe("the code kai was revoked before\n");
});
