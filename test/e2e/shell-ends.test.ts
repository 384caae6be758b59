import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { SockError } from "../../src/errors.ts";
import { codeAt, start } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { scriptedClient, scriptedServer } from "../helpers/scripted.ts";
import { isAlive, processesWith, shell, shellServer, sleepWord, startShell } from "../helpers/shell.ts";
import { until } from "../helpers/until.ts";

const HAS_PYTHON = Bun.which("python3") !== null;
if (!HAS_PYTHON) console.warn("a test of held back output is skipped: no python3 here");

describe("a background child that holds the pipe", () => {
  test("sleep 10 & echo hi returns at once, and the result says so", async () => {
    await using server = await shellServer();
    const word = sleepWord();
    const started = performance.now();
    const ran = await shell(server, ["-n", "--json", "-c", `sleep ${word} & echo hi`]);
    expect(performance.now() - started).toBeLessThan(2000);
    expect(resultOf(ran.stdout)).toMatchObject({ status: 0, held_open: true, stdout_bytes: 3 });
    // it was left there on purpose, and stays when the connection has long been closed
    await until(() => server.stdout().includes('"verb":"exec"'));
    await Bun.sleep(2500);
    const [pid] = processesWith(`sleep\0${word}`);
    expect(isAlive(pid ?? 0)).toBe(true);
    process.kill(pid ?? 0, "SIGKILL");
    const twin = await shell(server, ["-n", "--json", "-c", "sleep 0.1 & echo hi; wait"]);
    expect(resultOf(twin.stdout)).toMatchObject({ status: 0, held_open: false, stdout_bytes: 3 });
  });

  test("one that goes on writing for a while is waited for", async () => {
    await using server = await shellServer();
    const ran = await shell(server, [
      "-n",
      "--json",
      "-c",
      "(for i in 1 2 3 4 5 6; do sleep 0.1; echo $i; done) & true",
    ]);
    expect(resultOf(ran.stdout)).toMatchObject({ status: 0, held_open: false, stdout_bytes: 12 });
  });
});

test.skipIf(!HAS_PYTHON)(
  "output that a full line holds back when the command ends is not taken for silence",
  async () => {
    await using server = await shellServer();
    await using relay = await Relay.start(server.port);
    using peer = await scriptedClient(codeAt(server.join, relay.port));
    relay.faults.down.stalled = true;
    // each within its credit, and together more than the server, the relay and the kernel hold
    const script = `import os, time
os.set_blocking(1, False)
written = idle = 0
while idle < 40 and written < 900000:
  try: written += os.write(1, b"x" * 4096); idle = 0
  except BlockingIOError: idle += 1; time.sleep(0.01)
open("written", "a").write(f"{written}\\n")`;
    const words = new TextEncoder().encode(`python3\0-c\0${script}\0`);
    const exec = { cwd: server.home, env: {}, stdin: false, detach: false, max_output: null };
    const count = 16;
    for (let command = 0; command < count; command++) {
      peer.send({ type: "exec", bytes: words.length, ...exec });
      peer.send({ type: "words", size: words.length }, words);
      peer.send({ type: "finish" });
    }
    const written = async (): Promise<number[]> =>
      (await readFile(`${server.home}/written`, "utf8").catch(() => "")).trim().split("\n").map(Number);
    const stands = async (): Promise<boolean> => {
      const before = (await written()).length;
      await Bun.sleep(1500);
      return before > 1 && before === (await written()).length;
    };
    await until(stands, "a line that is full", 30_000);
    expect((await written()).length).toBeLessThan(count);
    relay.faults.down.stalled = false;
    const told: unknown[] = [];
    let arrived = 0;
    while (told.length < count) {
      const frame = await peer.channel.next();
      if (frame.header.type === "out") arrived += frame.body?.length ?? 0;
      if (frame.header.type === "exit") told.push([arrived, frame.header["held_open"]]);
      if (frame.header.type === "exit") arrived = 0;
      frame.release?.();
    }
    expect(told).toEqual((await written()).map((bytes) => [bytes, false]));
  },
  60_000,
);

test("a server that stands still for a moment does not take that for silence", async () => {
  await using server = await shellServer();
  const line = "(for i in $(seq 25); do echo n$i; sleep 0.05; done) & echo hi";
  await using child = await startShell(server, ["-n", "--json", "-c", line]);
  await until(() => child.stdout().includes("n5"));
  server.process.kill("SIGSTOP");
  await Bun.sleep(800);
  server.process.kill("SIGCONT");
  expect(await child.ended()).toBe(0);
  expect(child.stdout()).toContain("n25");
  expect(resultOf(child.stdout())).toMatchObject({ status: 0, held_open: false });
});

test("open: what is still to be written here when it has ended disturbs no command behind it", async () => {
  await using server = await shellServer();
  await using child = await start(["open"], {
    env: { SOCK_JOIN: server.join },
    stdin: "run seq 200000\nrun printf END",
    before: ["sh", "-c", '"$@" | { sleep 1; cat; }', "sh"],
  });
  expect(await child.ended()).toBe(0);
  expect(child.stderr()).toBe("");
  expect(child.stdout()).toEndWith("\n200000\nEND");
  expect(server.stdout()).not.toContain("refused");
});

describe("the end comes behind a character that could still be another", () => {
  const SEEN: [encoding: string, bytes: number[], text: string][] = [
    ["auto", [0xc4, 0xe3], "你"],
    ["gbk", [0xc4, 0xe3, 0xc4], "你\ufffd"],
  ];
  for (const [encoding, bytes, text] of SEEN) {
    test(`of a command whose line breaks: what has arrived is shown (${encoding})`, async () => {
      using server = scriptedServer(
        async (peer) => {
          peer.send({ type: "begun", pid: 1 });
          peer.send({ type: "out", size: bytes.length }, new Uint8Array(bytes));
          await peer.channel.flushed();
          peer.channel.end();
        },
        ["exec", "shell"],
      );
      const ran = await shell(server, ["-n", "--encoding", encoding, "-c", "true"]);
      expect([ran.status, ran.stdout]).toEqual([255, text]);
    });

    test(`of a terminal whose server stops: what has arrived is shown (${encoding})`, async () => {
      using server = scriptedServer(
        (peer) => {
          peer.send({ type: "attached", id: "0".repeat(32), name: "1", at: 0, taken: 0 });
          peer.send({ type: "bytes", at: 0, size: bytes.length }, new Uint8Array(bytes));
          peer.channel.refuse(new SockError("draining", "the server was stopped"));
        },
        ["shell"],
      );
      await using child = await startShell(server, ["--encoding", encoding], { terminal: true });
      expect(await child.ended()).toBe(255);
      expect(child.stdout()).toStartWith(text);
    });
  }
});

describe("the client has gone", () => {
  /** Its own group, and no ear for the gentle signals. */
  const DEAF = (word: string): string =>
    `set -m; trap '' HUP TERM INT; (trap '' HUP TERM INT; sleep ${word}; true) & echo up; sleep ${word}`;

  test("killed: the command's whole session is gone, also what does not listen to SIGHUP and SIGTERM", async () => {
    await using server = await shellServer();
    const word = sleepWord();
    await using child = await startShell(server, ["-n", "--with", "bash", "-c", DEAF(word)]);
    await until(
      () => child.stdout() === "up\n" && processesWith(`sleep\0${word}`).length >= 2,
      "both of them",
    );
    child.process.kill("SIGKILL");
    await until(() => processesWith(word).length === 0, "the end of the session");
  });

  test("one that ends well at SIGTERM gets the time for it", async () => {
    await using server = await shellServer();
    const file = `${server.home}/last words`;
    const line = `trap 'sleep 0.3; echo bye > "${file}"; exit' TERM HUP; echo up; while :; do sleep 0.05; done`;
    await using child = await startShell(server, ["-n", "-c", line]);
    await until(() => child.stdout() === "up\n");
    child.process.kill("SIGKILL");
    await until(() => existsSync(file), "its last words");
  });

  for (const how of ["reset", "end"] as const) {
    test(`the cable pulled (${how}): gone there, 255 here, never 0`, async () => {
      await using server = await shellServer();
      await using relay = await Relay.start(server.port);
      const word = sleepWord();
      await using child = await startShell({ join: codeAt(server.join, relay.port) }, [
        "-n",
        "--json",
        "-c",
        `echo up; sleep ${word}; exit 0`,
      ]);
      await until(() => child.stdout().includes("up"));
      relay.cutAll(how);
      expect(await child.ended()).toBe(255);
      expect(resultOf(child.stdout())).toMatchObject({ code: "lost" });
      await until(() => processesWith(word).length === 0, "the end of the session");
    });
  }

  test("--detach: it goes on", async () => {
    await using server = await shellServer();
    const word = sleepWord();
    const file = `${server.home}/done`;
    const line = `echo up; sleep 0.5; yes | head -c 3000000; echo more >&2; echo done > ${file}; sleep ${word}`;
    await using child = await startShell(server, ["-n", "--detach", "-c", line]);
    await until(() => child.stdout() === "up\n");
    child.process.kill("SIGKILL");
    await until(() => existsSync(file) && readFileSync(file, "utf8") === "done\n", "its work");
    const pid = await until(() => processesWith(`sleep\0${word}`)[0]);
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, "SIGKILL");
  });

  test("cut in the middle of the output at many places: never status 0 with less than all", async () => {
    await using server = await shellServer();
    await using relay = await Relay.start(server.port);
    const join = codeAt(server.join, relay.port);
    const whole = 300_000;
    for (const at of [3000, 5000, 50_000, 150_000, 300_000, 303_000]) {
      relay.faults.down.cutAfter = at;
      for (const cut of ["end", "reset"] as const) {
        relay.faults.down.cut = cut;
        const ran = await shell({ join }, ["-n", "--", "head", "-c", String(whole), "/dev/zero"]);
        if (ran.status === 0) expect([at, ran.stdout.length]).toEqual([at, whole]);
        else expect([at, ran.status]).toEqual([at, 255]);
        if (at < whole) expect(ran.status).not.toBe(0);
      }
    }
  }, 30_000);
});

describe("signals go on to the remote process group", () => {
  for (const [name, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ] as const) {
    test(`${name}: ends what does not catch it, 128 + ${number}; its child too`, async () => {
      await using server = await shellServer();
      const word = sleepWord();
      await using child = await startShell(server, [
        "-n",
        "--json",
        "--",
        "bash",
        "-c",
        `echo up; sleep ${word}; true`,
      ]);
      await until(() => child.stdout().includes("up") && processesWith(`sleep\0${word}`).length === 1);
      child.process.kill(name);
      expect(await child.ended()).toBe(128 + number);
      expect(resultOf(child.stdout())).toMatchObject({ remote_status: null, signal: name });
      await until(() => processesWith(word).length === 0, "its child's end");
    });

    test(`${name}: what catches it decides about its status, and all of its words arrive`, async () => {
      await using server = await shellServer();
      const line = `trap 'echo caught; exit 7' ${name.slice(3)}; echo up; while :; do sleep 0.05; done`;
      await using child = await startShell(server, ["-n", "-c", line]);
      await until(() => child.stdout() === "up\n");
      child.process.kill(name);
      expect(await child.ended()).toBe(7);
      expect(child.stdout()).toBe("up\ncaught\n");
    });
  }

  test("a second SIGINT kills what does not listen to the first", async () => {
    await using server = await shellServer();
    const line = "trap 'echo no' INT; echo up; while :; do sleep 0.05; done";
    await using child = await startShell(server, ["-n", "-c", line]);
    await until(() => child.stdout() === "up\n");
    child.process.kill("SIGINT");
    await until(() => child.stdout() === "up\nno\n");
    child.process.kill("SIGINT");
    expect(await child.ended()).toBe(137);
  });

  test("before anything runs there a SIGINT ends us, 130", async () => {
    await using server = await shellServer();
    await using relay = await Relay.start(server.port);
    relay.faults.down.stalled = true;
    await using child = await startShell({ join: codeAt(server.join, relay.port) }, ["-n", "--", "true"]);
    await until(() => relay.accepted > 0);
    child.process.kill("SIGINT");
    expect(await child.ended()).toBe(130);
  });

  test("in a dead link the third SIGINT ends us, whatever happens there", async () => {
    await using server = await shellServer();
    await using relay = await Relay.start(server.port);
    await using child = await startShell({ join: codeAt(server.join, relay.port) }, [
      "-n",
      "-c",
      "echo up; sleep 100",
    ]);
    await until(() => child.stdout() === "up\n");
    relay.faults.up.stalled = true;
    relay.faults.down.stalled = true;
    child.process.kill("SIGINT");
    await Bun.sleep(100);
    child.process.kill("SIGINT");
    await Bun.sleep(100);
    child.process.kill("SIGINT");
    expect(await child.ended()).toBe(130);
  });
});

describe("the server's owner", () => {
  test("revokes the key while a command runs: it ends within a second or two, there and here", async () => {
    await using server = await shellServer();
    const join = (
      await sock(["invite", "--direct", "--name", "ci", "--allow", "shell"], { home: server.home })
    ).stdout;
    const word = sleepWord();
    await using child = await startShell({ join }, ["-n", "--json", "-c", `echo up; sleep ${word}`]);
    await until(() => child.stdout().includes("up"));
    await sock(["revoke", "ci"], { home: server.home });
    expect(await child.ended()).toBe(255);
    expect(resultOf(child.stdout())).toMatchObject({ code: "revoked" });
    await until(() => processesWith(word).length === 0, "the end of the command");
  });

  test("stops the server: a command that ends soon ends well, a long one is cut with its reason", async () => {
    await using server = await shellServer();
    await using short = await startShell(server, ["-n", "-c", "echo up; sleep 1; echo end"]);
    await until(() => short.stdout() === "up\n");
    const stopped = server.stop();
    expect(await short.ended()).toBe(0);
    expect(short.stdout()).toBe("up\nend\n");
    await stopped;
  });

  test("kills the server: 255 here", async () => {
    await using server = await shellServer();
    await using child = await startShell(server, ["-n", "--json", "-c", "echo up; exec sleep 3"]);
    await until(() => child.stdout().includes("up"));
    server.process.kill("SIGKILL");
    expect(await child.ended()).toBe(255);
    expect(resultOf(child.stdout())).toMatchObject({ code: "lost" });
  });
});

test("--timeout ends it here and there: 255, and the code says why", async () => {
  await using server = await shellServer();
  const word = sleepWord();
  const ran = await shell(server, ["-n", "--json", "--timeout", "500ms", "--", "sleep", word]);
  expect([ran.status, resultOf(ran.stdout)]).toMatchObject([255, { code: "timeout" }]);
  await until(() => processesWith(`sleep\0${word}`).length === 0, "the end of the command");
});
