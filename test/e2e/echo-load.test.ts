/** Echo over TCP with much at once: many bytes, many connections, and peers that do not read. */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { totalmem } from "node:os";
import { type Child, start } from "../helpers/child.ts";
import { anywhere, plain } from "../helpers/plain.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { scriptedClient } from "../helpers/scripted.ts";
import { serve } from "../helpers/serve.ts";
import { openDescriptors, residentMiB } from "../helpers/shell.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

describe("who ends its own half still gets every byte", () => {
  const BODY = 256 * KiB;
  const FRAMES = 64;

  for (const bye of [true, false]) {
    test(`a session, 16 MiB, ${bye ? "after its bye" : "without a bye"}`, async () => {
      await using server = await serve();
      using peer = await scriptedClient(server.join);
      const { channel } = peer;
      const bodies = Array.from({ length: FRAMES }, () => randomBytes(BODY));
      for (const [seq, body] of bodies.entries()) channel.send({ type: "echo", size: BODY, seq }, body);
      if (bye) peer.send({ type: "bye" });
      channel.connection.end();
      for (const [seq, body] of bodies.entries()) {
        const frame = await channel.next();
        expect(frame.header).toEqual({ type: "echo", size: BODY, seq });
        expect(Buffer.compare(frame.body ?? Buffer.of(), body)).toBe(0);
      }
      expect(await peer.next()).toBeUndefined();
    });
  }

  test("sock plain, 16 MiB", async () => {
    await using server = await plain([anywhere("echo")]);
    const sent = randomBytes(16 * MiB);
    const socket = connect({ host: "127.0.0.1", port: server.port("echo"), allowHalfOpen: true });
    const came: Buffer[] = [];
    const ended = Promise.withResolvers<void>();
    socket.on("data", (bytes: Buffer) => void came.push(bytes));
    socket.on("end", () => ended.resolve());
    socket.on("error", (error) => ended.reject(error));
    socket.end(sent);
    await ended.promise;
    expect(Buffer.concat(came).equals(sent)).toBe(true);
  });

  /** Short lines, empty ones, bytes that are no text, lines of many frames, and a last one without its end. */
  const LINES = Buffer.concat([
    Buffer.from(Array.from({ length: 2000 }, (_, at) => (at % 7 === 0 ? "\n" : `line ${at}\n`)).join("")),
    ...Array.from({ length: 32 }, () => Buffer.concat([randomBytes(256 * KiB), Buffer.from("\n")])),
    Buffer.from("the end"),
  ]);

  test("sock echo, more than 8 MiB of a file, and of a pipe", async () => {
    await using server = await serve();
    await using folder = await temporaryFolder();
    writeFileSync(folder.join("lines"), LINES);
    const env = { SOCK_JOIN: server.join };
    await using filed = await start(["echo"], { env, stdin: Bun.file(folder.join("lines")) });
    await using piped = await start(["echo"], { env, pipe: true });
    const { stdin } = piped.process;
    if (typeof stdin === "object") await Promise.all([stdin.write(LINES), stdin.end()]);
    for (const child of [filed, piped]) {
      expect(await child.ended()).toBe(0);
      expect(child.stderr()).toBe("");
      expect(child.bytes().equals(LINES)).toBe(true);
    }
  }, 60_000);
});

test("a client that sends and never reads is read no further: memory stays flat, others are served", async () => {
  /** What the server, and the kernel for it, may take of one client, bytes. */
  const MOST = 48 * MiB;
  /** Nothing was taken for so long, ms: then nothing will be. */
  const STILL = 500;
  await using server = await serve();
  const env = { SOCK_JOIN_W: server.join };
  const { pid } = server.process;
  const before = { resident: residentMiB(pid), descriptors: openDescriptors(pid) };
  const body = new Uint8Array(64 * KiB);
  {
    using deaf = new DisposableStack();
    const peers = await Promise.all([1, 2, 3].map(() => scriptedClient(server.join)));
    for (const peer of peers) deaf.use(peer).channel.connection.pause();
    for (const peer of peers) {
      const { connection } = peer.channel;
      let sent = 0;
      let isStuck = false;
      while (!isStuck && sent < MOST) {
        for (let seq = 0; seq < 16; seq++, sent += body.length) {
          peer.send({ type: "echo", size: body.length, seq }, body);
        }
        const taken = connection.drained() ?? Promise.resolve();
        isStuck = await Promise.race([taken.then(() => false), Bun.sleep(STILL).then(() => true)]);
      }
      expect(isStuck).toBe(true);
    }
    expect(residentMiB(pid) - before.resident).toBeLessThan(150);
    expect((await sock(["echo", "w", "hello"], { env })).stdout).toBe("hello\n");
    const measured = await sock(["echo", "w", "--count", "200", "--json"], { env });
    expect(resultOf(measured.stdout)).toMatchObject({ complete: true, done: 200 });
  }
  await until(() => openDescriptors(pid) <= before.descriptors, "the descriptors of those that are gone");
}, 60_000);

describe("connections at once", () => {
  const MANY = 10_000;
  const ROUND_TRIPS = 20_000;
  /** Beside the connections a process has a few descriptors of its own. */
  const OWN = 100;
  const reason = cantHold(MANY + OWN);

  test("1,000: each is served, and all leave again", async () => hold(1000), 60_000);

  test.skipIf(reason !== "")(
    `10,000: each is served, and all leave again${reason === "" ? "" : ` (skipped: ${reason})`}`,
    async () => hold(MANY),
    180_000,
  );

  /** So many sessions of one client, each with a round trip or more. */
  async function hold(count: number): Promise<void> {
    await using server = await serve();
    const { pid } = server.process;
    const before = openDescriptors(pid);
    await using child = await start(
      ["echo", "--conns", String(count), "--count", String(ROUND_TRIPS), "--json"],
      { env: { SOCK_JOIN: server.join }, longestMs: 150_000 },
    );
    const seen = async (): Promise<string | undefined> => {
      // to count 10,000 descriptors takes a while too
      await Bun.sleep(50);
      if (openDescriptors(pid) >= before + count) return "all at once";
      return hasEnded(child) ? child.stderr() : undefined;
    };
    expect(await until(seen, "so many at once", 120_000)).toBe("all at once");
    expect(await child.ended()).toBe(0);
    expect(child.stderr()).toBe("");
    expect(resultOf(child.stdout())).toMatchObject({
      complete: true,
      connections: count,
      sent: ROUND_TRIPS,
      done: ROUND_TRIPS,
    });
    const served = (): number => {
      const whole = server.stdout().slice(0, server.stdout().lastIndexOf("\n") + 1);
      return events(whole).filter(({ type, verb }) => type === "request" && verb === "echo").length;
    };
    await until(() => openDescriptors(pid) <= before, "the descriptors to be given back", 30_000);
    await until(() => served() >= count, "a line for each");
    expect(served()).toBe(count);
    const ran = await sock(["echo", "w", "still there"], { env: { SOCK_JOIN_W: server.join } });
    expect(ran.stdout).toBe("still there\n");
  }
});

function hasEnded({ process: { exitCode, signalCode } }: Child): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Why this machine can't hold so many descriptors in two processes; "" where it can. */
function cantHold(descriptors: number): string {
  if (process.platform !== "linux") return "descriptors are counted in /proc";
  // soft and hard; Bun raises the first to the second by itself
  const hard = /^Max open files +\S+ +(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? "";
  if (hard !== "unlimited" && Number(hard) < descriptors) return `ulimit -Hn is ${hard}`;
  if (totalmem() < 4 * 1024 * MiB) return "less than 4 GiB of memory";
  return "";
}
