/** The small parts of the dialects. */
import { describe, expect, test } from "bun:test";
import type { SockError } from "../../src/errors.ts";
import { isLeave } from "../../src/plain/chat.ts";
import { mayAnswerBack } from "../../src/plain/datagrams.ts";
import { formatPlain, isLocal, parsePlainUrl } from "../../src/plain/address.ts";
import { dialectFor, DIALECTS, findDialect } from "../../src/plain/dialects.ts";
import { parseRequest } from "../../src/plain/ftp-gt.ts";
import { decodeInt32, encodeInt32 } from "../../src/plain/int32.ts";
import { stuckDigits } from "../../src/plain/post-pipe.ts";
import { lastPart } from "../../src/plain/stored.ts";
import { traceLines } from "../../src/plain/trace.ts";
import { raised } from "../../src/plain/upper.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const failing = (code: string): SockError => expect.objectContaining({ code }) as SockError;

describe("addresses", () => {
  test.each([
    ["tcp://127.0.0.1:80", "tcp://127.0.0.1:80", ""],
    ["UDP://Host:7", "udp://Host:7", ""],
    ["tcp://[::1]:80/a/b", "tcp://[::1]:80", "a/b"],
    ["unix:/tmp/s", "unix:/tmp/s", ""],
    ["unix:///tmp/s", "unix:/tmp/s", ""],
    ["unix:s", "unix:s", ""],
  ])("%s", (text, address, rest) => {
    const url = parsePlainUrl(text);
    expect([formatPlain(url.address), url.rest]).toEqual([address, rest]);
  });

  test.each(["tcp://host", "tcp://:80", "tcp://host:99999", "unix:", "http://host:80", "host:80"])(
    "%s is none",
    (text) => {
      expect(() => parsePlainUrl(text)).toThrow(failing("usage"));
    },
  );

  test.each([
    ["tcp://127.0.0.1:1", true],
    ["tcp://127.9.9.9:1", true],
    ["tcp://[::1]:1", true],
    ["tcp://[::ffff:127.0.0.1]:1", true],
    ["tcp://localhost:1", true],
    ["unix:/s", true],
    ["tcp://0.0.0.0:1", false],
    ["tcp://[::]:1", false],
    ["tcp://10.0.0.1:1", false],
    ["tcp://localhost.example:1", false],
    ["tcp://[::2]:1", false],
  ])("%s is this machine's alone: %p", (text, local) => {
    expect(isLocal(parsePlainUrl(text).address)).toBe(local);
  });
});

test("lengths up to 2^31-1, and no further", () => {
  for (const value of [0, 1, 255, 65_536, 2 ** 31 - 1]) expect(decodeInt32(encodeInt32(value))).toBe(value);
  expect(encodeInt32(0x01020304)).toEqual(Uint8Array.of(4, 3, 2, 1));
  for (const value of [2 ** 31, 2 ** 32, 2 ** 32 + 5])
    expect(() => encodeInt32(value)).toThrow(failing("too-large"));
  expect(() => decodeInt32(Uint8Array.of(0, 0, 0, 0x80))).toThrow(failing("protocol"));
});

test("requests of ftp-gt", () => {
  const read = (text: string): unknown => {
    const request = parseRequest(bytes(text));
    return request && [request.verb, Buffer.from(request.name).toString(), request.size];
  };
  expect(read("put>a.txt>1024")).toEqual(["put", "a.txt", 1024]);
  expect(read("get>a>b>2")).toEqual(["get", "a>b", 2]);
  expect(read("put>你好>0\n")).toEqual(["put", "你好", 0]);
  for (const text of ["put>a", "put>>5", "del>a>2", "put>a>-1", "put>a>1e3", "put>a>99999999999999999"]) {
    expect(read(text)).toBeUndefined();
  }
});

test("digits that stuck to a size are found by what has come", () => {
  expect(stuckDigits("512345", 0)).toBe("12345");
  expect(stuckDigits("1024999", 1021)).toBe("999");
  expect(stuckDigits("1024", 1000)).toBeUndefined();
  expect(stuckDigits("5", 3)).toBeUndefined();
});

test("many digits stuck to a size take no time", () => {
  const started = performance.now();
  expect(stuckDigits("1".repeat(60_000), 7)).toBeUndefined();
  expect(stuckDigits(`60004${"1".repeat(60_000)}`, 4)).toBe("1".repeat(60_000));
  expect(performance.now() - started).toBeLessThan(500);
});

test.each([
  [0, true],
  [7, true],
  [19, true],
  [53, true],
  [1023, true],
  [7000, true],
  [1024, false],
  [7001, false],
  [65_535, false],
])("a datagram from port %d to port 7000 may be an answer: %p", (port, may) => {
  expect(mayAnswerBack(port, 7000)).toBe(may);
});

test("names lose their folders by either slash", () => {
  expect(lastPart(bytes("C:\\temp\\a.txt"))).toBe("a.txt");
  expect(lastPart(bytes("../../etc/passwd"))).toBe("passwd");
  expect(lastPart(bytes("a.txt"))).toBe("a.txt");
});

test("upper raises a to z and nothing else", () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const changed = raised(all);
  for (const [byte, value] of changed.entries()) {
    const letter = byte >= 0x61 && byte <= 0x7a;
    expect(value).toBe(letter ? byte - 32 : byte);
  }
});

test("q leaves, with or without the end of its line, and other words do not", () => {
  for (const text of ["q", "q\n", "q\r\n"]) expect(isLeave(bytes(text))).toBe(true);
  for (const text of ["", "quit", "qq", "a q"]) expect(isLeave(bytes(text))).toBe(false);
});

test("a trace shows time, size, hex and text, and no more than there is room for", () => {
  const time = new Date("2026-01-02T03:04:05.678Z").getTime();
  const line = traceLines({ time, peer: "p", direction: "read", bytes: bytes("hi\n") });
  expect(line[0]).toMatch(/^\d\d:04:05\.678000 {2}p {2}< {2}3 B$/);
  expect(line[1]).toBe(`    0000  68 69 0a${" ".repeat(39)}  hi.`);
  const long = traceLines({ time, peer: "p", direction: "write", bytes: new Uint8Array(1000) });
  expect(long.at(-1)).toBe("    … 744 bytes more");
  expect(long).toHaveLength(1 + 16 + 1);
});

test("each dialect is found by its name, and fits its verb", () => {
  for (const name of DIALECTS.keys()) expect(findDialect(name).name).toBe(name);
  expect(() => findDialect("exec-lenght")).toThrow(
    expect.objectContaining({ hint: "did you mean exec-length?" }) as SockError,
  );
  expect(() => dialectFor("commands", "echo", "shell")).toThrow(failing("usage"));
  expect(dialectFor("files", "ftp-gt", "put").name).toBe("ftp-gt");
});
