/** The client's side of each dialect, fed with an answer that is cut at every split point, and byte by byte. */
import { describe, expect, test } from "bun:test";
import { asSockError } from "../../src/errors.ts";
import { dialectFor } from "../../src/plain/dialects.ts";
import { Peer, type PeerSocket } from "../../src/plain/peer.ts";

const encoder = new TextEncoder();

/** A peer whose socket takes at most `most` bytes a write, and gives what is pushed. */
function peerOf(most = Infinity): { peer: Peer; written: () => string; drain: () => void } {
  const pieces: Uint8Array[] = [];
  const socket: PeerSocket = {
    write(bytes) {
      const taken = bytes.subarray(0, most);
      pieces.push(taken.slice());
      return taken.length;
    },
    shutdown: () => undefined,
    terminate: () => undefined,
    end: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
  };
  const peer = new Peer(socket, "test");
  return { peer, written: () => Buffer.concat(pieces).toString(), drain: () => peer.onDrain() };
}

/** The code with which it fails. */
async function failureOf(action: Promise<unknown>): Promise<string | undefined> {
  try {
    await action;
    return undefined;
  } catch (thrown) {
    return asSockError(thrown).code;
  }
}

function withLength(text: string): Uint8Array {
  const body = encoder.encode(text);
  const head = new Uint8Array(4);
  new DataView(head.buffer).setInt32(0, body.length, true);
  return Buffer.concat([head, body]);
}

function withHeader(text: string, fields: object = {}): Uint8Array {
  const header = JSON.stringify({ filename: "a", total_size: encoder.encode(text).length, ...fields });
  return Buffer.concat([withLength(header), encoder.encode(text)]);
}

const ANSWERS: readonly [dialect: string, answer: Uint8Array, body: string][] = [
  ["exec-length", withLength(""), ""],
  ["exec-length", withLength("hello 你好\n"), "hello 你好\n"],
  ["exec-header", withHeader(""), ""],
  ["exec-header", withHeader("hello 你好\n", { rate: 1.5, nested: { a: [1] } }), "hello 你好\n"],
  ["exec-textlen", encoder.encode("0"), ""],
  ["exec-textlen", encoder.encode("5hello"), "hello"],
  ["exec-textlen", encoder.encode("512345"), "12345"],
];

async function asked(dialect: string, pieces: readonly Uint8Array[]): Promise<string> {
  const { peer, written } = peerOf();
  const body: Uint8Array[] = [];
  const feeding = (async () => {
    for (const piece of pieces) {
      peer.onData(piece);
      await Promise.resolve();
    }
  })();
  const warn = (text: string): never => {
    throw new Error(text);
  };
  const answer = dialectFor("commands", dialect, "shell").ask(peer, encoder.encode("ls"), {
    pauseMs: 20,
    warn,
  });
  for await (const piece of answer) body.push(piece.slice());
  await feeding;
  expect(written()).toBe("ls");
  return Buffer.concat(body).toString();
}

describe.each(ANSWERS)("%s %p", (dialect, answer, body) => {
  test("byte by byte, and in one piece", async () => {
    expect(
      await asked(
        dialect,
        Array.from(answer, (byte) => Uint8Array.of(byte)),
      ),
    ).toBe(body);
    expect(await asked(dialect, [answer])).toBe(body);
  });

  test("cut at every split point", async () => {
    const all = Array.from({ length: answer.length - 1 }, (_, at) => at + 1);
    const said = await Promise.all(
      all.map(async (at) => asked(dialect, [answer.subarray(0, at), answer.subarray(at)])),
    );
    for (const one of said) expect(one).toBe(body);
  });

  test("an end at any byte before the last is no success", async () => {
    for (let at = 0; at < answer.length; at++) {
      const { peer } = peerOf();
      if (at > 0) peer.onData(answer.subarray(0, at));
      peer.onEnd();
      const options = { pauseMs: 20, warn: () => undefined };
      const pieces = dialectFor("commands", dialect, "shell").ask(peer, encoder.encode("ls"), options);
      const read = async (): Promise<number> => {
        let bytes = 0;
        for await (const piece of pieces) bytes += piece.length;
        return bytes;
      };
      expect(await failureOf(read())).toBe("cut");
    }
  });
});

test("a socket that takes a few bytes at a time gets all of them in order", async () => {
  const { peer, written, drain } = peerOf(3);
  const pump = setInterval(drain, 1);
  await Promise.all(["one ", "two two ", "three"].map(async (text) => peer.write(encoder.encode(text))));
  clearInterval(pump);
  expect(written()).toBe("one two two three");
});

test("what was read too far comes again, before what comes later", async () => {
  const { peer } = peerOf();
  peer.onData(encoder.encode("abcdef"));
  expect(String(Buffer.from((await peer.upTo(2)) ?? []))).toBe("ab");
  peer.onData(encoder.encode("ghi"));
  expect(String(Buffer.from(await peer.exactly(5)))).toBe("cdefg");
  peer.onEnd();
  expect(String(Buffer.from((await peer.read()) ?? []))).toBe("hi");
  expect(await peer.read()).toBeUndefined();
});

test("a request is all that comes without a pause, and never too long", async () => {
  const { peer } = peerOf();
  for (const text of ["l", "s", " /"]) peer.onData(encoder.encode(text));
  expect(String(Buffer.from((await peer.request(10)) ?? []))).toBe("ls /");
  peer.onData(new Uint8Array(100_000));
  expect(await failureOf(peer.request(10))).toBe("protocol");
});

test("bytes before a reset are read, then it is a failure", async () => {
  const { peer } = peerOf();
  peer.onData(encoder.encode("last"));
  peer.onClose(new Error("reset"));
  expect(String(Buffer.from((await peer.read()) ?? []))).toBe("last");
  expect(await failureOf(peer.read())).toBe("lost");
  expect(await failureOf(peer.write(encoder.encode("x")))).toBe("lost");
});
