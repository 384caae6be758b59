/** Peers that never end or never read, and a log of ours that nobody reads: memory stays flat, and the others go on. */
import { expect, test } from "bun:test";
import { constants, openSync, readSync } from "node:fs";
import { anywhere, plain } from "../helpers/plain.ts";
import { childEnv, SOCK, sock } from "../helpers/run.ts";
import { residentMiB } from "../helpers/shell.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const BLOCK = new Uint8Array(256 * 1024).fill(10);

/** A server that sends without end, as fast as it is read. */
function endless(): Disposable & { readonly port: number } {
  const flood = (socket: Bun.Socket): void => {
    while (socket.write(BLOCK) === BLOCK.length);
  };
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: flood, drain: flood, data: () => undefined, error: () => undefined },
  });
  return { port: listener.port, [Symbol.dispose]: () => listener.stop(true) };
}

test.each([
  ["an answer to echo", ["hi"]],
  ["a greeting", ["--dialect", "greet"]],
])(
  "%s without an end is refused",
  async (_what, words) => {
    using server = endless();
    const ran = await sock(["echo", `tcp://127.0.0.1:${server.port}`, ...words]);
    expect(ran).toMatchObject({ status: 8, stdout: "" });
    expect(ran.stderr).toContain("does not stop");
  },
  30_000,
);

interface Peer extends Disposable {
  readonly got: () => number;
}

async function peerAt(port: number, reads: boolean): Promise<Peer> {
  let got = 0;
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (opened) => (reads ? undefined : opened.pause()),
      data: (_socket, bytes) => void (got += bytes.length),
    },
  });
  return { got: () => got, [Symbol.dispose]: () => socket.terminate() };
}

test("chat: one who reads nothing is put out, and the others hear all", async () => {
  await using server = await plain([anywhere("chat")], { pipe: true });
  const port = server.port("chat");
  using _dead = await peerAt(port, false);
  using live = await peerAt(port, true);
  const { stdin } = server.child.process;
  if (stdin === undefined || typeof stdin === "number") throw new Error("no pipe");
  const line = `${"z".repeat(99_999)}\n`;
  // both have to be in the room before anything is said
  await until(() => {
    void stdin.write("z\n");
    return live.got() > 0;
  }, "the first words");
  const before = live.got();
  for (let count = 0; count < 200; count++) void stdin.write(line);
  await stdin.flush();
  await until(() => live.got() - before >= 200 * 99_999, "all that was said");
  await until(() => server.events("request").length === 1, "the end of the one who does not read");
}, 30_000);

test.each([
  ["chat", []],
  ["echo", ["--trace"]],
])(
  "%s with a log that nobody reads: no more is taken than there is room for",
  async (dialect, words) => {
    await using folder = await temporaryFolder();
    const log = folder.join("log");
    await Bun.$`mkfifo ${log}`.quiet();
    const reading = openSync(log, constants.O_RDWR | constants.O_NONBLOCK);
    const child = Bun.spawn([SOCK, "plain", anywhere(dialect), ...words, "--json"], {
      env: childEnv(folder.path),
      stdin: "ignore",
      stdout: openSync(log, constants.O_WRONLY),
      stderr: "ignore",
    });
    try {
      let first = "";
      await until(() => {
        const block = Buffer.alloc(4096);
        try {
          first += block.toString("utf8", 0, readSync(reading, block));
        } catch {
          // nothing is there yet
        }
        return first.includes("\n");
      }, "it to listen");
      const { port } = JSON.parse(first) as { port: number };
      let sent = 0;
      let full = 0;
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: { data: () => undefined, drain: () => undefined },
      });
      await until(() => {
        const count = socket.write(BLOCK);
        sent += count;
        full = count > 0 ? 0 : full + 1;
        return full > 200 || sent > 200 * 1024 * 1024;
      }, "it to take no more");
      expect(sent).toBeLessThan(50 * 1024 * 1024);
      expect(residentMiB(child.pid)).toBeLessThan(300);
      socket.terminate();
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  },
  30_000,
);
