import { describe, expect, test } from "bun:test";
import { inRanges, isCidr, parseCidr } from "../../src/protocol/cidr.ts";
import { codeOf } from "../helpers/codes.ts";

describe("address ranges", () => {
  test.each([
    ["10.0.0.0/8", "10.255.255.255", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.1.2.3/8", "10.200.0.1", true],
    ["192.0.2.128/25", "192.0.2.127", false],
    ["192.0.2.128/25", "192.0.2.128", true],
    ["192.0.2.1", "192.0.2.1", true],
    ["192.0.2.1", "192.0.2.2", false],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["::/0", "2001:db8::1", true],
    ["::/0", "203.0.113.9", false],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["10.0.0.0/8", "::ffff:10.1.2.3", true],
    ["10.0.0.0/8", "::ffff:0a01:0203", true],
    ["::ffff:10.0.0.0/104", "10.1.2.3", true],
    ["::ffff:10.0.0.0/104", "::ffff:11.1.2.3", false],
    ["fe80::/10", "fe80::1%eth0", true],
    ["10.0.0.0/8", "unix:/run/sock", false],
    ["10.0.0.0/8", "", false],
  ] as const)("%s and %s: %p", (range, address, inside) => {
    expect(inRanges(address, [range])).toBe(inside);
    expect(inRanges(address, [parseCidr(range)])).toBe(inside);
  });

  test("no ranges allow all, several allow each of theirs", () => {
    expect(inRanges("203.0.113.9", [])).toBe(true);
    expect(inRanges("unix:/run/sock", [])).toBe(true);
    expect(inRanges("2001:db8::1", ["10.0.0.0/8", "2001:db8::/32"])).toBe(true);
  });

  test("are kept in their canonical form", () => {
    expect(parseCidr(" 10.1.2.3/8 ")).toBe("10.0.0.0/8");
    expect(parseCidr("2001:DB8:0::1")).toBe("2001:db8::1/128");
  });

  test.each([
    "",
    "/8",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
    "10.0.0.0/",
    "10/8",
    "::/129",
    "web1/8",
  ])("%p is none", (text) => {
    expect(codeOf(() => parseCidr(text))).toBe("usage");
    expect(isCidr(text)).toBe(false);
  });
});
