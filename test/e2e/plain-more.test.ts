/** Servers that say more than they were asked, or more than they announced: nobody is told that all is well. */
import { describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { encodeInt32 } from "../../src/plain/int32.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { temporaryFolder } from "../helpers/temp.ts";

/** Answers each piece with what `change` makes of it. */
function server(change: (bytes: Uint8Array) => readonly Uint8Array[]): Disposable & { readonly url: string } {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: {
      data(socket, bytes) {
        socket.setNoDelay(true);
        for (const piece of change(bytes)) socket.write(piece);
      },
      end: (socket) => void socket.end(),
    },
  });
  return { url: `tcp://127.0.0.1:${listener.port}`, [Symbol.dispose]: () => listener.stop(true) };
}

const MORE = {
  doubled: (bytes: Uint8Array) => [bytes, bytes],
  "with a word behind it": (bytes: Uint8Array) => [Buffer.concat([bytes, Buffer.from("!")])],
};

describe.each(Object.entries(MORE))("an answer %s", (_name, change) => {
  test("to one text is not what the dialect says", async () => {
    using peer = server(change);
    const ran = await sock(["echo", peer.url, "hello", "--dialect", "echo", "--json"]);
    expect(resultOf(ran.stdout)).toMatchObject({ status: 9, code: "differs" });
  });

  test("without a stated dialect is shown, and not judged", async () => {
    using peer = server(change);
    const ran = await sock(["echo", peer.url, "hello"]);
    expect([ran.stdout.startsWith("hello"), ran.stdout.length > 6, ran.status]).toEqual([true, true, 0]);
  });

  test.each([[[]], [["--rate", "100"]]])("to the last one that is measured is found out %p", async (how) => {
    using peer = server(change);
    const ran = await sock(["echo", peer.url, "--count", "1", "--json", ...how]);
    expect(resultOf(ran.stdout)).toMatchObject({ done: 1, status: 9, code: "differs", complete: false });
  });
});

test("a datagram that comes twice is not taken for the answer to the next one", async () => {
  const socket = createSocket("udp4");
  const { promise: bound, resolve } = Promise.withResolvers<void>();
  socket.bind(0, "127.0.0.1", resolve);
  await bound;
  let before: Buffer | undefined;
  socket.on("message", (bytes, { port, address }) => {
    // the copy of the one before comes first
    for (const one of before === undefined ? [bytes] : [before, bytes]) socket.send(one, port, address);
    before = bytes;
  });
  const url = `udp://127.0.0.1:${socket.address().port}`;
  const ran = await sock(["echo", url, "--dialect", "echo", "--json"], { stdin: "a\nb\nb\nc\n" });
  socket.close();
  expect(events(ran.stdout).flatMap(({ text }) => (text === undefined ? [] : [text]))).toEqual([
    "a",
    "b",
    "b",
    "c",
  ]);
  expect(resultOf(ran.stdout)).toMatchObject({ status: 0, asked: 4, differ: 0 });
});

describe("an answer that is longer than its length", () => {
  const header = Buffer.from('{"total_size":3}');
  const framed = Buffer.concat([encodeInt32(header.length), header, Buffer.from("abc")]);
  test.each<[string, string, (bytes: Uint8Array) => readonly Uint8Array[]]>([
    ["exec-length", "a word behind it", () => [encodeInt32(3), Buffer.from("abcdef")]],
    ["exec-header", "a word behind it", () => [Buffer.concat([framed, Buffer.from("extra words")])]],
    ["exec-header", "the same again", () => [Buffer.concat([framed, framed])]],
  ])("%s with %s: a warning, and the next answer is its own", async (dialect, _what, change) => {
    using peer = server(change);
    const words = ["shell", peer.url, "--dialect", dialect];
    const one = await sock([...words, "-c", "ls"]);
    expect([one.stdout, one.status]).toEqual(["abc", 0]);
    expect(one.stderr).toContain("more than");
    const three = await sock(words, { stdin: "ls\nls\nls\n" });
    expect([three.stdout, three.status]).toEqual(["abcabcabc", 0]);
  });

  test("ftp-gt: the file has the length that was said, and it is said that more came", async () => {
    using peer = server((bytes) =>
      bytes[0] === 0x67 ? [Buffer.from("yes:4")] : [Buffer.from("abcd"), Buffer.from("efgh")],
    );
    await using folder = await temporaryFolder();
    const ran = await sock(["get", `${peer.url}/f`, "g"], { cwd: folder.path });
    expect([ran.status, readFileSync(folder.join("g"), "utf8")]).toEqual([0, "abcd"]);
    expect(ran.stderr).toContain("4 B more than");
  });

  test("exec: what comes after the pause is said, where it is not shown", async () => {
    using peer = server((bytes) => [bytes]);
    const late = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      socket: {
        data: (socket) => void socket.write("early"),
        // it hears that nobody waits any more
        end: (socket) => void socket.end("late"),
      },
    });
    const ran = await sock(["shell", `tcp://127.0.0.1:${late.port}`, "-c", "ls"]);
    late.stop(true);
    expect([ran.stdout, ran.status]).toEqual(["early", 0]);
    expect(ran.stderr).toContain("4 B came behind the last answer");
    const quiet = await sock(["shell", peer.url, "-c", "ls"]);
    expect([quiet.stdout, quiet.stderr]).toEqual(["ls", ""]);
  });
});
