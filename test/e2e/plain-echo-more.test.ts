/** Echo servers that say more than they were asked: nothing is said after the last answer that nobody hears. */
import { describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { events, resultOf, sock } from "../helpers/run.ts";

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
