import { describe, expect, test } from "bun:test";
import { resultOf } from "../helpers/run.ts";
import { type Peer, scriptedClient, scriptedServer } from "../helpers/scripted.ts";
import { childrenOf, processesWith, residentMiB, shell, shellServer, sleepWord } from "../helpers/shell.ts";
import { until } from "../helpers/until.ts";

const MIB = 1024 * 1024;
const encoder = new TextEncoder();

function exec(peer: Peer, words: readonly string[], more: { stdin?: boolean } = {}): void {
  const bytes = encoder.encode(words.map((word) => `${word}\0`).join(""));
  const rest = { cwd: null, env: {}, detach: false, max_output: null };
  peer.send({ type: "exec", bytes: bytes.length, stdin: more.stdin ?? false, ...rest });
  peer.send({ type: "words", size: bytes.length }, bytes);
}

describe("a hostile client", () => {
  const BEFORE: [string, (peer: Peer) => void][] = [
    ["in", (peer) => peer.send({ type: "in", size: 1 }, new Uint8Array(1))],
    ["in_end", (peer) => peer.send({ type: "in_end" })],
    ["words", (peer) => peer.send({ type: "words", size: 5 }, encoder.encode("true\0"))],
    ["signal", (peer) => peer.send({ type: "signal", name: "SIGKILL" })],
    ["credit", (peer) => peer.send({ type: "credit", stream: "out", bytes: 1 })],
    ["bytes", (peer) => peer.send({ type: "bytes", at: 0, size: 1 }, new Uint8Array(1))],
    ["ack", (peer) => peer.send({ type: "ack", at: 0 })],
    ["resize", (peer) => peer.send({ type: "resize", cols: 1, rows: 1 })],
    ["leave", (peer) => peer.send({ type: "leave", end: true })],
  ];
  for (const [what, send] of BEFORE) {
    test(`${what} before there is a command: the session ends, nothing runs`, async () => {
      await using server = await shellServer();
      using peer = await scriptedClient(server.join);
      send(peer);
      expect((await peer.until("error")).at(-1)).toMatchObject({ type: "error", code: "protocol" });
      expect(await peer.next()).toBeUndefined();
      expect(childrenOf(server.process.pid)).toEqual([]);
    });
  }

  const WRONG: [string, (peer: Peer) => void][] = [
    [
      "more than its credit",
      (peer) => {
        for (let at = 0; at < 3; at++) peer.send({ type: "in", size: MIB }, new Uint8Array(MIB));
      },
    ],
    ["a second command in the first", (peer) => exec(peer, ["true"])],
    [
      "a put in the command",
      (peer) => peer.send({ type: "put", to: "", digest: "sha256", on_exists: "replace" }),
    ],
    ["credit for stdin", (peer) => peer.send({ type: "credit", stream: "in", bytes: 1 })],
    ["a signal of no such name", (peer) => peer.send({ type: "signal", name: "SIGSTOP" })],
  ];
  for (const [what, send] of WRONG) {
    test(`${what}: the session ends, and the command with it`, async () => {
      await using server = await shellServer();
      using peer = await scriptedClient(server.join);
      const word = sleepWord();
      exec(peer, ["sleep", word], { stdin: true });
      await peer.until("begun");
      send(peer);
      expect((await peer.until("error")).at(-1)).toMatchObject({ type: "error", code: "protocol" });
      await until(() => processesWith(`sleep\0${word}`).length === 0, "the end of the command");
    });
  }

  const WORDS: [string, number, string[]][] = [
    ["no zero byte at the end", 4, ["true"]],
    ["more than was said", 5, ["true\0x"]],
    ["nothing in a frame", 5, ["", "true\0"]],
    ["no UTF-8", 5, ["\xfftru\0"]],
  ];
  for (const [what, bytes, pieces] of WORDS) {
    test(`words: ${what}: the session ends, nothing runs`, async () => {
      await using server = await shellServer();
      using peer = await scriptedClient(server.join);
      peer.send({ type: "exec", bytes, cwd: null, env: {}, stdin: false, detach: false, max_output: null });
      for (const piece of pieces) {
        peer.send({ type: "words", size: piece.length }, Buffer.from(piece, "latin1"));
      }
      expect((await peer.until("error", "begun")).at(-1)).toMatchObject({ type: "error", code: "protocol" });
    });
  }

  test("variables that are never set: refused, and the session is good for the next command", async () => {
    await using server = await shellServer();
    using peer = await scriptedClient(server.join);
    const words = encoder.encode("true\0");
    const rest = { bytes: words.length, cwd: null, stdin: false, detach: false, max_output: null };
    for (const name of ["LD_PRELOAD", "ld_preload", "NODE_OPTIONS", "BUN_X", "SOCK_HOME", "BASH_ENV"]) {
      peer.send({ type: "exec", ...rest, env: { [name]: "x" } });
      peer.send({ type: "words", size: words.length }, words);
      expect([name, (await peer.until("error", "begun")).at(-1)]).toMatchObject([name, { code: "policy" }]);
      peer.send({ type: "finish" });
    }
    exec(peer, ["true"]);
    expect((await peer.until("exit", "error")).at(-1)).toMatchObject({ type: "exit", status: 0 });
  });

  test("credit without end and a reader that stops: the server's memory stays flat", async () => {
    await using server = await shellServer();
    using peer = await scriptedClient(server.join);
    exec(peer, ["yes"]);
    await peer.until("begun");
    for (let at = 0; at < 1000; at++) peer.send({ type: "credit", stream: "out", bytes: MIB });
    peer.channel.connection.pause();
    const sizes: number[] = [];
    await until(async () => {
      await Bun.sleep(50);
      sizes.push(residentMiB(server.process.pid));
      return sizes.length > 20;
    });
    expect(Math.max(...sizes)).toBeLessThan(250);
  });
});

describe("a client that never says finish", () => {
  const pending: [string, (peer: Peer) => void, string][] = [
    ["after exit", (peer) => exec(peer, ["true"]), "exit"],
    ["after what refused its command", (peer) => exec(peer, ["/no/such/program"]), "error"],
    [
      "after over",
      (peer) => {
        peer.send({ type: "terminal", name: null, cols: 80, rows: 24, cwd: null, env: {} });
        peer.send({ type: "bytes", at: 0, size: 5 }, encoder.encode("exit\r"));
      },
      "over",
    ],
  ];
  test.concurrent.each(pending)("%s: is cut off", async (_when, ask, end) => {
    await using server = await shellServer();
    using peer = await scriptedClient(server.join);
    ask(peer);
    await peer.until(end);
    expect((await peer.until("error")).at(-1)).toMatchObject({ type: "error", code: "protocol" });
    expect(await peer.next()).toBeUndefined();
    // what it had is in the owner's list all the same
    const verb = end === "over" ? "shell" : "exec";
    await until(() => server.stdout().includes(`"verb":"${verb}"`), "its line");
  });

  test.concurrent("while it has not read the end it has all the time that it needs", async () => {
    await using server = await shellServer();
    using quick = await scriptedClient(server.join);
    using slow = await scriptedClient(server.join);
    for (const peer of [slow, quick]) {
      exec(peer, ["cat"], { stdin: true });
      await peer.until("begun");
    }
    slow.channel.connection.pause();
    for (const peer of [slow, quick]) peer.send({ type: "in_end" });
    await quick.until("error");
    slow.channel.connection.resume();
    expect((await slow.until("exit")).at(-1)).toMatchObject({ type: "exit", status: 0 });
    slow.send({ type: "finish" });
    exec(slow, ["true"]);
    expect((await slow.until("exit")).at(-1)).toMatchObject({ type: "exit", status: 0 });
  });
});

describe("a hostile server", () => {
  const begun = { type: "begun", pid: 1 };
  const exit = { type: "exit", status: 0, signal: null, out: 0, err: 0, held_open: false, over: false };
  const SCRIPTS: [string, string, (peer: Peer) => void][] = [
    [
      "more than its credit",
      "protocol",
      (peer) => {
        for (let at = 0; at < 40; at++) peer.send({ type: "out", size: MIB }, new Uint8Array(MIB));
      },
    ],
    [
      "fewer bytes than it counts",
      "cut",
      (peer) => {
        peer.send({ type: "out", size: 3 }, encoder.encode("abc"));
        peer.send({ ...exit, out: 4 });
      },
    ],
    [
      "more bytes than it counts",
      "cut",
      (peer) => {
        peer.send({ type: "err", size: 3 }, encoder.encode("abc"));
        peer.send(exit);
      },
    ],
    ["no end", "lost", (peer) => peer.channel.end()],
    [
      "credit for what it sends itself",
      "protocol",
      (peer) => peer.send({ type: "credit", stream: "out", bytes: 1 }),
    ],
    [
      "an answer to something else",
      "protocol",
      (peer) => peer.send({ type: "result", files: 0, bytes: 0, skipped: 0, failed: 0 }),
    ],
    [
      "a terminal's output",
      "protocol",
      (peer) => peer.send({ type: "bytes", at: 0, size: 1 }, new Uint8Array(1)),
    ],
  ];
  for (const [what, code, script] of SCRIPTS) {
    test(`${what}: 255, ${code}`, async () => {
      using server = scriptedServer(
        (peer) => {
          peer.send(begun);
          script(peer);
        },
        ["shell"],
      );
      const ran = await shell(server, ["-n", "--json", "--", "true"]);
      expect([ran.status, resultOf(ran.stdout)]).toMatchObject([255, { code }]);
    });
  }

  test("one that says the truth is believed", async () => {
    using server = scriptedServer(
      (peer) => {
        peer.send(begun);
        peer.send({ type: "out", size: 3 }, encoder.encode("abc"));
        peer.send({ ...exit, out: 3, status: 9 });
      },
      ["shell"],
    );
    expect(await shell(server, ["-n", "--", "true"])).toMatchObject({ status: 9, stdout: "abc", stderr: "" });
  });

  test("words for the terminal in an error are escaped", async () => {
    using server = scriptedServer(
      (peer) => {
        peer.send({ type: "error", code: "failed", message: "\u001b]52;c;x\u0007\u202e" });
      },
      ["shell"],
    );
    const ran = await shell(server, ["-n", "--", "true"]);
    expect(ran.status).toBe(255);
    expect(ran.stderr).not.toContain("\u001b");
    expect(ran.stderr).not.toContain("\u202e");
  });
});
