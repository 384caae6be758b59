import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatIp, parseIPv4, parseIPv6, peerIp } from "../../src/protocol/ip.ts";

describe("IP addresses", () => {
  test("every IPv6 address reads back from its canonical text", () => {
    const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
    const sparse = fc
      .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
      .map((b) => Uint8Array.from(b));
    fc.assert(
      fc.property(fc.oneof(bytes, sparse), (address) => {
        expect(parseIPv6(formatIp(address))).toEqual(address);
      }),
    );
  });

  test("canonical texts are those of RFC 5952", () => {
    const canonical = (text: string): string => formatIp(parseIPv6(text) ?? new Uint8Array(0));
    expect(canonical("2001:DB8:0:0:1:0:0:1")).toBe("2001:db8::1:0:0:1");
    expect(canonical("2001:db8:0:1:1:1:1:1")).toBe("2001:db8:0:1:1:1:1:1");
    expect(canonical("0:0:0:0:0:0:0:0")).toBe("::");
    expect(canonical("::1")).toBe("::1");
    expect(canonical("fe80::")).toBe("fe80::");
    expect(canonical("64:ff9b::192.0.2.33")).toBe("64:ff9b::c000:221");
  });

  test.each([
    "",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "12345::",
    "g::",
    "1.2.3.4::",
    "::1.2.3",
    "::1%eth0",
    " ::1",
  ])("%p is no IPv6 address", (text) => {
    expect(parseIPv6(text)).toBeUndefined();
  });

  test.each(["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "0x1.2.3.4", "1..2.3"])(
    "%p is no IPv4 address",
    (text) => {
      expect(parseIPv4(text)).toBeUndefined();
    },
  );

  test("a peer's address loses its zone and its mapping", () => {
    expect(peerIp("::ffff:10.0.0.1")).toEqual(Uint8Array.of(10, 0, 0, 1));
    expect(peerIp("fe80::1%eth0")).toEqual(parseIPv6("fe80::1") ?? new Uint8Array(0));
    expect(peerIp("unix")).toBeUndefined();
  });
});
