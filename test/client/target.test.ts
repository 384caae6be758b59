import { expect, test } from "bun:test";
import { splitTarget } from "../../src/client/target.ts";
import { codeOf, errorOf } from "../helpers/codes.ts";

test.each([
  ["web1:path/x", { kind: "remote", host: "web1", path: "path/x" }],
  ["web1:", { kind: "remote", host: "web1", path: "" }],
  [":path", { kind: "remote", host: undefined, path: "path" }],
  [":", { kind: "remote", host: undefined, path: "" }],
  ["web1:a:b", { kind: "remote", host: "web1", path: "a:b" }],
  ["web1:foo..bar", { kind: "remote", host: "web1", path: "foo..bar" }],
  ["web1:a\\b", { kind: "remote", host: "web1", path: "a\\b" }],
  ["web1", { kind: "word", word: "web1" }],
  ["-", { kind: "word", word: "-" }],
  ["a/b", { kind: "local", path: "a/b" }],
  ["./a:b", { kind: "local", path: "./a:b" }],
  ["/a:b", { kind: "local", path: "/a:b" }],
  ["c:x", { kind: "local", path: "c:x" }],
  ["C:\\x", { kind: "local", path: "C:\\x" }],
  ["tcp://web1:80", { kind: "url", url: "tcp://web1:80" }],
  ["UDP://web1:80", { kind: "url", url: "UDP://web1:80" }],
  ["unix:/run/x", { kind: "url", url: "unix:/run/x" }],
] as const)("%s", (word, target) => {
  expect(splitTarget(word, "linux")).toEqual(target);
});

test("a leading slash, and a backslash on Windows, are refused with the path that was meant", () => {
  expect(errorOf(() => splitTarget("web1:/etc/x", "linux"))?.hint).toContain('"web1:etc/x"');
  expect(errorOf(() => splitTarget("web1:\\a\\b", "win32"))?.hint).toContain('"web1:a/b"');
  expect(errorOf(() => splitTarget(":/x", "linux"))?.hint).toContain('":x"');
  expect(codeOf(() => splitTarget("web1:a\\b", "win32"))).toBe("usage");
  expect(splitTarget("a\\b:c", "win32")).toEqual({ kind: "local", path: "a\\b:c" });
});
