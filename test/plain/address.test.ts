import { describe, expect, test } from "bun:test";
import { SockError } from "../../src/errors.ts";
import { meantUrl, parsePlainUrl } from "../../src/plain/address.ts";
import { bindFailure } from "../../src/plain/socket.ts";

describe("what may have been meant", () => {
  const MEANT: [string, string | undefined][] = [
    ["7000", "tcp://127.0.0.1:7000"],
    [":7000", "tcp://127.0.0.1:7000"],
    ["udp:7000", "udp://127.0.0.1:7000"],
    ["db1:7000", "tcp://db1:7000"],
    ["tcp://:7000", "tcp://127.0.0.1:7000"],
    ["udp://7000", "udp://127.0.0.1:7000"],
    ["UDP:10.0.0.7:7", "udp://10.0.0.7:7"],
    ["[::1]:7", "tcp://[::1]:7"],
    ["db1", undefined],
    ["/tmp/s", undefined],
    ["http://db1:80/", undefined],
  ];
  for (const [text, url] of MEANT) {
    test(text, () => {
      expect(meantUrl(text)).toBe(url);
      expect(() => parsePlainUrl(text)).toThrow(SockError);
      if (url !== undefined) expect(parsePlainUrl(url).rest).toBe("");
    });
  }
});

test("a socket's path that is taken has no port to change", () => {
  const taken = Object.assign(new Error("x"), { code: "EADDRINUSE" });
  const failure = bindFailure(taken, { kind: "unix", path: "/tmp/s" });
  expect([failure.code, failure.hint]).toEqual(["port-in-use", "another path, or remove what is there"]);
  const missing = Object.assign(new Error("x"), { code: "ENOENT" });
  expect(bindFailure(missing, { kind: "unix", path: "/no/s" }).message).toBe(
    "unix:/no/s: there is no such folder",
  );
});
