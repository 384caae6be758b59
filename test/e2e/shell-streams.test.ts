import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { closeSync, constants, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { codeAt } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { childEnv, events, resultOf, SOCK } from "../helpers/run.ts";
import type { Serving } from "../helpers/serve.ts";
import {
  childrenOf,
  isAlive,
  processOf,
  residentMiB,
  shell,
  shellServer,
  startShell,
  writtenBy,
} from "../helpers/shell.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const MIB = 1024 * 1024;
const SIZES = [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 100 * MIB];

/** Bytes that repeat nowhere near each other, so that a lost or doubled piece shows. */
function noise(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  const words = new Uint32Array(bytes.buffer, 0, Math.floor(size / 4));
  for (let at = 0; at < words.length; at++) words[at] = Math.imul(at + 1, 2_654_435_761);
  return bytes;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("byte for byte, both ways", () => {
  for (const size of SIZES) {
    test(`${size} bytes`, async () => {
      await using server = await shellServer();
      const sent = noise(size);
      await using child = await startShell(server, ["--", "cat"], { stdin: sent });
      expect(await child.ended()).toBe(0);
      expect(child.bytes().length).toBe(size);
      expect(sha256(child.bytes())).toBe(sha256(sent));
      expect(child.stderr()).toBe("");
      // the same on the other stream
      await using folder = await temporaryFolder();
      const other = Bun.spawn([SOCK, "shell", "--", "sh", "-c", "cat >&2"], {
        env: childEnv(folder.path, { SOCK_JOIN: server.join }),
        stdin: sent,
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, err, status] = await Promise.all([
        other.stdout.bytes(),
        other.stderr.bytes(),
        other.exited,
      ]);
      expect([status, out.length, err.length]).toEqual([0, 0, size]);
      expect(sha256(err)).toBe(sha256(sent));
    }, 60_000);
  }
});

test("stdout and stderr are apart, each in its order, and stderr goes on after stdout's end", async () => {
  await using server = await shellServer();
  const line = "for i in $(seq 2000); do echo o$i; echo e$i >&2; done; exec >&-; echo after >&2";
  const ran = await shell(server, ["-n", "-c", line]);
  const numbers = (letter: string): string =>
    Array.from({ length: 2000 }, (_, index) => `${letter}${index + 1}\n`).join("");
  expect(ran.stdout).toBe(numbers("o"));
  expect(ran.stderr).toBe(`${numbers("e")}after\n`);
  expect(ran.status).toBe(0);
});

describe("stdin", () => {
  test("-n: empty, whatever is here", async () => {
    await using server = await shellServer();
    const ran = await shell(server, ["-n", "--", "wc", "-c"], { stdin: "not for you" });
    expect(ran).toMatchObject({ stdout: "0\n", status: 0 });
  });

  test("as it comes: a line is answered before the next is there, and the end is its end", async () => {
    await using server = await shellServer();
    await using child = await startShell(server, ["--", "cat"], { pipe: true });
    const { stdin } = child.process;
    if (typeof stdin !== "object") throw new Error("no pipe");
    for (const line of ["one\n", "two\n"]) {
      await stdin.write(line);
      await stdin.flush();
      await until(() => child.stdout().endsWith(line), line);
    }
    await stdin.end();
    expect(await child.ended()).toBe(0);
    expect(child.stdout()).toBe("one\ntwo\n");
  });

  test("a command that ends without having read it ends at once, with 50 MB on their way, or while it stays open", async () => {
    await using server = await shellServer();
    const ran = await shell(server, ["--", "sh", "-c", "exit 3"], { stdin: noise(50 * MIB) });
    expect(ran).toMatchObject({ status: 3, stderr: "" });
    const head = await shell(server, ["--", "head", "-c", "5"], { stdin: noise(50 * MIB) });
    expect([head.status, head.stdout.length]).toEqual([0, 5]);
    await using open = await startShell(server, ["--", "sh", "-c", "exit 4"], { pipe: true });
    expect(await open.ended()).toBe(4);
  });

  test("one that closes its stdin and goes on is not disturbed", async () => {
    await using server = await shellServer();
    const line = "exec <&-; sleep 0.3; echo still here";
    const ran = await shell(server, ["-c", line], { stdin: noise(20 * MIB) });
    expect(ran).toMatchObject({ stdout: "still here\n", status: 0 });
  });
});

test("a child that never reads stdin, 50 MB sent to it: memory flat, and Ctrl-C ends it at once", async () => {
  await using server = await shellServer();
  const before = residentMiB(server.process.pid);
  await using child = await startShell(server, ["--", "sh", "-c", "echo up; exec sleep 100"], {
    stdin: noise(50 * MIB),
  });
  await until(() => child.stdout() === "up\n");
  const clientBefore = residentMiB(child.process.pid);
  await until(() => residentMiB(server.process.pid) > 0);
  const started = performance.now();
  child.process.kill("SIGINT");
  expect(await child.ended()).toBe(130);
  expect(performance.now() - started).toBeLessThan(1000);
  expect(residentMiB(server.process.pid) - before).toBeLessThan(30);
  expect(clientBefore).toBeLessThan(250);
});

describe("the reader here", () => {
  test("goes away (| head -1): the producer there stops within 1 s, and it is no success", async () => {
    await using server = await shellServer();
    await using child = await startShell(server, ["-n", "--", "sh", "-c", 'echo "$$"; exec yes'], {});
    const pid = Number(await until(() => /^(\d+)\ny/.exec(child.stdout())?.[1], "output"));
    expect(isAlive(pid)).toBe(true);
    await using folder = await temporaryFolder();
    const line = `"$SOCK" shell -n -- sh -c 'echo $$; exec yes'; echo "status $?" >"$1"`;
    const piped = Bun.spawn(["sh", "-c", `(${line}) | head -1`, "sh", folder.join("status")], {
      env: { ...process.env, SOCK, SOCK_JOIN: server.join, SOCK_HOME: folder.path },
      stdout: "pipe",
      stderr: "pipe",
    });
    const remote = Number((await piped.stdout.text()).trim());
    const started = performance.now();
    await until(() => !isAlive(remote), "the end of yes");
    expect(performance.now() - started).toBeLessThan(1000);
    const file = folder.join("status");
    const status = await until(() => existsSync(file) && (readFileSync(file, "utf8") || undefined));
    expect(status).toMatch(/^status (255|141)\n$/);
    // the other one was not disturbed
    expect(isAlive(pid)).toBe(true);
  });

  test("stops: so does the producer, memory stays flat on both sides, and Ctrl-C works", async () => {
    await using server = await shellServer();
    await using reader = await unread(server, ["-n", "--", "yes"]);
    const stands = async (): Promise<boolean> => {
      const before = writtenByChild("yes", server.process.pid) ?? 0;
      await Bun.sleep(200);
      return before > MIB && writtenByChild("yes", server.process.pid) === before;
    };
    await until(stands, "yes to stand still");
    // the credit, and what pipes and sockets hold
    expect(writtenByChild("yes", server.process.pid)).toBeLessThan(8 * MIB);
    expect(residentMiB(server.process.pid)).toBeLessThan(200);
    expect(residentMiB(reader.child.pid)).toBeLessThan(200);
    const started = performance.now();
    reader.child.kill("SIGINT");
    await until(() => writtenByChild("yes", server.process.pid) === undefined, "the end of yes");
    expect(performance.now() - started).toBeLessThan(1000);
    // its status waits for what was written to be read
    await until(() => reader.read() === "", "the end of the output");
    expect(await reader.child.exited).toBe(130);
  }, 20_000);

  test("is slow after a command that wrote 5 MB and ended: every byte arrives", async () => {
    await using server = await shellServer();
    await using slow = await unread(server, ["-n", "--json", "-c", "head -c 5000000 /dev/zero; echo >&2"]);
    let text = "";
    for (;;) {
      const piece = slow.read();
      if (piece === "") break;
      text += piece ?? "";
      await Bun.sleep(1);
    }
    expect(await slow.child.exited).toBe(0);
    const shown = events(text).filter(({ type, stream }) => type === "output" && stream === "stdout");
    expect(shown.reduce((sum, event) => sum + String(event["text"]).length, 0)).toBe(5_000_000);
    expect(resultOf(text)).toMatchObject({ stdout_bytes: 5_000_000, stderr_bytes: 1, status: 0 });
  }, 20_000);
});

test("seq 1 2000000 over a slow link, again and again: the last line is always there", async () => {
  await using server = await shellServer();
  await using relay = await Relay.start(server.port);
  relay.faults.down.rate = 40 * MIB;
  relay.faults.down.delayMs = 2;
  const join = codeAt(server.join, relay.port);
  const runs = 8;
  const wanted = 14_888_896;
  for (let run = 0; run < runs; run++) {
    await using child = await startShell({ join }, ["-n", "--", "seq", "1", "2000000"]);
    expect(await child.ended()).toBe(0);
    expect(child.bytes().length).toBe(wanted);
    expect(child.bytes().subarray(-8).toString()).toBe("2000000\n");
  }
}, 60_000);

test("a hundred short commands, each with its last line", async () => {
  await using server = await shellServer();
  await using relay = await Relay.start(server.port);
  relay.faults.down.rate = 2 * MIB;
  const join = codeAt(server.join, relay.port);
  const one = async (): Promise<string> =>
    (await shell({ join }, ["-n", "--", "seq", "1", "3000"])).stdout.slice(-10);
  for (let round = 0; round < 10; round++) {
    const ends = await Promise.all(Array.from({ length: 10 }, one));
    expect(new Set(ends)).toEqual(new Set(["2999\n3000\n"]));
  }
}, 60_000);

test("--max-output ends a command that writes more; one that writes as much is left alone", async () => {
  await using server = await shellServer();
  const much = await shell(server, ["-n", "--json", "--max-output", "100000", "--", "yes"]);
  expect(much.status).toBe(255);
  expect(resultOf(much.stdout)).toMatchObject({ code: "too-large", stdout_bytes: 100_000 });
  for (const size of [99_999, 100_000]) {
    const args = ["-n", "--json", "--max-output", "100000", "--", "head", "-c", String(size), "/dev/zero"];
    const ran = await shell(server, args);
    expect([size, ran.status, resultOf(ran.stdout)]).toMatchObject([size, 0, { stdout_bytes: size }]);
  }
});

test("--json: pieces of output as events, text or base64, and nothing else on stdout", async () => {
  await using server = await shellServer();
  const line = String.raw`printf 'hello\n'; sleep 0.2; printf 'oops' >&2; sleep 0.2; printf '\377\376'`;
  const ran = await shell(server, ["-n", "--json", "-c", line]);
  expect(events(ran.stdout)).toMatchObject([
    { type: "output", stream: "stdout", text: "hello\n" },
    { type: "output", stream: "stderr", text: "oops" },
    { type: "output", stream: "stdout", data64: "//4=" },
    { type: "result", status: 0, stdout_bytes: 8, stderr_bytes: 4, held_open: false },
  ]);
  expect(ran.stderr).toBe("");
});

test("/dev/stdout, /dev/stderr and /dev/stdin can be opened, as under a pipe of a shell", async () => {
  await using server = await shellServer();
  const line = "cat /dev/stdin > /dev/stdout; echo err > /dev/stderr";
  const ran = await shell(server, ["-c", line], { stdin: "in\n" });
  expect(ran).toMatchObject({ stdout: "in\n", stderr: "err\n", status: 0 });
});

/** A run whose stdout is a pipe that is not read until the test does so. (A pipe of Bun.spawn is always read.) */
async function unread(server: Serving, args: readonly string[]) {
  const folder = await temporaryFolder();
  const fifo = folder.join("fifo");
  await Bun.spawn(["mkfifo", fifo]).exited;
  const from = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const to = openSync(fifo, constants.O_WRONLY);
  const child = Bun.spawn([SOCK, "shell", ...args], {
    env: childEnv(folder.path, { SOCK_JOIN: server.join }),
    stdin: "ignore",
    stdout: to,
    stderr: "inherit",
  });
  closeSync(to);
  const piece = Buffer.alloc(64 * 1024);
  return {
    child,
    /** What has come, "" at the end, undefined where nothing is there now. */
    read: (): string | undefined => {
      try {
        return piece.subarray(0, readSync(from, piece)).toString("latin1");
      } catch {
        return undefined;
      }
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
      closeSync(from);
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Bytes that a child of the server has written; undefined where there is no such child. */
function writtenByChild(name: string, parent: number): number | undefined {
  const pid = childrenOf(parent).find((each) => processOf(each)?.name === name && isAlive(each));
  return pid === undefined ? undefined : writtenBy(pid);
}
