import { describe, expect, test } from "bun:test";
import { formatAddress, parseAddress } from "../../src/protocol/address.ts";
import { codeOf } from "../helpers/codes.ts";

describe("parseAddress", () => {
  test.each([
    ["web1.example.com:80", { kind: "tcp", host: "web1.example.com", port: 80 }],
    ["web1", { kind: "tcp", host: "web1", port: 7625 }],
    ["10.0.0.1:0", { kind: "tcp", host: "10.0.0.1", port: 0 }],
    ["[::1]:7625", { kind: "tcp", host: "::1", port: 7625 }],
    ["[2001:DB8:0::1]", { kind: "tcp", host: "2001:db8::1", port: 7625 }],
    ["::", { kind: "tcp", host: "::", port: 7625 }],
    ["fe80::1%eth0", { kind: "tcp", host: "fe80::1%eth0", port: 7625 }],
    ["unix:/run/sock", { kind: "unix", path: "/run/sock" }],
    [" host:1 ", { kind: "tcp", host: "host", port: 1 }],
  ] as const)("%p", (text, address) => {
    expect(parseAddress(text)).toEqual(address);
    expect(parseAddress(formatAddress(parseAddress(text)))).toEqual(address);
  });

  test.each([
    "",
    ":80",
    "host:",
    "host:65536",
    "host:8o",
    "host:-1",
    "[::1",
    "[::1]80",
    "[1.2.3.4]:80",
    "1.2.3.256",
    "127.1",
    "a b",
    "a/b",
    "user@host",
    "-x",
    "bücher.example",
    "unix:",
    "unix:a\0b",
    `unix:${"x".repeat(104)}`,
    "x".repeat(254),
    "::1%",
  ])("%p is refused", (text) => {
    expect(codeOf(() => parseAddress(text))).toBe("usage");
  });
});
